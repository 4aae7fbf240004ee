"""``nncift run`` as specified: options, outputs, replay, exit codes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import __version__
from nncift_core.cli.options import build_parser
from nncift_core.datasets import load_files
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.store import Workspace

pytestmark = pytest.mark.usefixtures("open_databases")

SUMMARY = [
    "run_id", "n_train", "n_target", "labelled_pairs", "evaluation_pairs", "seconds", "quadrants",
    "selected", "saturated_at", "output",
]  # fmt: skip
QUADRANT = [
    "mse", "r2", "spearman", "mse_ci", "r2_ci", "mse_mean", "mse_zero", "mse_random",
    "mse_additive", "mse_cosine", "n",
]  # fmt: skip


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out" / "subset.jsonl"


def test_json_is_one_object_with_exactly_the_stable_keys(
    cli: Any, arguments: Any, out: Path, tmp_path: Path
) -> None:
    done = cli(*arguments(json=True, predictions=tmp_path / "new" / "p.npy"))
    summary = done.summary
    assert len(done.out.splitlines()) == 1
    assert list(summary) == SUMMARY
    assert list(summary["seconds"]) == ["embed", "label", "train", "predict", "select"]
    assert list(summary["quadrants"]) == ["q1", "q2", "q3", "q4", "q1u"]
    for metrics in summary["quadrants"].values():
        assert sorted(metrics) == sorted(QUADRANT)
    assert summary["quadrants"]["q4"]["mse_additive"] is None
    assert (summary["n_train"], summary["n_target"], summary["selected"]) == (120, 60, 36)
    assert (summary["labelled_pairs"], summary["evaluation_pairs"]) == (288, 480)
    assert Path(summary["output"]) == out
    predicted = np.load(tmp_path / "new" / "p.npy")
    assert (predicted.shape, predicted.dtype) == ((120, 60), np.float32)
    assert summary["run_id"] in done.err
    for stage in ("embed", "label", "train", "predict", "select"):
        assert f"\n{stage} " in done.err


def test_subset_is_raw_lines_of_the_pool_with_a_manifest(
    cli: Any, arguments: Any, out: Path, tmp_path: Path
) -> None:
    summary = cli(*arguments(json=True)).summary
    pool, chosen = lines(tmp_path / "pool.jsonl"), lines(out)
    assert len(chosen) == len(set(chosen)) == 36
    assert set(chosen) <= set(pool)
    manifest = json.loads((out.parent / "subset.manifest.json").read_text("utf-8"))
    assert manifest["run_id"] == summary["run_id"]
    assert manifest["output"] == {
        "file": "subset.jsonl",
        "schema": "raw",
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "bytes": out.stat().st_size,
        "rows": 36,
    }
    assert {dataset["role"] for dataset in manifest["datasets"]} == {"train", "target"}
    by_role = {dataset["role"]: dataset for dataset in manifest["datasets"]}
    for role, name in (("train", "pool.jsonl"), ("target", "target.jsonl")):
        (source,) = by_role[role]["sources"]
        assert source["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert manifest["config"]["config"]["label_fraction"] == 0.2
    assert manifest["seed"] == 0
    assert manifest["versions"]["nncift_core"] == __version__
    assert {"python", "torch", "duckdb"} <= set(manifest["versions"])
    assert manifest["metrics"]["labelled_pairs"] == 288
    assert set(manifest["metrics"]["quadrants"]) == {
        "q1", "q2", "q3", "q4", "q1u",
    }  # fmt: skip
    selection = manifest["selection"]
    assert (selection["objective"], selection["budget"], selection["selected"]) == ("fl", 36, 36)
    assert selection["saturated_at"] == summary["saturated_at"]
    assert 0 <= selection["labelled_share"] <= 1
    # 96 labelled with three targets each, and 8 reserved, of 120 rows.
    assert selection["labelled_share_of_pool"] == pytest.approx((96 + 8) / 120)
    rows = manifest["rows"]
    # In selection order: line k is the row of rank k.
    dataset = load_files([tmp_path / "pool.jsonl"])
    raw_of = {row.id: raw for row, raw in zip(dataset.rows, dataset.raw, strict=True)}
    assert [raw_of[row["id"]].encode() for row in rows] == chosen
    assert chosen != sorted(chosen, key=pool.index)
    assert [row["rank"] for row in rows] == list(range(1, 37))
    assert all(row["reason"] and row["gain"] >= 0 and row["round"] >= 1 for row in rows)
    stored = Workspace.open(tmp_path / "workspace").catalog.selections(summary["run_id"])[0]
    assert stored.row_count == 36


def test_without_json_a_table_for_people(cli: Any, arguments: Any, out: Path) -> None:
    done = cli(*arguments())
    assert done.code == 0
    assert "Q4" in done.out
    assert str(out) in done.out
    assert "embed" in done.err


def test_replay_in_the_same_and_in_a_fresh_workspace(
    cli: Any, arguments: Any, out: Path, tmp_path: Path
) -> None:
    first = cli(*arguments(json=True, seed=11, budget="17", objective="topk")).summary
    config = tmp_path / "workspace" / "runs" / first["run_id"] / "config.json"
    for number, place in enumerate((tmp_path / "workspace", tmp_path / "fresh")):
        again = tmp_path / f"again{number}.jsonl"
        summary = cli(
            "run", "--config", config, "--output", again, "--workspace", place, "--json"
        ).summary
        assert again.read_bytes() == out.read_bytes()
        assert summary["run_id"] != first["run_id"]
        assert summary["quadrants"] == first["quadrants"]
        assert summary["saturated_at"] == first["saturated_at"]


def test_an_older_run_is_replayed_as_it_was_made(
    cli: Any, arguments: Any, tmp_path: Path, short_training: None
) -> None:
    """Its config.json names no design, no inputs and no second round: there was one of each."""
    first = cli(*arguments(json=True, network="paper", design="block", inputs="text")).summary
    place = tmp_path / "workspace" / "runs" / first["run_id"]
    content = json.loads((place / "config.json").read_text())
    for name in ("design", "inputs", "second_round"):
        del content["config"][name]
    config = tmp_path / "old.json"
    config.write_text(json.dumps(content))
    out = tmp_path / "again.jsonl"
    again = cli("run", "--config", config, "--output", out, "--json").summary
    assert out.read_bytes() == Path(first["output"]).read_bytes()
    # All pairs of 24 rows with 12 targets: none of them is left to measure.
    assert again["labelled_pairs"] == 24 * 12
    assert list(again["quadrants"]) == ["q1", "q2", "q3", "q4"]
    assert again["quadrants"] == first["quadrants"]
    kept = tmp_path / "workspace" / "runs" / again["run_id"] / "config.json"
    told = json.loads(kept.read_text())["config"]
    assert (told["design"], told["inputs"], told["second_round"]) == ("block", "text", 0.0)
    # Today's defaults label other pairs.
    assert "q1u" in cli(*arguments(json=True, network="paper")).summary["quadrants"]


def test_replay_after_the_pool_met_another_target(
    cli: Any, arguments: Any, out: Path, tmp_path: Path, demo_lines: Any
) -> None:
    """What the cache holds from other runs does not change a run."""
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(demo_lines[1][70:110]), "utf-8")
    assert cli(*arguments(target=other, output=tmp_path / "x.jsonl")).code == 0
    first = cli(*arguments(json=True)).summary
    config = tmp_path / "workspace" / "runs" / first["run_id"] / "config.json"
    again = tmp_path / "again.jsonl"
    done = cli("run", "--config", config, "--output", again, "--workspace", tmp_path / "fresh")
    assert done.code == 0
    assert again.read_bytes() == out.read_bytes()


def test_replay_with_a_mapping_and_a_sample(cli: Any, out: Path, tmp_path: Path) -> None:
    records = [{"q": f"ask {i} about {i % 7}", "a": f"answer {i % 11} {i}", "kind": str(i % 3)}
               for i in range(80)]  # fmt: skip
    pool = tmp_path / "pool.json"
    pool.write_text(json.dumps(records))
    first = cli(
        "run", "--train", pool, "--target", "sample:20", "--map", "prompt=q", "--map", "response=a",
        "--subtask-column", "kind", "--objective", "round-robin", "--label-fraction", "0.3",
        "--output", out, "--json",
    ).summary  # fmt: skip
    assert (first["n_train"], first["n_target"], first["selected"]) == (60, 20, 18)
    chosen = [json.loads(line) for line in lines(out)]
    assert all(list(row) == ["q", "a", "kind"] for row in chosen)
    config = tmp_path / "workspace" / "runs" / first["run_id"] / "config.json"
    again = tmp_path / "again.jsonl"
    done = cli("run", "--config", config, "--output", again, "--workspace", tmp_path / "fresh")
    assert done.code == 0, done.err
    assert again.read_bytes() == out.read_bytes()
    pool.write_text(json.dumps(records[1:]))
    done = cli("run", "--config", config, "--output", again, "--workspace", tmp_path / "third")
    assert "have changed since the run was made" in done.sentence


@pytest.mark.parametrize(
    "change",
    [
        {"budget": 0.3},
        {"budget": "0"},
        {"seed": 1.5},
        {"seed": "0"},
        {"label_fraction": None},
        {"method": "delift-es"},
        {"objective": 3},
        {"unheard_of": 1},
    ],
)
def test_an_edited_configuration_is_refused(
    cli: Any, arguments: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    cli(*arguments(budget="121"))  # refused, but its configuration is written
    (config,) = (tmp_path / "workspace" / "runs").glob("*/config.json")
    content = json.loads(config.read_text())
    content["config"] |= change
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(content))
    assert cli("run", "--config", edited, "--output", tmp_path / "x.jsonl").sentence
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize("content", ["{}", "[]", "not json", "null", '{"format": "nncift-run/1"}'])
def test_other_files_are_no_configuration(cli: Any, tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    assert cli("run", "--config", path, "--output", tmp_path / "x.jsonl").sentence


@pytest.mark.parametrize(
    "more", [["--budget", "5"], ["--train", "x"], ["--exact"], ["--map", "a=b"], ["--seed", "0"]]
)
def test_a_replay_takes_no_other_settings(cli: Any, tmp_path: Path, more: list[str]) -> None:
    sentence = cli("run", "--config", "c.json", "--output", "x.jsonl", *more).sentence
    assert f"{more[0]} does not go with --config" in sentence


def test_exact(cli: Any, arguments: Any, tmp_path: Path) -> None:
    summary = cli(*arguments(json=True, exact=True, label_fraction=None)).summary
    assert summary["quadrants"] == {"q1": None, "q2": None, "q3": None, "q4": None}
    assert summary["labelled_pairs"] == 7200


@pytest.mark.parametrize(("budget", "rows"), [("1", 1), ("1.0", 120), (".3", 36), ("0.001", 1)])
def test_budgets(cli: Any, arguments: Any, out: Path, budget: str, rows: int) -> None:
    summary = cli(
        *arguments(json=True, exact=True, label_fraction=None, budget=budget, duplicates="keep")
    ).summary
    assert summary["selected"] == rows
    assert len(lines(out)) == rows


def test_existing_rows_for_flcg(cli: Any, arguments: Any, tmp_path: Path, demo_lines: Any) -> None:
    existing = tmp_path / "existing.jsonl"
    existing.write_text("\n".join(demo_lines[0][200:230]), "utf-8")
    sentence = cli(*arguments(objective="flcg")).sentence
    assert "--existing" in sentence
    assert "flcg" in cli(*arguments(existing=existing)).sentence
    assert cli(*arguments(objective="flcg", existing=existing, json=True)).summary["selected"] == 36


def test_a_relative_encoder_folder_is_kept_absolute(
    cli: Any, arguments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    run_id = cli(*arguments(encoder="model", json=True)).summary["run_id"]
    config = json.loads((tmp_path / "workspace/runs" / run_id / "config.json").read_text())
    assert config["config"]["encoder"] == str(tmp_path / "model")


def test_several_files_are_one_pool(
    cli: Any, arguments: Any, out: Path, tmp_path: Path, demo_lines: Any
) -> None:
    second = tmp_path / "second.jsonl"
    second.write_text("\n".join(demo_lines[0][120:150]), "utf-8")
    train = [tmp_path / "pool.jsonl", second]
    summary = cli(*arguments(train=train, json=True, budget="1.0", duplicates="keep")).summary
    assert summary["n_train"] == 150
    assert sorted(lines(out)) == sorted(line.encode() for line in demo_lines[0][:150])


def test_export_of_a_stored_run(cli: Any, arguments: Any, out: Path, tmp_path: Path) -> None:
    run_id = cli(*arguments(json=True)).summary["run_id"]
    pool = lines(tmp_path / "pool.jsonl")
    rest = tmp_path / "rest.jsonl"
    assert cli("export", run_id, "--rest", "--output", rest).code == 0
    taken = set(lines(out))
    assert lines(rest) == [line for line in pool if line not in taken]
    again = tmp_path / "again.jsonl"
    assert cli("export", run_id, "--output", again).code == 0
    assert again.read_bytes() == out.read_bytes()
    alpaca = tmp_path / "alpaca.jsonl"
    assert cli("export", run_id, "--schema", "alpaca", "--output", alpaca).code == 0
    assert all(
        set(json.loads(line)) == {"instruction", "input", "output"} for line in lines(alpaca)
    )
    assert (
        "Did you mean 'alpaca'"
        in cli("export", run_id, "--schema", "alpacca", "--output", alpaca).sentence
    )
    assert cli("export", "no-such-run", "--output", alpaca).sentence
    assert run_id in cli("runs").out


def test_resume_of_a_finished_run_exports_it(
    cli: Any, arguments: Any, out: Path, tmp_path: Path
) -> None:
    first = cli(*arguments(json=True)).summary
    again = tmp_path / "again.jsonl"
    done = cli("resume", first["run_id"], "--output", again, "--json")
    assert done.summary["run_id"] == first["run_id"]
    assert again.read_bytes() == out.read_bytes()
    assert cli("resume", "20200101-000000-aaaaaa").sentence
    assert cli("resume", "../../etc").sentence


def test_output_never_takes_the_place_of_an_input(
    cli: Any, arguments: Any, tmp_path: Path, demo_lines: Any
) -> None:
    pool = tmp_path / "pool.jsonl"
    before = pool.read_bytes()
    assert "never overwritten" in cli(*arguments(output=pool)).sentence
    link = tmp_path / "link.jsonl"
    link.symlink_to(pool)
    assert "never overwritten" in cli(*arguments(output=link)).sentence
    # The manifest of subset.jsonl is subset.manifest.json: here that is the pool itself.
    named = tmp_path / "subset.manifest.json"
    named.write_text(json.dumps([json.loads(line) for line in demo_lines[0][:120]]))
    content = named.read_bytes()
    sentence = cli(*arguments(train=named, output=tmp_path / "subset.jsonl")).sentence
    assert "never overwritten" in sentence
    assert (pool.read_bytes(), named.read_bytes()) == (before, content)
    assert not (tmp_path / "subset.jsonl").exists()


def test_help_and_version(cli: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        [],
        ["run"],
        ["pilot"],
        ["resume"],
        ["demo"],
        ["runs"],
        ["methods"],
        ["export"],
    ):
        done = cli(*command, "--help")
        assert (done.code, done.err) == (0, "")
        assert "usage: nncift" in done.out
    text = cli("run", "--help").out
    for option in (
        "train", "target", "existing", "map", "subtask-column", "method", "label-fraction",
        "budget", "objective", "encoder", "model", "network", "seed", "workspace", "exact",
        "predictions", "config", "json", "output",
    ):  # fmt: skip
        assert f"--{option}" in text
    assert cli("--version").out.strip() == f"nncift {__version__}"


def test_methods_are_listed_with_what_they_need(cli: Any) -> None:
    done = cli("methods")
    assert (done.code, done.err) == (0, "")
    blocks = {block.split()[0]: block for block in done.out.split("\n\n")}
    assert list(blocks) == METHODS.names
    for method in METHODS:
        block = " ".join(blocks[method.name].split())
        for text in (method.title, method.summary, method.cost, method.citation):
            assert text in block
        assert f"--objective {method.default_objective}" in block
        assert ("scores single rows" in block) == method.pointwise
        for need, words in (("encoder", "a sentence encoder"), ("gradients", "gradients"),
                            ("language-model", "a language model"),
                            ("uses-chat-template", "its chat template")):  # fmt: skip
            assert (words in block.split("needs ")[-1].split(" cost ")[0]) == (need in method.needs)
    assert max(map(len, done.out.splitlines())) < 130


def test_every_option_stands_once() -> None:
    parser = build_parser()
    for option, value in (("--seed", "1"), ("--output", "a"), ("--target", "t"), ("--budget", "1")):
        with pytest.raises(ConfigError, match=f"{option} is given twice"):
            parser.parse_args(["run", option, value, option, value])
    for command in ("resume", "export"):
        with pytest.raises(ConfigError, match="--output is given twice"):
            parser.parse_args([command, "id", "--output", "a", "--output", "b"])
    parsed = parser.parse_args(["run", "--train", "a", "--train", "b", "--map", "x=y"])
    assert parsed.train == ["a", "b"]


def test_a_broken_pipe_is_nobodys_fault(
    cli: Any, arguments: Any, repository: Path, tmp_path: Path
) -> None:
    assert cli(*arguments(exact=True, label_fraction=None)).code == 0
    # The workspace itself stays open in this process, and no other may have it.
    shutil.copytree(tmp_path / "workspace", tmp_path / "copy")
    running = subprocess.Popen(
        [sys.executable, "-m", "nncift_core", "runs", "--workspace", str(tmp_path / "copy")],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.wait(60) == 0
    with contextlib.closing(running.stderr) as stderr:
        assert stderr.read() == ""
