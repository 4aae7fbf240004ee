"""The manifest beside an export."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from nncift_core.config import RunConfig
from nncift_core.errors import WorkspaceError
from nncift_core.export import (
    ExportFile,
    build_manifest,
    chosen_rows,
    manifest_path,
    write_manifest,
)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("subset.jsonl", "subset.manifest.json"),
        ("out/subset.jsonl.gz", "out/subset.manifest.json"),
        ("subset.parquet", "subset.manifest.json"),
        ("v1.2/best.rows.jsonl", "v1.2/best.rows.manifest.json"),
        ("subset", "subset.manifest.json"),
    ],
)
def test_it_lies_beside_the_export(output, expected):
    assert manifest_path(output).as_posix() == expected


def content(tmp_path, **changes):
    arguments = {
        "export": ExportFile(tmp_path / "subset.jsonl", "ab" * 32, 120, 2),
        "schema": "raw",
        "datasets": [{"role": "pool", "name": "pool.json", "id": "f00", "rows": 10}],
        "config": RunConfig(),
        "seed": 0,
        "metrics": {"quadrants": {"q1": {"mse": np.float32(0.5), "r2": math.nan}}},
        "objective": "fl",
        "budget": 2,
        "n_train": 10,
        "saturated_at": 1,
        "value": 3.5,
        "selected": chosen_rows(
            ["b-0", "a-0"], np.array([1, 2], np.int32), np.array([3.0, 0.5]), ["covers 3", "kept"]
        ),
        "labelled_ids": ["a-0", "c-0", "c-0", "d-0"],
        "run_id": "run-1",
    }
    return build_manifest(**(arguments | changes))


def test_it_says_what_was_chosen_and_why(tmp_path):
    manifest = content(tmp_path)
    assert manifest["rows"] == [
        {"id": "b-0", "rank": 1, "round": 1, "gain": 3.0, "reason": "covers 3"},
        {"id": "a-0", "rank": 2, "round": 2, "gain": 0.5, "reason": "kept"},
    ]
    selection = manifest["selection"]
    assert selection["labelled_share"] == 0.5
    assert selection["labelled_share_of_pool"] == pytest.approx(0.3)
    assert selection["saturated_at"] == 1
    assert manifest["output"]["file"] == "subset.jsonl"
    assert manifest["output"]["sha256"] == "ab" * 32
    assert manifest["config"]["label_fraction"] == 0.05
    assert manifest["versions"]["nncift_core"]


def test_what_cannot_be_computed_is_null_and_the_same_input_gives_the_same_bytes(tmp_path):
    path = write_manifest(tmp_path / "subset.manifest.json", content(tmp_path))
    first = path.read_bytes()
    read = json.loads(first)
    assert read["metrics"]["quadrants"]["q1"] == {"mse": 0.5, "r2": None}
    assert b"NaN" not in first
    write_manifest(path, content(tmp_path))
    assert path.read_bytes() == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["subset.manifest.json"]


def test_no_rows_have_no_share(tmp_path):
    manifest = content(tmp_path, selected=[], saturated_at=None, value=None)
    assert manifest["selection"]["labelled_share"] is None
    assert manifest["rows"] == []


def test_every_chosen_row_needs_all_its_parts():
    with pytest.raises(ValueError):
        chosen_rows(["a", "b"], [1], [0.5], ["x"])


def test_a_folder_in_its_place_is_a_workspace_error(tmp_path):
    (tmp_path / "subset.manifest.json").mkdir()
    with pytest.raises(WorkspaceError):
        write_manifest(tmp_path / "subset.manifest.json", content(tmp_path))
