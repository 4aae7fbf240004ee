"""``nncift compare`` as people and scripts call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core.store import SelectedRow, Workspace
from tests.unit.cli.exact_run import ExactRun

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture
def two(exact_run: ExactRun, tmp_path: Path) -> list[str]:
    """Ids of two selections of an exact run: its own, and the first ten of it backwards."""
    catalog = Workspace.open(tmp_path / "workspace").catalog
    (own,) = catalog.selections(exact_run.run_id)
    rows = catalog.selection_rows(own.id)[:10][::-1]
    again = [SelectedRow(rank, row.row_id, None, 1) for rank, row in enumerate(rows, start=1)]
    other = catalog.add_selection(exact_run.run_id, "Ten", "fl", "10", again)
    return [own.id, other.id]


def test_what_people_and_scripts_are_told(cli: Callable[..., Any], two: list[str]) -> None:
    found = cli("compare", *two, "--json").summary
    assert [one["id"] for one in found["selections"]] == two
    assert found["overlap"]["shared"] == [[36, 10], [10, 10]]
    assert found["agreement"][0]["kendall"] == pytest.approx(-1)
    assert (
        found["coverage"]["exact"]
        and found["coverage"]["run_id"] in found["selections"][0].values()
    )
    assert found["lengths"]["tokens"]["unit"] == "tokens"
    assert {"exact", "near"} <= set(found["duplicates"][0])
    assert found["only"][1] == {"rows": 0, "row_ids": []}
    told = cli("compare", *two)
    assert told.code == 0
    assert "A and B share 10 rows, 100 % of the smaller one" in told.out
    assert "in the opposite order" in told.out
    assert "coverage, share of the pool's" in told.out
    assert max(map(len, told.out.splitlines())) <= 120
    assert "compare" in cli("--help").out
    assert "There is no run" in cli("compare", *two, "--by", "nothing").sentence


def test_bad_input_is_one_sentence(cli: Callable[..., Any]) -> None:
    assert "1 selection cannot be compared" in cli("compare", "one").sentence
    assert "is given twice" in cli("compare", "one", "one").sentence
    assert "There is no selection 'one'" in cli("compare", "one", "two").sentence
    assert "is not a selection id" in cli("compare", "../up", "one").sentence
    assert "--by" in cli("compare", "one", "two", "--by", "a", "--by", "b").sentence
