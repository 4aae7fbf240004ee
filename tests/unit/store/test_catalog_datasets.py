from __future__ import annotations

import json
import random

import pytest

from nncift_core.datasets.report import Rejection
from nncift_core.datasets.row_filter import RowFilter
from nncift_core.errors import ConfigError

SEARCHES = [
    "",
    "alpha",
    "ÉCL",
    "50%",
    "a_b",
    "\\",
    "'",
    "日",
    "ss éclair",
    '"beta o',
    "nothing here",
]

NASTY = [
    "'; DROP TABLE rows; --",
    "' OR '1'='1",
    '" OR 1=1 --',
    "%",
    "_",
    "\\",
    "50%",
    "a_b",
    "?",
    "$1",
    "\x00",
    "x\udc80",
    "{}",
]


def test_a_dataset_reads_back_as_it_was(workspace, make_dataset):
    rejected = (Rejection("a.jsonl", 7, "empty response", "{'é\udc80"), Rejection("b", 9, "x", ""))
    dataset = make_dataset(
        texts=[("a\x00b", "😀"), ("", "x"), ("2020-01-01", "None")],
        subtasks=[None, "s", None],
        rejected=rejected,
    )
    record, already_there = workspace.catalog.add_dataset(dataset)
    assert not already_there
    assert record == workspace.catalog.dataset(dataset.id)
    assert (record.accepted, record.rejected, record.exact_duplicates) == (3, 2, 1)
    assert record.warnings == ("one warning",)
    assert record.sources[0]["sha256"] == "f00d"
    assert workspace.catalog.dataset_rows(dataset.id) == list(dataset.rows)
    assert workspace.catalog.dataset_raw(dataset.id) == list(dataset.raw)
    page, _ = workspace.catalog.browse_rows(dataset.id)
    assert [r.source_id for r in page] == list(dataset.source_ids)
    stored = workspace.catalog.rejections(dataset.id)
    assert [(r.file, r.line, r.reason) for r in stored] == [
        ("a.jsonl", 7, "empty response"),
        ("b", 9, "x"),
    ]
    assert stored[0].excerpt == "{'é?"


def test_the_same_dataset_is_stored_once(workspace, make_dataset):
    first, _ = workspace.catalog.add_dataset(make_dataset(count=4))
    again, already_there = workspace.catalog.add_dataset(make_dataset(count=4, name="other"))
    assert already_there
    assert again == first
    assert len(workspace.catalog.dataset_rows("aaaa0001")) == 4
    assert len(workspace.catalog.datasets()) == 1


def test_a_dataset_that_cannot_be_stored_leaves_nothing(workspace, make_dataset):
    broken = make_dataset(texts=[("fine", "x"), ("lone \udc80", "y")])
    with pytest.raises(Exception, match="surrogate"):
        workspace.catalog.add_dataset(broken)
    assert workspace.catalog.datasets() == []
    workspace.catalog.add_dataset(make_dataset())
    assert len(workspace.catalog.dataset_rows("aaaa0001")) == 5


def test_raw_rows_come_in_the_order_asked_for(workspace, make_dataset):
    dataset = make_dataset(count=50)
    workspace.catalog.add_dataset(dataset)
    workspace.catalog.add_dataset(make_dataset("bbbb0002", count=60))
    positions = [random.Random(0).randrange(50) for _ in range(200)]
    raw = workspace.catalog.dataset_raw("aaaa0001", positions)
    assert raw == [dataset.raw[p] for p in positions]
    assert workspace.catalog.dataset_raw("aaaa0001", []) == []
    for outside in ([50], [-1]):
        with pytest.raises(ValueError, match="outside 0 to 49"):
            workspace.catalog.dataset_raw("aaaa0001", outside)


def test_rows_by_id_keep_the_order_of_the_ids(workspace, make_dataset):
    dataset = make_dataset(count=6)
    workspace.catalog.add_dataset(dataset)
    ids = [dataset.rows[i].id for i in (4, 0, 4)]
    found = workspace.catalog.rows_by_id("aaaa0001", [ids[0], "nobody", *ids[1:]])
    assert [r.row.id for r in found] == ids
    assert [r.position for r in found] == [4, 0, 4]


def _reference(dataset, row_filter, order, descending):
    """Filter and sort in plain Python; missing values last, ties in input order."""
    keys = {
        "position": lambda i, r: i,
        "id": lambda i, r: r.id,
        "prompt": lambda i, r: r.prompt,
        "response": lambda i, r: r.response,
        "subtask": lambda i, r: r.subtask,
        "group": lambda i, r: r.group,
        "length": lambda i, r: len(r.prompt) + len(r.response),
        "prompt-length": lambda i, r: len(r.prompt),
        "response-length": lambda i, r: len(r.response),
    }
    found = row_filter.matches(dataset.rows)
    matching = [(i, r) for i, r in enumerate(dataset.rows) if found[i]]
    present = [pair for pair in matching if keys[order](*pair) is not None]
    missing = [pair for pair in matching if keys[order](*pair) is None]
    # reverse=True keeps the order of equals.
    present.sort(key=lambda pair: keys[order](*pair), reverse=descending)
    return [i for i, _ in present + missing]


