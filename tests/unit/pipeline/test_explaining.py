"""Stored and live selections explained by ids, against the whole matrix looked at plainly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import ConfigError, EncoderError
from nncift_core.files import json_text
from nncift_core.pipeline import RunView, work
from nncift_core.pipeline.explaining import explain_live, explain_selection
from nncift_core.pipeline.explanation import Explanation
from nncift_core.pipeline.influence_rows import target_clusters
from nncift_core.selection.left_out import BANNED, COVERED, GAINS_LESS, QUOTA, RULE
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace

pytestmark = pytest.mark.usefixtures("open_databases")

KEEP = SelectionConfig(duplicates="keep")


@pytest.fixture
def explained(
    workspace: Workspace, new_run: Callable[..., str]
) -> Callable[..., tuple[Explanation, str, str]]:
    """``explained(**settings)``: a finished run's selection, its run's id and its own."""

    def make(**settings: Any) -> tuple[Explanation, str, str]:
        sample = settings.pop("sample", None)
        run_id = new_run(workspace, sample=sample, **{"exact": True, "selection": KEEP} | settings)
        work(workspace.run_dir(run_id))
        (record,) = workspace.catalog.selections(run_id)
        return explain_selection(workspace, record.id), run_id, record.id

    return make


def _matrices(view: RunView) -> tuple[np.ndarray, np.ndarray]:
    """All of X, in the method's units and on the common scale."""
    raw = view.estimates.best.block(0, len(view.roles.pool))
    lo, hi = float(view.overview["lowest"]), float(view.overview["highest"])
    if view.estimates.scale is not None:
        lo, hi = view.estimates.scale.lo, view.estimates.scale.hi
    return raw, np.maximum(0.0, (raw - lo) / (hi - lo))


@pytest.mark.parametrize("exact", [True, False])
def test_rows_in_and_out_say_what_the_matrix_says(
    explained: Callable[..., Any], short_training: None, exact: bool
) -> None:
    found, _, _ = explained(exact=exact, budget="8")
    raw, scaled = _matrices(found.view)
    chosen = found.chosen.tolist()
    assert len(chosen) == 8
    pool, target = found.roles.pool, found.roles.target
    for position in [*chosen[:3], *[row for row in range(30) if row not in chosen]]:
        row = found.row(position, top=4)
        assert row.row_id == pool[position].id
        others = [other for other in chosen if other != position]
        for line in row.targets:
            assert line.target_id == target[line.target].id
            assert line.prompt == target[line.target].prompt
            # One row of a product is not summed in the order of all of them.
            assert line.value == pytest.approx(scaled[position, line.target], rel=1e-5, abs=1e-6)
            assert line.value_original == pytest.approx(raw[position, line.target], abs=1e-6)
            best = max(others, key=lambda other: scaled[other, line.target])
            assert line.other_row_id == pool[best].id
            assert line.other_original == pytest.approx(raw[best, line.target], abs=1e-6)
            assert line.best == (scaled[position, line.target] > scaled[others, line.target].max())
        if position in chosen:
            assert (row.chosen, row.rank) == (True, chosen.index(position) + 1)
            winners = scaled[chosen].argmax(axis=0)
            assert row.best_of == int((winners == chosen.index(position)).sum())
            assert f"Chosen at rank {row.rank}." in row.sentence
        else:
            better = scaled[position] > scaled[chosen].max(axis=0) + 1e-6
            assert (row.chosen, row.rank, row.better_of) == (False, None, int(better.sum()))
            assert row.kind == (GAINS_LESS if better.any() else COVERED)
            assert row.sentence.startswith("Left out: ")
        assert "NaN" not in json_text(asdict(row))


def test_coverage_by_subtask_and_cluster(explained: Callable[..., Any]) -> None:
    found, _, _ = explained(budget="5")
    _, scaled = _matrices(found.view)
    report = found.coverage(top=3)
    best, most = scaled[found.chosen].max(axis=0), scaled.max(axis=0)
    assert report.everything.share == pytest.approx(best.mean() / most.mean(), rel=1e-5)
    names = [row.subtask for row in found.roles.target]
    assert [group.name for group in report.subtasks] == list(dict.fromkeys(names))
    for group in report.subtasks:
        inside = np.array([name == group.name for name in names])
        assert group.mean_best == pytest.approx(best[inside].mean(), rel=1e-5)
        assert group.mean_possible == pytest.approx(most[inside].mean(), rel=1e-5)
    assert sum(group.n_target for group in report.clusters) == len(names)
    assert len(report.clusters) > 1
    prompts = {row.prompt for row in found.roles.target}
    assert set(report.examples) == {group.name for group in report.clusters}
    assert set(report.examples.values()) <= prompts
    shares = [line.share for line in report.worst]
    assert len(shares) == 3 and shares == sorted(shares)
    assert shares[0] == pytest.approx(np.min(best[most > 0] / most[most > 0]), rel=1e-5)
    json_text(asdict(report))


