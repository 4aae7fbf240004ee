"""``nncift plan`` and ``nncift audit`` with a tiny language model, from options to results."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core.cli.audit import audit_text
from nncift_core.cli.plan import plan_text, read_time
from nncift_core.errors import ConfigError
from nncift_core.lm.devices import LOCKS_VARIABLE
from nncift_core.store import Workspace
from tests.tiny_lm import make_rows, make_tiny_model

N_TRAIN, N_TARGET = 48, 24


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return make_tiny_model(folder, "qwen2", chat_template="chatml", positions=640)


@pytest.fixture(scope="module")
def records(tiny: Path) -> list[str]:
    rows = make_rows(tiny, N_TRAIN + N_TARGET, seed=5, response_tokens=5)
    return [
        json.dumps({"prompt": row.prompt, "response": row.response, "subtask": str(number % 3)})
        for number, row in enumerate(rows)
    ]


@pytest.fixture
def lm(
    cli: Any, tiny: Path, records: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """``lm("plan", method="delift", time="1h")``: the parts of a call with the tiny model."""
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))
    pool, target = tmp_path / "pool.jsonl", tmp_path / "target.jsonl"
    pool.write_text("\n".join(records[:N_TRAIN]) + "\n", "utf-8")
    target.write_text("\n".join(records[N_TRAIN:]) + "\n", "utf-8")

    def parts(command: str, **options: Any) -> list[str]:
        given: dict[str, Any] = {
            "train": pool,
            "target": target,
            "method": "delift",
            "model": tiny,
            "network": "ridge",
            "inputs": "text",
        }
        found = [command]
        for name, value in (given | options).items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                found += [option] if value is True else [option, str(value)]
        return found

    return parts


# Plans ----------------------------------------------------------------------------------------


def test_a_plan_proposes_a_run_that_can_be_run(cli: Any, lm: Any, tmp_path: Path) -> None:
    found = cli(*lm("plan", accuracy=0.05, pilot_seconds=5, json=True)).summary
    assert found["needed"] and found["method"] == "delift"
    assert found["labels"]["source"] == "pilot"
    assert found["labels"]["count"] >= 200
    assert found["design"] == "spread"
    assert found["unit"] == "pairs"
    assert found["estimator"] == "ridge"
    assert [len(point["r2_of_draws"]) for point in found["curve"]["points"]] == [5] * len(
        found["curve"]["points"]
    )
    assert found["exact"]["units"] == N_TRAIN * N_TARGET
    for option in found["options"]:
        assert option["units"] <= N_TRAIN * N_TARGET
        low, high = option["r2_ci"]
        assert low <= option["r2"] <= high
    if found["proposal"] is None:
        assert found["verdict"] in ("mean", "unreachable", "exact")
        assert "--exact" in found["sentence"]
    else:
        assert f"--label-fraction {found['proposal']['fraction']:g}" in found["command"]
    # Whatever was proposed: a proposal's line is a run's line, with no option lost.
    from nncift_core.cli.options import build_parser
    from nncift_core.cli.plan import run_line

    options = build_parser().parse_args(lm("plan", accuracy=0.05, seed=3))
    line = shlex.split(run_line(options, fraction=0.3))
    again = build_parser().parse_args(line[1:])
    assert (again.command, again.label_fraction, again.seed) == ("run", 0.3, 3)
    assert (again.train, again.target, again.model) == (
        options.train, options.target, options.model,
    )  # fmt: skip


def test_a_second_plan_labels_nothing_and_a_run_is_used(
    cli: Any, lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cli(*lm("plan", time="20s", pilot_seconds=5, json=True)).summary
    workspace = Workspace.open(tmp_path / "workspace")
    stored = sorted(path.name for path in workspace.labels_dir.rglob("*.npy"))
    # The curve of the same labels is kept; fitting again would be a fault.
    from nncift_core.pipeline import plans

    monkeypatch.setattr(plans, "measure_curve", None)
    second = cli(*lm("plan", accuracy=0.5, pilot_seconds=5, json=True)).summary
    assert second["curve"]["points"] == first["curve"]["points"]
    assert sorted(path.name for path in workspace.labels_dir.rglob("*.npy")) == stored
    monkeypatch.undo()


def test_labels_of_a_finished_run_are_used(
    cli: Any, lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli(*lm("run", label_fraction=0.5, output=tmp_path / "s.jsonl", json=True)).summary
    found = cli(*lm("plan", time="20s", json=True)).summary
    assert found["labels"]["source"] == f"run {run['run_id']}"
    assert found["labels"]["count"] == run["labelled_pairs"] + run["evaluation_pairs"]
    text = plan_text(found)
    assert f"of run {run['run_id']}" in text
    assert "expected R2 (95 % interval)" in text


def test_rows_alone_are_planned(cli: Any, lm: Any) -> None:
    found = cli(*lm("plan", method="selectit", target=None, network="ridge", time="1s", json=True))
    # So many rows are too few for a curve: one sentence says so.
    assert "too few" in found.sentence


def test_labels_that_cost_nothing_need_no_plan(cli: Any, lm: Any) -> None:
    done = cli(*lm("plan", method="delift-se", model=None, time="30m", json=True))
    found = done.summary
    assert found["needed"] is False
    assert "nothing to plan" in found["sentence"]
    assert found["command"].endswith("--output subset.jsonl") and "--exact" in found["command"]
    text = cli(*lm("plan", method="delift-se", model=None, time="30m")).out
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs a goal"),
        ({"time": "30m", "accuracy": 0.5}, "needs a goal"),
        ({"accuracy": 1.5}, "outside 0 to 1"),
        ({"time": "soon"}, "is not a time"),
        ({"time": "0m"}, "is not a time"),
        ({"time": "30m", "label_fraction": 0.1}, "proposes --label-fraction"),
        ({"time": "30m", "exact": True}, "proposes --exact"),
        ({"time": "30m", "pilot_seconds": 0}, "measures nothing"),
    ],
)
def test_goals_that_are_refused(cli: Any, lm: Any, options: dict[str, Any], words: str) -> None:
    assert words in cli(*lm("plan", **options)).sentence


def test_times() -> None:
    assert [read_time(text) for text in ("90", "90s", "30m", "1.5h", "2D", "10 min")] == [
        90, 90, 1800, 5400, 172_800, 600,
    ]  # fmt: skip
    for wrong in ("", "m", "3x", "1e999", "nan", "0"):
        with pytest.raises(ConfigError):
            read_time(wrong)


# Audits ---------------------------------------------------------------------------------------


def test_an_audit_of_a_run(cli: Any, lm: Any, tmp_path: Path) -> None:
    run = cli(*lm("run", label_fraction=0.4, output=tmp_path / "s.jsonl", json=True)).summary
    found = cli("audit", run["run_id"], "--json").summary
    assert (found["run_id"], found["method"], found["network"]) == (
        run["run_id"], "delift", "ridge",
    )  # fmt: skip
    checks = {check["name"]: check for check in found["checks"]}
    assert list(checks) == ["shuffled", "duplicates", "wrong-answers", "subsets"]
    assert checks["shuffled"]["status"] == "passed"
    assert "q1u" in checks["shuffled"]["numbers"]["quadrants"]
    assert checks["duplicates"]["status"] == "passed"
    assert checks["wrong-answers"]["status"] in ("passed", "failed")
    assert checks["wrong-answers"]["numbers"]["true"]["rows"] > 1
    closed = checks["subsets"]["numbers"]["budgets"]
    assert [row["budget"] for row in closed] == [
        max(1, round(share * checks["subsets"]["numbers"]["rows"])) for share in (0.1, 0.3)
    ]
    assert sum(found["counts"].values()) == 4
    text = audit_text(found)
    assert "passed     Nothing is learned from shuffled labels" in text
    assert "checks failed" in text or "No check failed" in text


def test_an_audit_of_free_labels_compares_with_the_truth(
    cli: Any, arguments: Any, tmp_path: Path
) -> None:
    run = cli(*arguments(network="ridge", json=True)).summary
    found = cli("audit", run["run_id"], "--json").summary
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["wrong-answers"]["status"] == "reported"
    assert "cosine cannot know" in checks["wrong-answers"]["sentence"]
    assert checks["subsets"]["status"] in ("reported", "failed")
    assert (checks["subsets"]["numbers"]["rows"], checks["subsets"]["numbers"]["columns"]) == (
        64, 24,
    )  # fmt: skip
    assert checks["duplicates"]["status"] == "passed"


def test_an_audit_of_rows_alone(cli: Any, lm: Any, tmp_path: Path) -> None:
    run = cli(
        *lm("run", method="selectit", target=None, label_fraction=0.5, json=True,
            output=tmp_path / "s.jsonl")
    ).summary  # fmt: skip
    found = cli("audit", run["run_id"], "--json").summary
    checks = {check["name"]: check for check in found["checks"]}
    assert set(checks["shuffled"]["numbers"]["quadrants"]) == {"q4"}
    assert checks["duplicates"]["status"] == "passed"
    assert checks["subsets"]["numbers"]["objective"] == "topk"


def test_what_cannot_be_audited_is_refused(cli: Any, arguments: Any, tmp_path: Path) -> None:
    assert "no-run" in cli("audit", "no-run").sentence
    run = cli(*arguments(exact=True, label_fraction=None, json=True)).summary
    assert "computed every value" in cli("audit", run["run_id"]).sentence
    assert "nothing can be compared" in cli("audit", run["run_id"], "--seconds", "0").sentence
