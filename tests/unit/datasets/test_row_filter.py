"""What a row filter means, and that the catalog's SQL finds the same rows."""

from __future__ import annotations

import random

import numpy as np
import pytest

from nncift_core import callers
from nncift_core.datasets import assign_ids
from nncift_core.datasets.report import Report
from nncift_core.datasets.row_filter import RowFilter, folded, prepared
from nncift_core.types import Row
from tests.unit.store.conftest import StandInDataset

WORDS = [
    "Straße", "STRASSE", "strasse", "İstanbul", "istanbul", "ΣΊΣΥΦΟΣ", "σίσυφος", "É", "e\u0301",
    "ﬁne", "FINE", "日本", "مرحبا", "<script>", "100%", "a_b", "\\", "'", '"quoted', "x\ty", "a\nb",
    "\u2003wide\u2003", "\x00", "\x1b[31m", "🙂", "K", "K", "ǅ", "ſ", "s",
]  # fmt: skip


def row(prompt: str, response: str = "", subtask: str | None = None) -> Row:
    return Row("0", prompt, response, subtask)


@pytest.fixture
def dataset() -> StandInDataset:
    draw = random.Random(4)
    texts = [
        tuple(draw.choice([" ", "  ", "\n"]).join(draw.choices(WORDS, k=draw.randint(1, 4)))
              for _ in range(2))
        for _ in range(180)
    ]  # fmt: skip
    rows = tuple(
        Row(row_id, *text, draw.choice([None, "sums", "'x' OR 1=1"]))
        for row_id, text in zip(assign_ids(texts), texts, strict=True)
    )
    nothing = (None,) * len(rows)
    return StandInDataset(
        "aaaa0001", "rows", rows, ("{}",) * len(rows), nothing, (), Report(len(rows))
    )


def test_all_words_must_occur_in_prompt_or_response() -> None:
    rows = [row("Red apples", "and pears"), row("red", "nothing"), row("pear", "in RED")]
    assert RowFilter("red PEAR").matches(rows).tolist() == [True, False, True]
    assert RowFilter('"red apple"').matches(rows).tolist() == [True, False, False]
    assert RowFilter('"apples red" red').matches(rows).tolist() == [False, False, False]


def test_quotes_keep_words_together_over_line_breaks_and_lone_quotes_are_signs() -> None:
    assert RowFilter('"a  b" c "d').terms == ("a b", "c", '"d')
    assert RowFilter('"a\nb"').matches([row("x A\n\n b y")]).tolist() == [True]
    assert RowFilter('5" ""').terms == ('5"',)


def test_nothing_is_found_across_prompt_and_response() -> None:
    assert RowFilter('"end begin"').matches([row("the end", "begin")]).tolist() == [False]
    assert '"end begin"'.strip('"') not in prepared("the end", "begin")


def test_case_is_folded_as_unicode_says() -> None:
    assert folded("STRASSE") == folded("Straße")
    assert folded("E\u0301") == folded("é")
    assert folded("ΣΊΣΥΦΟΣ") == folded("σίσυφος")
    assert folded(" A\t\nb ") == "a b"


def test_lengths_count_both_texts_and_are_inclusive() -> None:
    rows = [row("ab", "c"), row("abc", "de"), row("🙂", "é")]
    assert RowFilter(shortest=3).matches(rows).tolist() == [True, True, False]
    assert RowFilter(longest=3).matches(rows).tolist() == [True, False, True]
    assert RowFilter(shortest=5, longest=5).matches(rows).tolist() == [False, True, False]


def test_a_filter_without_conditions_is_empty() -> None:
    assert RowFilter().empty
    assert RowFilter(' "" ').empty
    for some in (RowFilter("x"), RowFilter(subtask=""), RowFilter(shortest=0)):
        assert not some.empty


def _filters() -> list[RowFilter]:
    draw = random.Random(7)
    quoted = [f'"{word}"' for word in WORDS]
    found = [RowFilter(), RowFilter(subtask=""), RowFilter(shortest=9, longest=3)]
    for _ in range(120):
        found.append(
            RowFilter(
                " ".join(draw.choices([*WORDS, *quoted], k=draw.randint(0, 2))),
                draw.choice([None, None, "sums", "'x' OR 1=1", "none such"]),
                draw.choice([None, None, 10, 20]),
                draw.choice([None, None, 15, 30]),
            )
        )
    return found


def test_sql_finds_what_the_filter_means(workspace, dataset, open_databases) -> None:
    workspace.catalog.add_dataset(dataset)
    some = 0
    for row_filter in _filters():
        expected = np.flatnonzero(row_filter.matches(dataset.rows))
        found = workspace.catalog.matching_positions(dataset.id, row_filter)
        assert found.dtype == np.int64
        assert found.tolist() == expected.tolist(), row_filter
        some += 0 < len(found) < len(dataset.rows)
    assert some > 40


def _forget_texts(workspace) -> None:
    with workspace.catalog._database.session() as connection:
        connection.execute("DELETE FROM prepared_texts")


def test_datasets_of_older_versions_are_prepared_at_the_first_search(workspace, dataset) -> None:
    workspace.catalog.add_dataset(dataset)
    _forget_texts(workspace)
    wanted = RowFilter("strasse")
    expected = np.flatnonzero(wanted.matches(dataset.rows)).tolist()
    assert expected
    assert workspace.catalog.matching_positions(dataset.id, wanted).tolist() == expected
    with workspace.catalog._database.session() as connection:
        texts = connection.execute("SELECT folded FROM prepared_texts ORDER BY position").fetchall()
    assert texts == [(prepared(one.prompt, one.response),) for one in dataset.rows]


def test_who_may_change_nothing_can_search_them_too(workspace, dataset, monkeypatch) -> None:
    workspace.catalog.add_dataset(dataset)
    _forget_texts(workspace)
    monkeypatch.setattr(callers, "_recognise", [lambda: callers.Caller("v", "Only reading.")])
    _, total = workspace.catalog.browse_rows(dataset.id, row_filter=RowFilter("strasse"))
    assert total == RowFilter("strasse").matches(dataset.rows).sum()


def test_a_deleted_project_takes_its_texts_along(workspace, dataset) -> None:
    workspace.catalog.add_dataset(dataset)
    project = workspace.catalog.add_project("One", dataset.id, None, 2)
    workspace.delete_project(project.id)
    with workspace.catalog._database.session() as connection:
        assert connection.execute("SELECT count(*) FROM prepared_texts").fetchall() == [(0,)]
