from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from nncift_core import jobs, pipeline
from nncift_core.embeddings.planar import SIDE
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.pipeline.map_area import rows_beside, rows_in_area
from nncift_core.pipeline.map_colors import (
    MOST_NAMES,
    UNKNOWN,
    label_kinds,
    score_shades,
    selection_kinds,
    subtask_kinds,
    value_codes,
)
from nncift_core.pipeline.map_points import write_points
from nncift_core.pipeline.maps import (
    EmbeddingMap,
    create_map,
    map_folder,
    map_seconds,
    read_map,
    require_map,
)
from nncift_core.pipeline.view import RunView
from nncift_core.store import Workspace
from nncift_core.types import Row
from tests.unit.pipeline.finished_runs import Finished

pytestmark = pytest.mark.usefixtures("open_databases")


def drawn(workspace: Workspace, run_id: str) -> EmbeddingMap:
    folder = create_map(workspace, run_id)
    pipeline.work(folder)
    found = read_map(folder)
    assert found is not None
    return found


def spec_of(workspace: Workspace, run_id: str) -> pipeline.RunSpec:
    return pipeline.RunSpec.read(workspace.run_dir(run_id) / "config.json")


def test_map_uses_the_cache_and_is_shared_by_runs_of_the_same_rows(finished: Finished) -> None:
    workspace, ids = finished.workspace, finished.ids
    found = drawn(workspace, ids["cosine"])
    assert finished.encoder.encoded == []
    assert found.pool.shape == (120, 2) and found.target.shape == (60, 2)
    assert found.pool.dtype == np.uint16
    assert found.fitted == 180 and found.placed == 0
    assert found.kept is not None and found.by_chance is not None
    assert found.kept > 3 * found.by_chance
    folders = {name: map_folder(workspace, spec_of(workspace, ids[name])) for name in ids}
    assert folders["cosine"] == folders["exact"] == folders["delift"]
    assert folders["sampled"] != folders["cosine"]
    assert create_map(workspace, ids["delift"]) == folders["cosine"]
    assert require_map(workspace, ids["exact"]).pool.tolist() == found.pool.tolist()
    # The run that asked for it may go.
    workspace.delete_run(ids["cosine"])
    assert require_map(workspace, ids["exact"]).key == found.key
    # Jobs know the kind and wait their turn with all others.
    assert jobs.read_job(folders["exact"])["kind"] == "map"
    assert jobs.read_state(folders["exact"]).status == "done"


def test_another_encoder_or_sample_is_another_map(finished: Finished) -> None:
    workspace = finished.workspace
    spec = spec_of(workspace, finished.ids["sampled"])
    first = map_folder(workspace, spec)
    for other in (
        replace(spec, config=replace(spec.config, encoder="other")),
        replace(spec, config=replace(spec.config, seed=99)),
        replace(spec, target_sample=29),
    ):
        assert map_folder(workspace, other) != first
    # What is labelled and chosen moves no point.
    config = replace(spec.config, label_fraction=0.3, budget="0.9", method="delift")
    assert map_folder(workspace, replace(spec, config=config)) == first


