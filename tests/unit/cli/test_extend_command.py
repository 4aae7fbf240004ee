"""``nncift extend`` and ``nncift spot-check``: what they write, and what they refuse."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core.cli import main
from tests.fake_encoder import PLACES, FakeEncoder


@pytest.fixture(scope="session", name="_finished")
def make_finished_run(
    tmp_path_factory: pytest.TempPathFactory, demo_lines: Any
) -> tuple[Path, str]:
    """A workspace with a finished run of 120 pool rows, and the run's id."""
    folder = tmp_path_factory.mktemp("finished-run")
    pool, target = folder / "pool.jsonl", folder / "target.jsonl"
    for path, lines, count in ((pool, demo_lines[0], 120), (target, demo_lines[1], 60)):
        path.write_text("\n".join(lines[:count]) + "\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for place in PLACES:
            patch.setattr(
                importlib.import_module(place), "open_encoder", lambda name: FakeEncoder()
            )
        code = main(
            ["run", "--train", str(pool), "--target", str(target), "--method", "delift-se",
             "--label-fraction", "0.2", "--network", "paper", "--workspace", str(folder / "ws"),
             "--output", str(folder / "subset.jsonl")]
        )  # fmt: skip
    assert code == 0
    (run_dir,) = (folder / "ws" / "runs").iterdir()
    return folder / "ws", run_dir.name


@pytest.fixture
def run_id(_finished: tuple[Path, str], tmp_path: Path) -> str:
    """A finished run in a workspace of the test's own."""
    root, finished = _finished
    shutil.copytree(root, tmp_path / "workspace")
    return finished


@pytest.fixture
def more(tmp_path: Path, demo_lines: Any) -> Callable[..., Path]:
    def write(first: int = 118, last: int = 150, name: str = "more.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(demo_lines[0][first:last]) + "\n", "utf-8")
        return path

    return write


def test_extend_writes_the_subset_and_says_what_changed(
    cli: Any, run_id: str, more: Any, tmp_path: Path, demo_lines: Any
) -> None:
    output = tmp_path / "longer.jsonl"
    done = cli("extend", run_id, "--rows", more(), "--output", output, "--json")
    summary = done.summary
    assert (summary["n_train"], summary["n_target"], summary["selected"]) == (150, 60, 45)
    assert summary["output"] == str(output)
    assert summary["extension"]["run_id"] == run_id
    assert (summary["extension"]["added"], summary["extension"]["left_out"]) == (30, 2)
    lines = output.read_text("utf-8").splitlines()
    assert len(lines) == 45
    assert set(lines) <= set(demo_lines[0][:150])
    manifest = json.loads((tmp_path / "longer.manifest.json").read_text("utf-8"))
    assert [item["role"] for item in manifest["datasets"]] == ["train", "target", "added"]
    assert manifest["metrics"]["extension"] == summary["extension"]
    # In words, and from the second of two files at once.
    words = cli(
        "extend", run_id, "--rows", more(120, 130, "a.jsonl"), "--rows", more(130, 140, "b.jsonl"),
        "--budget", "12", "--output", output,
    )  # fmt: skip
    assert words.code == 0
    assert f"extends    {run_id}" in words.out
    assert "added      20 rows" in words.out
    assert "selected   12 rows" in words.out
    assert "selected rows stay" in words.out
    assert "farther from every labelled row" in words.out


def test_the_replay_is_the_same(cli: Any, run_id: str, more: Any, tmp_path: Path) -> None:
    output, again = tmp_path / "longer.jsonl", tmp_path / "again.jsonl"
    summary = cli("extend", run_id, "--rows", more(), "--output", output, "--json").summary
    config = tmp_path / "workspace" / "runs" / summary["run_id"] / "config.json"
    replay = cli("run", "--config", config, "--output", again, "--json").summary
    assert again.read_bytes() == output.read_bytes()
    assert replay["extension"] == summary["extension"]
    # In another workspace there is no network to take over.
    other = cli("run", "--config", config, "--output", again, "--workspace", tmp_path / "elsewhere")
    assert "There is no run" in other.sentence


def test_columns_are_mapped_as_in_the_pool(
    cli: Any, arguments: Any, tmp_path: Path, demo_lines: Any
) -> None:
    def renamed(lines: list[str], name: str) -> Path:
        path = tmp_path / name
        rows = [json.loads(line) for line in lines]
        path.write_text(
            "".join(
                json.dumps({"frage": row["prompt"], "antwort": row["response"]}) + "\n"
                for row in rows
            ),
            "utf-8",
        )
        return path

    mapped = ["--map", "prompt=frage", "--map", "response=antwort"]
    pool = renamed(demo_lines[0][:120], "frage.jsonl")
    run_id = cli(*arguments(train=pool, network="paper"), *mapped, "--json").summary["run_id"]
    output = tmp_path / "longer.jsonl"
    for rows in (
        renamed(demo_lines[0][120:130], "mehr.jsonl"),
        tmp_path / "plain.jsonl",
    ):
        if not rows.exists():
            rows.write_text("\n".join(demo_lines[0][130:140]) + "\n", "utf-8")
        done = cli("extend", run_id, "--rows", rows, "--output", output, "--json")
        assert done.summary["extension"]["added"] == 10


def test_a_spot_check_in_numbers_and_words(
    cli: Any, run_id: str, more: Any, tmp_path: Path
) -> None:
    of_pool = cli("spot-check", run_id, "--pairs", 32, "--json").summary
    assert (of_pool["n"], of_pool["rows"], of_pool["unit"]) == (32, "pool", "pairs")
    longer = cli(
        "extend", run_id, "--rows", more(), "--output", tmp_path / "l.jsonl", "--json"
    ).summary["run_id"]
    words = cli("spot-check", longer)
    assert words.code == 0
    assert "checked    64 pairs of the added rows" in words.out
    assert words.out.rstrip().splitlines()[-1].endswith(".")
    assert "the run itself stays as it was" in words.err


def test_what_is_refused_is_one_sentence(
    cli: Any, run_id: str, arguments: Any, more: Any, tmp_path: Path
) -> None:
    output = tmp_path / "o.jsonl"
    rows = more()

    def extend(run: str, *options: object) -> str:
        return str(cli("extend", run, *options, "--output", output).sentence)

    assert "There is no run" in extend("20200101-000000-abcdef", "--rows", rows)
    assert "is not a run id" in extend("../runs", "--rows", rows)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("", "utf-8")
    assert "empty" in extend(run_id, "--rows", empty)
    assert "does not exist" in extend(run_id, "--rows", tmp_path / "nothing.jsonl")
    assert "in the pool already" in extend(run_id, "--rows", more(0, 20, "known.jsonl"))
    assert "budget" in extend(run_id, "--rows", rows, "--budget", "1.5").lower()
    assert "'nowhere'" in extend(run_id, "--rows", rows, "--map", "prompt=nowhere")
    assert "--rows" in str(cli("extend", run_id, "--output", output).sentence)
    assert "--output" in str(cli("extend", run_id, "--rows", rows).sentence)
    over = cli("extend", run_id, "--rows", rows, "--output", rows).sentence
    assert "input" in over
    assert not output.exists()

    assert "There is no run" in cli("spot-check", "20200101-000000-abcdef").sentence
    assert "No rows were added" in cli("spot-check", run_id, "--rows", "added").sentence
    assert "Choose added or pool" in cli("spot-check", run_id, "--rows", "all").sentence
    assert "is not possible" in cli("spot-check", run_id, "--pairs", 0).sentence
    exact = cli(*arguments(exact=True), "--json").summary["run_id"]
    assert "computed every value" in cli("spot-check", exact).sentence


def test_unfinished_runs_and_exact_runs_of_a_model(
    cli: Any, run_id: str, more: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace" / "runs" / run_id
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["config"] |= {"method": "delift", "exact": True}
    kept = (folder / "config.json").read_text("utf-8")
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    rows, output = more(), tmp_path / "o.jsonl"
    done = cli("extend", run_id, "--rows", rows, "--output", output)
    assert "no network that could predict" in done.sentence
    (folder / "config.json").write_text(kept, "utf-8")
    (folder / "result.json").unlink()
    assert "has not finished" in cli("extend", run_id, "--rows", rows, "--output", output).sentence
    assert "has not finished" in cli("spot-check", run_id).sentence