def test_demands_of_a_stored_selection_are_found_again(
    workspace: Workspace, new_run: Callable[..., str], explained: Callable[..., Any]
) -> None:
    first, _, _ = explained(budget="6")
    pool = first.roles.pool
    hand = pool[int(first.chosen[0])].id
    word = pool[int(first.chosen[1])].response.split()[0]
    subtask = pool[int(first.chosen[2])].subtask
    assert subtask is not None
    settings = SelectionConfig(
        duplicates="keep",
        ban=hand,
        ban_where=f"response contains {word}",
        quota=f"subtask:{subtask}=1..1",
    )
    found, _, _ = explained(budget="6", selection=settings)
    row = found.row(found.position_of(hand))
    assert (row.kind, row.reason) == (BANNED, "banned by hand")
    assert "Left out: banned by hand." in row.sentence
    counts = found.left_out_counts()
    assert sum(counts.values()) == len(pool) - 6
    by_rule = [row for row in pool if word.lower() in row.response.lower() and row.id != hand]
    assert counts[BANNED] == 1 and counts[RULE] == len(by_rule)
    inside = [row for row in pool if row.subtask == subtask and row not in by_rule]
    # One of them is chosen, as many as may be.
    assert [pool[i].subtask for i in found.chosen].count(subtask) == 1
    assert counts[QUOTA] == len([row for row in inside if row.id != hand]) - 1 > 0
    assert COVERED in counts


def test_a_selection_that_is_too_old_to_tell_its_demands(
    workspace: Workspace, explained: Callable[..., Any]
) -> None:
    found, run_id, selection_id = explained(budget="4")
    rows = workspace.catalog.selection_rows(selection_id)
    old = workspace.catalog.add_selection(run_id, "Old", "fl", "4", rows, {"value": 1.0})
    again = explain_selection(workspace, old.id)
    assert again.row(0).sentence == found.row(0).sentence
    assert set(again.left_out_counts()) <= {COVERED, GAINS_LESS}


def test_ids_that_are_no_pool_rows(explained: Callable[..., Any]) -> None:
    found, _, _ = explained(budget="4", sample=12)
    with pytest.raises(ConfigError, match="is a target row"):
        found.position_of(found.roles.target[0].id)
    with pytest.raises(ConfigError, match="There is no row 'nothing'"):
        found.position_of("nothing")


def test_live_and_stored_say_the_same(workspace: Workspace, explained: Callable[..., Any]) -> None:
    from nncift_core.pipeline.curation import open_desk

    stored, run_id, _ = explained(budget="9")
    desk = open_desk(workspace, run_id)
    live = desk.select("fl", KEEP, 30)
    found = explain_live(desk, live, 9)
    assert found.chosen.tolist() == stored.chosen.tolist()
    for position in found.chosen.tolist()[:4]:
        assert found.row(position).sentence == stored.row(position).sentence
        assert found.row(position).targets == stored.row(position).targets
    # Of the live one it is known where rows would come next.
    later = int(live.order[11])
    assert "it would come at rank 12" in found.row(later).reason
    assert found.coverage().everything == stored.coverage().everything


def test_without_the_encoder_there_are_no_clusters(
    explained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _, _ = explained(budget="4")
    assert target_clusters(found.view)[0] is not None
    target_clusters.cache_clear()

    def gone(name: str) -> Any:
        raise EncoderError(f"The model {name} is not here.")

    monkeypatch.setattr("nncift_core.pipeline.embedding.open_encoder", gone)
    report = found.coverage()
    assert report.clusters == () and report.subtasks
    target_clusters.cache_clear()


def test_rounds_are_told(explained: Callable[..., Any]) -> None:
    """Where coverage is exhausted early, later picks are second bests and say so."""
    found, _, _ = explained(budget="1.0")
    last = int(found.chosen[-1])
    row = found.row(last)
    assert row.round is not None and row.round > 1
    assert f"It was picked in round {row.round}" in row.sentence
