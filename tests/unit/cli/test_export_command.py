"""``nncift export``: scores, snippets and the hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nncift_core.cli import export as command
from nncift_core.errors import WorkspaceError
from nncift_core.export import hub

pytestmark = pytest.mark.usefixtures("open_databases")

Cli = Callable[..., Any]


@pytest.fixture
def run_id(exact_run: Any) -> str:
    found: str = exact_run.run_id
    return found


def test_scores_are_added_on_request(cli: Cli, run_id: str, tmp_path: Path) -> None:
    plain, scored = tmp_path / "plain.jsonl", tmp_path / "scored.jsonl"
    assert cli("export", run_id, "--output", plain).code == 0
    assert cli("export", run_id, "--scores", "--output", scored).code == 0
    before = [json.loads(line) for line in plain.read_text("utf-8").splitlines()]
    after = [json.loads(line) for line in scored.read_text("utf-8").splitlines()]
    assert [row["nncift_rank"] for row in after] == list(range(1, len(before) + 1))
    for one, other in zip(before, after, strict=True):
        assert {name: other[name] for name in one} == one


@pytest.mark.parametrize("trainer", ["trl", "axolotl", "llama-factory"])
def test_the_snippet_is_the_result(cli: Cli, run_id: str, tmp_path: Path, trainer: str) -> None:
    path = tmp_path / "my subset.jsonl"
    done = cli("export", run_id, "--schema", "sharegpt", "--snippet", trainer, "--output", path)
    assert done.code == 0 and path.is_file()
    assert "Wrote 36 rows" in done.err and "(subtask)" in done.err
    if trainer == "trl":
        compile(done.out, "train.py", "exec")
        assert "'my subset.jsonl'" in done.out
    elif trainer == "axolotl":
        assert yaml.safe_load(done.out)["datasets"][0]["path"] == path.name
    else:
        info, config = done.out.split("# llama-factory.yaml\n")
        (name,) = json.loads(info.removeprefix("# dataset_info.json\n"))
        assert yaml.safe_load(config)["dataset"] == name


def test_what_cannot_be_is_said_before_anything_is_written(
    cli: Cli, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    monkeypatch.setattr(command, "has_token", lambda: False)
    for options, words in (
        (["--snippet", "trll"], "Did you mean 'trl'"),
        (["--push", "ann"], "not the name of a repository"),
        (["--push", "ann/set"], "HF_TOKEN"),
        (["--public"], "without --push"),
        (["--schema", "share-gpt"], "Did you mean 'sharegpt'"),
    ):
        assert words in cli("export", run_id, "--output", path, *options).sentence
        assert not path.exists()


def test_a_push_ends_with_its_address_or_says_where_the_file_is(
    cli: Cli, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = []

    def take(repository: str, file: Path, manifest: Path, card: str, **more: Any) -> str:
        if repository == "ann/closed":
            raise WorkspaceError("The hub is closed.", "Come back.")
        pushed.append((repository, file.name, manifest.name, more["private"]))
        return f"https://huggingface.co/datasets/{repository}"

    monkeypatch.setattr(command, "has_token", lambda: True)
    monkeypatch.setattr("nncift_core.pipeline.pushing.push_files", take)
    path = tmp_path / "a.jsonl"
    done = cli("export", run_id, "--output", path, "--push", "ann/set")
    assert done.code == 0 and done.out == "https://huggingface.co/datasets/ann/set\n"
    assert cli("export", run_id, "--output", path, "--push", "ann/set", "--public").code == 0
    wanted = ("ann/set", "a.jsonl", "a.manifest.json")
    assert pushed == [(*wanted, True), (*wanted, False)]
    done = cli("export", run_id, "--output", path, "--push", "ann/closed")
    assert done.code == 2 and f"The file is complete in {path}." in done.err
    assert hub.NO_TOKEN not in done.err
