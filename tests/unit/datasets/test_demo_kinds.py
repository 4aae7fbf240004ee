"""What is planted in the demo, counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nncift_core.datasets.demo_kinds import KINDS, Truth, count_kinds, read_truth, target_groups
from nncift_core.errors import DataError

ROW = Truth("a-0", "pool", 0, "fees", "fees/0-0", True, True, None, None)


def test_the_pool_holds_what_the_readme_says(repository: Path) -> None:
    truth = read_truth(repository / "data" / "demo_truth.jsonl")
    pool = [row for row in truth.values() if row.split == "pool"]
    found = count_kinds(pool, target_groups(truth))
    assert found["rows"] == 2_000
    assert found["counts"] == {
        "useful": 709,
        "target_context": 896,
        "off_style": 604,
        "off_target": 500,
        "wrong": 200,
        "wrong_value": 67,
        "other_answer": 67,
        "wrong_format": 66,
        "truncated": 40,
        "near_duplicate": 200,
    }
    assert found["target_groups"] == found["of_target_groups"] == 54
    assert found["repeated_groups"] == 200
    assert found["useful_once"] == 709


def test_a_copy_in_the_place_of_its_original_is_useful_once() -> None:
    copy = replace(ROW, id="b-0", line=7, near_duplicate_of=0)
    for rows in ([ROW], [copy], [ROW, copy]):
        found = count_kinds(rows)
        assert found["useful_once"] == 1
        assert found["repeated_groups"] == (len(rows) == 2)
    assert count_kinds([copy])["counts"]["useful"] == 0


def test_a_wrong_answer_reaches_no_target_group() -> None:
    wrong = replace(ROW, fault="wrong_value")
    assert count_kinds([wrong], {"fees/0-0"})["target_groups"] == 0
    assert count_kinds([ROW], {"fees/0-0"})["target_groups"] == 1
    assert count_kinds([ROW], {"other"})["target_groups"] == 0
    assert count_kinds([wrong])["counts"]["wrong"] == 1
    cut = count_kinds([replace(ROW, fault="truncated")])["counts"]
    assert (cut["wrong"], cut["truncated"]) == (0, 1)


def test_no_rows_have_no_shares() -> None:
    assert set(count_kinds([])["shares"].values()) == {None}
    assert list(count_kinds([])["shares"]) == list(KINDS)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_truth(tmp_path / "none.jsonl")
    path = tmp_path / "demo_truth.jsonl"
    path.write_text(json.dumps({"id": "a-0"}) + "\n", "utf-8")
    with pytest.raises(DataError, match="Line 1"):
        read_truth(path)