def test_second_drawing_gives_the_same_bytes(finished: Finished) -> None:
    workspace, run_id = finished.workspace, finished.ids["sampled"]
    first = drawn(workspace, run_id)
    shutil.rmtree(create_map(workspace, run_id))
    again = drawn(workspace, run_id)
    for name in ("pool", "target", "clusters"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()


def test_missing_and_damaged_maps_are_named(finished: Finished) -> None:
    workspace, run_id = finished.workspace, finished.ids["cosine"]
    with pytest.raises(ConfigError, match=f"no map of run {run_id}"):
        require_map(workspace, run_id)
    with pytest.raises(ConfigError):
        create_map(workspace, "nothing")
    drawn(workspace, run_id)
    folder = create_map(workspace, run_id)
    np.save(folder / "pool.npy", np.zeros((3, 2), dtype=np.uint16))
    with pytest.raises(WorkspaceError, match="damaged"):
        read_map(folder)


def test_groups_are_numbered_by_size(finished: Finished) -> None:
    found = drawn(finished.workspace, finished.ids["cosine"])
    sizes = np.bincount(found.clusters)
    assert len(sizes) > 1
    assert (np.diff(sizes) <= 0).all()


def test_points_are_written_with_ids_scores_and_places(finished: Finished, tmp_path: Path) -> None:
    workspace, run_id = finished.workspace, finished.ids["cosine"]
    found = drawn(workspace, run_id)
    view = RunView(workspace, run_id)
    assert write_points(workspace, run_id, tmp_path / "points.csv") == 180
    with (tmp_path / "points.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["side"] for line in lines] == ["pool"] * 120 + ["target"] * 60
    assert [line["row_id"] for line in lines[:120]] == [row.id for row in view.roles.pool]
    for at in (0, 57, 119):
        assert float(lines[at]["x"]) == pytest.approx(found.pool[at, 0] / SIDE, abs=1e-5)
        assert float(lines[at]["score"]) == pytest.approx(float(view.row_mean[at]), rel=1e-4)
        assert int(lines[at]["group"]) == found.clusters[at] + 1
    assert lines[120]["score"] == lines[120]["group"] == ""
    write_points(workspace, run_id, tmp_path / "points.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "points.parquet")
    assert table.column("row_id").to_pylist() == [line["row_id"] for line in lines]
    assert table.column("score").to_pylist()[150] is None


def test_rows_in_an_area_are_those_of_a_slow_count_best_first() -> None:
    random = np.random.default_rng(0)
    points = random.integers(0, SIDE + 1, (300, 2)).astype(np.uint16)
    found = made_map(points)
    scores = random.standard_normal(300).astype(np.float32)
    scores[::7] = np.nan
    matches = random.random(300) < 0.5
    corners = [(1000, 1000), (60_000, 9000), (30_000, 64_000)]
    for mask in (None, matches):
        rows = rows_in_area(found, corners, scores, mask)
        expected = [
            i
            for i, (x, y) in enumerate(points.tolist())
            if in_triangle(x, y, corners) and (mask is None or mask[i])
        ]
        assert sorted(rows.tolist()) == expected
        known = scores[rows][np.isfinite(scores[rows])]
        assert (np.diff(known) <= 0).all()
        assert np.isnan(scores[rows][len(known) :]).all()


def in_triangle(x: int, y: int, corners: list[tuple[int, int]]) -> bool:
    signs = []
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        signs.append((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0))
    return all(s >= 0 for s in signs) or all(s <= 0 for s in signs)


def test_rows_beside_a_row_leave_it_out() -> None:
    points = np.array([[5, 5], [6, 5], [5, 5], [900, 900], [7, 5]], dtype=np.uint16)
    found = made_map(points, target=np.array([[901, 900]], dtype=np.uint16))
    assert rows_beside(found, "pool", 2, 3).tolist() == [0, 1, 4]
    assert rows_beside(found, "target", 0, 1).tolist() == [3]
    crowd = made_map(np.full((40, 2), 9, dtype=np.uint16))
    near = rows_beside(crowd, "pool", 39, 8)
    assert len(near) == 8 and 39 not in near


def made_map(points: np.ndarray, target: np.ndarray | None = None) -> EmbeddingMap:
    none = np.empty((0, 2), dtype=np.uint16)
    clusters = np.zeros(len(points), dtype=np.uint8)
    return EmbeddingMap(
        "k", points, none if target is None else target, clusters, len(points), 0, None, None, 0, 1
    )


def test_shades_and_values_keep_order_and_say_what_is_unknown() -> None:
    values = np.array([-1.0, 0.0, 1.0, np.nan, 0.5], dtype=np.float32)
    shades = score_shades(values)
    assert shades.range.diverging
    # The middle 99 % span the scale, so a half is a bit more than a half of it.
    half = round((0.5 / shades.range.hi + 1) / 2 * 254)
    assert shades.codes.tolist() == [0, 127, 254, UNKNOWN, half]
    codes, low, high = value_codes(values)
    assert (low, high) == (-1, 1)
    read = low + codes / 65_534 * (high - low)
    assert read[[0, 1, 2, 4]] == pytest.approx(values[[0, 1, 2, 4]], abs=2e-5)
    assert codes[3] == 65_535
    nothing = np.full(3, np.nan, dtype=np.float32)
    assert score_shades(nothing).codes.tolist() == [UNKNOWN] * 3
    assert value_codes(nothing)[0].tolist() == [65_535] * 3
    assert value_codes(np.full(2, 4.0, dtype=np.float32))[0].tolist() == [0, 0]


def rows_of(names: list[str | None]) -> list[Row]:
    return [Row(f"{i:016x}-0", "p", "r", name) for i, name in enumerate(names)]


def test_subtasks_get_colors_by_frequency_and_the_rest_share_one() -> None:
    names: list[str | None] = [f"name {i}" for i in range(11) for _ in range(11 - i)]
    kinds = subtask_kinds(rows_of([*names, None, None]))
    assert kinds is not None
    assert kinds.names[:MOST_NAMES] == tuple(f"name {i}" for i in range(MOST_NAMES))
    assert kinds.names[MOST_NAMES:] == ("3 more subtasks", "no subtask")
    assert kinds.counts == (11, 10, 9, 8, 7, 6, 5, 4, 6, 2)
    assert kinds.quiet == {8, 9}
    assert kinds.codes.tolist() == [min(int(n.split()[1]), 8) for n in names if n] + [9, 9]
    assert subtask_kinds(rows_of([None, None])) is None


def test_selection_and_labels_are_told_row_by_row(finished: Finished) -> None:
    workspace, run_id = finished.workspace, finished.ids["cosine"]
    view = RunView(workspace, run_id)
    # Rows 0, 5 and 7 are near duplicates, as a selection of this run once found.
    group = np.full(120, -1, dtype=np.int64)
    (selection,) = workspace.catalog.selections(run_id)
    chosen = {row.row_id for row in workspace.catalog.selection_rows(selection.id)}
    inside = [i for i, row in enumerate(view.roles.pool) if row.id in chosen]
    outside = [i for i, row in enumerate(view.roles.pool) if row.id not in chosen]
    group[[inside[0], outside[0]]] = 0
    group[outside[1:3]] = 1
    np.save(view.files.duplicates, group)
    kinds = selection_kinds(workspace, view, selection.id)
    assert np.flatnonzero(kinds.codes == 0).tolist() == inside
    assert np.flatnonzero(kinds.codes == 1).tolist() == outside[:1]
    assert kinds.counts == (len(inside), 1, len(outside) - 1)
    labelled = label_kinds(view)
    assert labelled is not None and view.estimates.labels is not None
    learned = set(view.estimates.labels.training.helper.tolist())
    assert set(np.flatnonzero(labelled.codes == 0).tolist()) == learned
    assert sum(labelled.counts) == 120
    assert label_kinds(RunView(workspace, finished.ids["exact"])) is None


def test_estimated_time_grows_with_rows_and_stays_bounded() -> None:
    times = [map_seconds(n, 300) for n in (100, 2_000, 20_000, 50_000, 250_000)]
    assert times == sorted(times)
    assert times[0] < 30 and times[-1] < 1_200