@pytest.mark.parametrize(
    "order",
    ["position", "id", "prompt", "response", "subtask", "group", "length", "prompt-length"],
)
def test_paging_equals_a_plain_reference(workspace, make_dataset, random_texts, order):
    draw = random.Random(order)
    subtasks = [draw.choice([None, "sums", "O'Neil", "x%"]) for _ in range(150)]
    dataset = make_dataset(texts=random_texts(1, 150), subtasks=subtasks)
    workspace.catalog.add_dataset(dataset)
    workspace.catalog.add_dataset(make_dataset("bbbb0002", texts=random_texts(2, 100)))
    for search in draw.sample(SEARCHES, 5):
        subtask = draw.choice([None, "sums", "x%"])
        descending = draw.random() < 0.5
        lengths = draw.choice([(None, None), (None, 30), (20, 34), (25, None)])
        row_filter = RowFilter(search, subtask, *lengths)
        expected = _reference(dataset, row_filter, order, descending)
        offset, limit = draw.randrange(0, 30), draw.randrange(1, 40)
        page, total = workspace.catalog.browse_rows(
            "aaaa0001",
            row_filter=row_filter,
            order=order,
            descending=descending,
            offset=offset,
            limit=limit,
        )
        assert total == len(expected)
        assert [r.position for r in page] == expected[offset : offset + limit]
        assert [r.row for r in page] == [dataset.rows[r.position] for r in page]


def test_pages_put_together_are_the_whole(workspace, make_dataset, random_texts):
    workspace.catalog.add_dataset(make_dataset(texts=random_texts(3, 101)))
    for descending in (False, True):
        seen = []
        for offset in range(0, 110, 10):
            page, total = workspace.catalog.browse_rows(
                "aaaa0001", order="prompt", descending=descending, offset=offset, limit=10
            )
            seen += [r.position for r in page]
        assert total == 101
        assert sorted(seen) == list(range(101))


def test_bounds_from_an_address_bar_do_no_harm(workspace, make_dataset):
    workspace.catalog.add_dataset(make_dataset(count=3))
    for offset, limit, expected in ((-5, 2, 2), (0, -1, 0), (2, 10**9, 1), (99, 5, 0)):
        page, total = workspace.catalog.browse_rows("aaaa0001", offset=offset, limit=limit)
        assert (len(page), total) == (expected, 3)


@pytest.mark.parametrize("text", NASTY)
def test_searches_are_values_not_sql(workspace, make_dataset, text):
    stored = "x?" if text == "x\udc80" else text
    texts = [(f"has {stored} inside", "a"), ("plain", "b"), ("c", f"{stored}")]
    workspace.catalog.add_dataset(make_dataset(texts=texts, subtasks=[stored, None, None]))
    page, total = workspace.catalog.browse_rows("aaaa0001", row_filter=RowFilter(text))
    assert [r.position for r in page] == [0, 2]
    assert total == 2
    page, _ = workspace.catalog.browse_rows("aaaa0001", row_filter=RowFilter(subtask=text))
    assert [r.position for r in page] == [0]
    assert len(workspace.catalog.dataset_rows("aaaa0001")) == 3


@pytest.mark.parametrize("order", ["prompt; DROP TABLE rows", "raw", "", "(SELECT 1)", "Position"])
def test_orders_are_names_from_a_list(workspace, make_dataset, order):
    workspace.catalog.add_dataset(make_dataset())
    with pytest.raises(ConfigError, match="Unknown row order"):
        workspace.catalog.browse_rows("aaaa0001", order=order)


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "a b", "A", "-a", "a" * 101, "a\n", "é"])
def test_malformed_ids_are_refused(workspace, bad):
    for call in (
        workspace.catalog.dataset,
        workspace.catalog.dataset_rows,
        workspace.catalog.browse_rows,
        workspace.catalog.rejections,
        workspace.catalog.project,
        workspace.catalog.run,
        workspace.catalog.selection,
        workspace.run_dir,
    ):
        with pytest.raises(ConfigError, match="id"):
            call(bad)


def test_unknown_datasets_are_named(workspace):
    for call in (
        workspace.catalog.dataset,
        workspace.catalog.dataset_rows,
        workspace.catalog.dataset_raw,
        workspace.catalog.browse_rows,
        workspace.catalog.rejections,
        workspace.catalog.subtask_counts,
    ):
        with pytest.raises(ConfigError, match="no dataset 'feed'"):
            call("feed")


def test_subtasks_are_counted(workspace, make_dataset):
    subtasks = ["b", "a", None, "b", "a", "b", None, "c"]
    workspace.catalog.add_dataset(make_dataset(count=8, subtasks=subtasks))
    counts = workspace.catalog.subtask_counts("aaaa0001")
    assert list(counts.items()) == [("b", 3), ("a", 2), (None, 2), ("c", 1)]


def test_dataset_names_and_sources_may_hold_anything(workspace, make_dataset):
    workspace.catalog.add_dataset(make_dataset(name="x\udc80'; DROP TABLE datasets"))
    record = workspace.catalog.dataset("aaaa0001")
    assert record.name == "x?'; DROP TABLE datasets"
    assert json.dumps(record.sources[0]["name"]) == json.dumps("x\udc80'; DROP TABLE datasets")
