"""``nncift select`` and selections of a run on the command line: requests, replays, exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nncift_core.store import Workspace
from tests.unit.cli.exact_run import ExactRun

pytestmark = pytest.mark.usefixtures("open_databases")

KEYS = [
    "selection_id", "objective", "optimizer", "exact", "ratio", "selected", "saturated_at", "knee",
    "value", "ended", "tokens", "duplicates_left_out", "seconds", "output",
]  # fmt: skip


@pytest.fixture
def run_id(exact_run: ExactRun) -> str:
    """A finished exact run of 120 pool rows."""
    return exact_run.run_id


@pytest.fixture
def pool_ids(exact_run: ExactRun) -> tuple[str, ...]:
    return exact_run.pool_ids


def ids_in(manifest: Path) -> list[str]:
    return [row["id"] for row in json.loads(manifest.read_text("utf-8"))["rows"]]


def test_a_selection_is_one_object_with_exactly_the_stable_keys(
    cli: Any, run_id: str, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "mine.jsonl"
    done = cli("select", run_id, "--objective", "coverage", "--budget", "10", "--name", "Mine",
               "--json", "--output", out)  # fmt: skip
    summary = done.summary
    assert list(summary) == KEYS
    assert len(done.out.splitlines()) == 1
    assert (summary["objective"], summary["optimizer"], summary["exact"]) == (
        "coverage", "lazy", True)  # fmt: skip
    assert (summary["selected"], summary["ended"], summary["ratio"]) == (10, "budget", 1.0)
    assert summary["value"] > 0
    assert summary["tokens"] is None
    assert Path(summary["output"]) == out
    assert len(out.read_bytes().splitlines()) == 10
    record = Workspace.open(tmp_path / "workspace").catalog.selection(summary["selection_id"])
    assert (record.name, record.run_id, record.budget) == ("Mine", run_id, "10")


def test_for_people(cli: Any, run_id: str) -> None:
    done = cli("select", run_id, "--budget", "10", "--most-tokens", "60")
    assert done.code == 0, done.err
    for words in ("selection  ", "objective  fl, lazy (exact)", "selected   10 rows in",
                  "tokens     "):  # fmt: skip
        assert words in done.out
    assert "None" not in done.out
    approximate = cli("select", run_id, "--budget", "10", "--optimizer", "stochastic").out
    assert "fl, stochastic (approximate" in approximate


def test_what_is_not_said_is_as_in_the_run(cli: Any, run_id: str) -> None:
    own = cli("select", run_id, "--json").summary
    assert (own["objective"], own["selected"]) == ("fl", 36)
    assert cli("select", run_id, "--use-case", "target", "--json").summary["objective"] == (
        "flmi-query"
    )


def test_a_manifest_chooses_its_rows_again(
    cli: Any, run_id: str, pool_ids: tuple[str, ...], tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "bans.txt").write_text("\n".join(pool_ids[:4]) + "\n")
    first = tmp_path / "first.jsonl"
    done = cli("select", run_id, "--objective", "coverage", "--budget", "0.2",
               "--pin", pool_ids[9], "--ban", tmp_path / "bans.txt",
               "--ban-where", 'tokens < 5; response contains ";"', "--quota", "cluster:0=..0.1",
               "--output", first)  # fmt: skip
    assert done.code == 0, done.err
    # Only the manifest says it now.
    (tmp_path / "bans.txt").unlink()
    monkeypatch.chdir(tmp_path)
    again = tmp_path / "again.jsonl"
    done = cli("select", run_id, "--from", "first.manifest.json", "--output", again)
    assert done.code == 0, done.err
    assert "The same 24 rows in the same order as in the manifest." in done.err
    assert again.read_bytes() == first.read_bytes()
    manifests = [json.loads((tmp_path / f"{name}.manifest.json").read_text("utf-8"))
                 for name in ("first", "again")]  # fmt: skip
    assert manifests[0]["selection"] == manifests[1]["selection"]
    assert manifests[0]["rows"] == manifests[1]["rows"]
    assert manifests[0]["rows"][0]["reason"].startswith("pinned; ")
    request = manifests[0]["selection"]["request"]
    assert request["ban"] == ",".join(pool_ids[:4])
    assert set(ids_in(tmp_path / "first.manifest.json")).isdisjoint(pool_ids[:4])
    assert pool_ids[9] == manifests[0]["rows"][0]["id"]


def test_the_runs_own_subset_replays_too(cli: Any, run_id: str, tmp_path: Path) -> None:
    own = tmp_path / "out" / "subset.jsonl"
    again = tmp_path / "again.jsonl"
    cli("select", run_id, "--from", own.with_name("subset.manifest.json"), "--output", again)
    assert again.read_bytes() == own.read_bytes()


def test_a_replay_that_differs_is_said(cli: Any, run_id: str, tmp_path: Path) -> None:
    path = tmp_path / "out" / "subset.manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["rows"][0]["id"] = "f" * 16 + "-0"
    path.write_text(json.dumps(manifest))
    assert "Warning: 2 rows differ from those of the manifest" in (
        cli("select", run_id, "--from", path).err
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: "[]", "is no manifest of a subset"),
        (lambda m: "no json", "is not valid JSON"),
        (lambda m: m["selection"].pop("request"), "says nothing of how its rows were chosen"),
        (lambda m: m["datasets"][0].update(id="0" * 64), "is of another pool"),
        (lambda m: m["selection"]["request"].update(speed=1), "unknown setting 'speed'"),
        (lambda m: m["selection"]["request"].pop("seed"), "names no objective, budget or seed"),
        (lambda m: m["selection"]["request"].update(seed=-1), "names no objective, budget or seed"),
        (lambda m: m["selection"]["request"].update(pin=3), "not of type str"),
        (lambda m: m["selection"]["request"].update(objective="best"), "Unknown objective 'best'"),
        (lambda m: m["selection"]["request"].update(ban_where="x"), "is no rule"),
    ],
)
def test_manifests_that_replay_nothing(
    cli: Any, run_id: str, tmp_path: Path, change: Any, words: str
) -> None:
    path = tmp_path / "out" / "subset.manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    text = change(manifest)
    path.write_text(text if isinstance(text, str) and text else json.dumps(manifest))
    assert words in cli("select", run_id, "--from", path, "--output", tmp_path / "x.jsonl").sentence
    assert not (tmp_path / "x.jsonl").exists()
    assert len(Workspace.open(tmp_path / "workspace").catalog.selections(run_id)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "no.json"], "The manifest 'no.json' does not exist."),
        (["--from", "no.json", "--budget", "5"], "The option --budget does not go with --from."),
        (["--from", "no.json", "--pin", "x"], "The option --pin does not go with --from."),
        (["--from", "no.json", "--curated"], "The option --curated does not go with --from."),
        (["--budget", "5000"], "larger than the pool"),
        (["--budget", "5%"], "neither a share nor a row count"),
        (["--budget", ""], "neither a share nor a row count"),
        (["--least-tokens", "100000"], "All 120 rows are too short or too long"),
        (["--token-budget", "1"], "No row fits into the token budget of 1"),
        (["--objective", "flcg"], "needs an existing set"),
        (["--use-case", "continual"], "needs the rows that the model was already tuned on"),
        (["--pin", "f" * 16 + "-0"], "is not in the pool"),
        (["--ban-where", "group = a"], "no row of the pool has one"),
        (["--ban-where", "characters > 0"], "All 120 rows are banned"),
        (["--quota", "subtask:none=1.."], "which no row of the pool has"),
        (["--optimizer", "fast"], "optimizer is 'fast'"),
        (["--token-budget", "many"], "many"),
    ],
)
def test_what_cannot_be_selected(
    cli: Any, run_id: str, tmp_path: Path, options: list[str], words: str
) -> None:
    assert words in cli("select", run_id, *options, "--output", tmp_path / "x.jsonl").sentence
    assert not (tmp_path / "x.jsonl").exists()
    workspace = Workspace.open(tmp_path / "workspace")
    assert len(workspace.catalog.selections(run_id)) == 1
    # Nothing is left that would wait for somebody.
    folder = workspace.run_dir(run_id) / "selections"
    assert not folder.is_dir() or not list(folder.iterdir())


def test_a_run_that_does_not_exist(cli: Any, tmp_path: Path) -> None:
    assert "no-such-run" in cli("select", "no-such-run").sentence


def test_curated_obeys_the_log(
    cli: Any, run_id: str, pool_ids: tuple[str, ...], tmp_path: Path
) -> None:
    plain = cli("select", run_id, "--budget", "10", "--output", tmp_path / "a.jsonl")
    assert plain.code == 0, plain.err
    best = ids_in(tmp_path / "a.manifest.json")[0]
    pinned = next(
        row_id for row_id in pool_ids if row_id not in ids_in(tmp_path / "a.manifest.json")
    )
    assert cli("curate", run_id, "--ban", best, "--pin", pinned).code == 0
    for options, obeyed in (([], False), (["--curated"], True)):
        out = tmp_path / f"{obeyed}.jsonl"
        assert cli("select", run_id, "--budget", "10", "--output", out, *options).code == 0
        chosen = ids_in(out.with_name(f"{obeyed}.manifest.json"))
        assert (best not in chosen) is obeyed
        assert (chosen[0] == pinned) is obeyed
    request = json.loads((tmp_path / "True.manifest.json").read_text("utf-8"))["selection"][
        "request"
    ]
    assert (request["ban"], request["pin"]) == (best, pinned)


def test_export_takes_one_of_the_runs_selections(cli: Any, run_id: str, tmp_path: Path) -> None:
    made = cli("select", run_id, "--budget", "7", "--json").summary["selection_id"]
    out = tmp_path / "seven.jsonl"
    assert cli("export", run_id, "--selection", made, "--output", out).code == 0
    assert len(out.read_bytes().splitlines()) == 7
    assert cli("export", run_id, "--output", out).code == 0
    assert len(out.read_bytes().splitlines()) == 36
    sentence = cli("export", run_id, "--selection", "none", "--output", out).sentence
    assert sentence.startswith(f"Run {run_id} has no selection 'none'. It has: ")


def test_a_run_obeys_what_it_is_given(
    cli: Any, arguments: Any, pool_ids: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / "second" / "subset.jsonl"
    done = cli(*arguments(exact=True, label_fraction=None, output=out, pin=pool_ids[5],
                          ban=",".join(pool_ids[:2]), use_case="subtasks", json=True))  # fmt: skip
    assert done.code == 0, done.err
    manifest = json.loads(out.with_name("subset.manifest.json").read_text("utf-8"))
    assert manifest["selection"]["objective"] == "round-robin"
    assert manifest["rows"][0]["id"] == pool_ids[5]
    assert not {row["id"] for row in manifest["rows"]} & set(pool_ids[:2])
    # config.json replays it from anywhere.
    config = tmp_path / "workspace" / "runs" / done.summary["run_id"] / "config.json"
    again = tmp_path / "third" / "subset.jsonl"
    assert cli("run", "--config", config, "--output", again).code == 0
    assert again.read_bytes() == out.read_bytes()
    refused = cli(*arguments(output=tmp_path / "no.jsonl", use_case="continual")).sentence
    assert "needs the rows that the model was already tuned on" in refused


def test_a_study_and_a_pilot_take_no_pins(cli: Any, arguments: Any) -> None:
    parts = arguments(output=None, duplicates="keep")
    sentence = cli("study", "label-size", *parts[1:]).sentence
    assert sentence.startswith("The option --duplicates would change nothing in a study.")
