"""``nncift explain`` on a small exact run: its text, its JSON, one sentence when refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from nncift_core import pipeline
from nncift_core.cli.explain import add_parser, explain, one_line
from nncift_core.cli.parsing import Parser
from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError
from nncift_core.selection.left_out import KINDS
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace

pytestmark = pytest.mark.usefixtures("open_databases")

HOSTILE = "\x1b[31mred\x1b[0m"


@pytest.fixture
def selection(workspace: Workspace, fake_encoder: Any, tmp_path: Path) -> str:
    """A selection of 4 of 24 rows, one of whose targets holds what a terminal would obey."""
    words = [f"word{i} thing{i % 5} about{i % 3}" for i in range(24)]
    pool = tmp_path / "pool.jsonl"
    pool.write_text(
        "\n".join(
            json.dumps({"prompt": f"Tell of {text}", "response": f"It is {text} here"})
            for text in words
        )
    )
    target = tmp_path / "target.jsonl"
    target.write_text(
        "\n".join(
            json.dumps(
                {"prompt": f"{HOSTILE} {text}", "response": f"So {text}", "subtask": text[-1]}
            )
            for text in words[:9]
        )
    )
    pool_data, target_data = (pipeline.import_files(workspace, [path]) for path in (pool, target))
    project = pipeline.ensure_project(
        workspace, "P", pool_data.record.id, target_data.record.id, None
    )
    config = RunConfig(exact=True, budget="4", selection=SelectionConfig(duplicates="keep"))
    spec = pipeline.RunSpec(config=config, train=pool_data.source, target=target_data.source)
    run_id = pipeline.create_run(workspace, project.id, spec)
    pipeline.work(workspace.run_dir(run_id))
    (record,) = workspace.catalog.selections(run_id)
    return record.id


def _call(workspace: Workspace, *arguments: str) -> None:
    parser = Parser(prog="nncift")
    add_parser(parser.add_subparsers(dest="command", required=True))
    explain(parser.parse_args(["explain", *arguments, "--workspace", str(workspace.path)]))


def test_overview_and_rows_as_text_and_as_json(
    workspace: Workspace, selection: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _call(workspace, selection)
    text = capsys.readouterr().out
    assert "chosen     4 of 24 rows by fl" in text
    assert "left out   20 rows" in text and "covered worst" in text
    assert "\x1b" not in text and "[31mred" in text
    _call(workspace, selection, "--json")
    found = json.loads(capsys.readouterr().out)
    assert sum(found["left_out"].values()) == 20 and set(found["left_out"]) <= set(KINDS)
    assert found["coverage"]["everything"]["n_target"] == 9
    assert {group["name"] for group in found["coverage"]["subtasks"]} == {"0", "1", "2"}
    chosen = [row.row_id for row in workspace.catalog.selection_rows(selection)]
    outside = next(
        row.id
        for row in pipeline.RunView(workspace, found["run_id"]).roles.pool
        if row.id not in chosen
    )
    for row_id, rank in ((chosen[1], 2), (outside, None)):
        _call(workspace, selection, "--row", row_id, "--json")
        row = json.loads(capsys.readouterr().out)["row"]
        assert (row["row_id"], row["rank"]) == (row_id, rank)
        _call(workspace, selection, "--row", row_id)
        text = capsys.readouterr().out
        # Lines are wrapped for people.
        assert row["sentence"] in " ".join(text.split())
        assert row["targets"][0]["target_id"] in text and "\x1b" not in text


def test_refusals(workspace: Workspace, selection: str) -> None:
    run_id = workspace.catalog.selection(selection).run_id
    with pytest.raises(ConfigError, match="is a run, not a selection") as error:
        _call(workspace, run_id)
    assert selection in error.value.hint
    with pytest.raises(ConfigError, match="There is no selection 'nothing'"):
        _call(workspace, "nothing")
    with pytest.raises(ConfigError, match="is not a selection id"):
        _call(workspace, "../x")
    with pytest.raises(ConfigError, match="There is no row '0000'"):
        _call(workspace, selection, "--row", "0000")
    with pytest.raises(ConfigError, match="given twice"):
        _call(workspace, selection, "--row", "a", "--row", "b")


def test_user_text_is_one_harmless_line() -> None:
    assert one_line("a\nb\x1b[2J\u202ec", 20) == "a b [2J c"
    assert one_line("x" * 30, 10) == "xxxxxxx..."


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["explain", "--help"])
    text = capsys.readouterr().out
    assert "--row" in text and "--json" in text and "--workspace" in text
