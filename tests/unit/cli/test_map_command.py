"""``nncift map`` as people and scripts call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.exact_run import ExactRun

pytestmark = pytest.mark.usefixtures("open_databases")


def test_map_is_drawn_once_and_written(
    cli: Callable[..., Any], exact_run: ExactRun, tmp_path: Path
) -> None:
    points = tmp_path / "points.csv"
    found = cli("map", exact_run.run_id, "--json", "--output", points).summary
    assert (found["n_train"], found["n_target"]) == (len(exact_run.pool_ids), 60)
    assert 0 < found["kept"] <= 1
    lines = points.read_text("utf-8").splitlines()
    assert lines[0] == '"row_id","side","position","x","y","group","score"'
    assert len(lines) == 1 + 120 + 60
    assert lines[1].startswith(f'"{exact_run.pool_ids[0]}","pool",0,')
    told = cli("map", exact_run.run_id)
    assert told.code == 0
    assert "was drawn before" in told.err
    assert "of the 10 nearest neighbours" in told.out


def test_bad_map_requests_are_one_sentence(cli: Callable[..., Any], exact_run: ExactRun) -> None:
    assert "There is no run" in cli("map", "nothing").sentence
    assert "neither in .csv nor in .parquet" in cli(
        "map", exact_run.run_id, "--output", "points.txt"
    ).sentence  # fmt: skip
