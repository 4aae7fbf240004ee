"""Drift: it is said of rows of another kind, and not of rows of the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import betabinom

from nncift_core import pipeline
from nncift_core.files import read_json
from nncift_core.pipeline import drift
from nncift_core.pipeline.drift import chance_of_as_many, measure_drift, nearest_distances
from nncift_core.progress import SilentProgress
from tests.unit.pipeline.finished_runs import Finished


def around(center: np.ndarray, n: int, seed: int, spread: float = 0.4) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((n, len(center)))
    vectors = center + spread * noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


HERE, THERE = np.eye(12)[0], np.eye(12)[1]


def test_distances_are_those_of_a_double_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "_BLOCK", 7)
    rows, to = around(HERE, 25, 0), around(HERE, 18, 1)
    slow = [min(1 - float(a @ b) for b in to) for a in rows]
    np.testing.assert_allclose(nearest_distances(rows, to, SilentProgress()), slow, atol=2e-6)
    own = np.arange(18)[::-1].copy()
    mirrored = to[own]
    others = [
        min(1 - float(a @ b) for place, b in enumerate(to) if place != mine)
        for a, mine in zip(mirrored, own, strict=True)
    ]
    np.testing.assert_allclose(
        nearest_distances(mirrored, to, SilentProgress(), own), others, atol=2e-6
    )
    # Without its own place left out each row would be at distance 0 from itself.
    assert nearest_distances(mirrored, to, SilentProgress()).max() < 1e-6 < min(others)


def test_the_chance_is_beta_binomial() -> None:
    for beyond, added, pool in ((0, 10, 50), (3, 10, 50), (12, 40, 300), (1, 1, 20)):
        place = int(np.ceil(0.95 * pool))
        law = betabinom(added, pool - place + 1, place)
        assert chance_of_as_many(beyond, added, pool, place) == pytest.approx(
            law.sf(beyond - 1), abs=1e-9
        )


def test_rows_of_the_same_kind_seldom_warn_and_others_always() -> None:
    warned = 0
    for seed in range(60):
        pool = around(HERE, 150, seed)
        labelled = np.random.default_rng(seed).permutation(150)[:40]
        same = measure_drift(pool, labelled, around(HERE, 40, 1000 + seed), 0, SilentProgress())
        warned += same.drifted
        assert same.compared_with == "unlabelled"
        other = measure_drift(pool, labelled, around(THERE, 40, 2000 + seed), 0, SilentProgress())
        assert other.drifted
        assert other.share_beyond > 0.25
    # By the rule fewer than 1 in 100.
    assert warned <= 2


def test_a_pool_that_is_labelled_whole_is_compared_with_its_nearest_others() -> None:
    pool = around(HERE, 80, 0)
    everything = np.random.default_rng(1).permutation(80)
    same = measure_drift(pool, everything, around(HERE, 40, 5), 0, SilentProgress())
    assert (same.compared_with, same.pool.rows) == ("labelled", 80)
    assert same.pool.median > 0.01
    assert not same.drifted
    assert measure_drift(pool, everything, around(THERE, 40, 6), 0, SilentProgress()).drifted
    # A copy of a labelled row is as near as can be.
    copies = measure_drift(pool, everything, pool[:30], 0, SilentProgress())
    assert (copies.added.median, copies.beyond) == (0.0, 0)


def test_a_large_pool_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "MOST_COMPARED", 50)
    found = [
        measure_drift(
            around(HERE, 150, 0), np.arange(40), around(HERE, 30, 2), seed, SilentProgress()
        )
        for seed in (1, 1, 2)
    ]
    assert found[0].pool.rows == 50
    assert found[0] == found[1] != found[2]


def test_words() -> None:
    pool, labelled = around(HERE, 150, 0), np.arange(40)
    far = measure_drift(pool, labelled, around(THERE, 40, 6), 0, SilentProgress())
    assert "extrapolation" in far.sentence
    assert list(far.farthest_distances) == sorted(far.farthest_distances, reverse=True)
    near = measure_drift(pool, labelled, around(HERE, 200, 6), 0, SilentProgress())
    assert "no sign of drift" in near.sentence
    one = measure_drift(pool, labelled, around(-HERE, 1, 6, 0.01), 0, SilentProgress())
    assert "too few rows to tell" in one.sentence


def test_an_extended_run_warns_of_rows_of_another_kind(
    finished: Finished, added_file: Any, demo_lines: Any, recording: Any
) -> None:
    workspace, run_id = finished.workspace, finished.ids["cosine"]
    strange = [
        f'{{"prompt": "zeitung {i} fluss berg wald haus", "response": "garten see {i}"}}'
        for i in range(30)
    ]
    for lines, drifted in ((strange, True), (demo_lines[0][120:150], False)):
        path = added_file(lines, f"{drifted}.jsonl")
        source = pipeline.import_files(workspace, [path]).source
        longer, progress = pipeline.extend_run(workspace, run_id, source), recording()
        pipeline.execute(workspace, longer, progress)
        found = read_json(workspace.run_dir(longer) / "drift.json")
        assert found["drifted"] is drifted
        assert any("extrapolation" in warning for warning in progress.warnings) is drifted
        assert progress.done["compare"] == found["pool"]["rows"] + found["added"]["rows"]
        assert found["added"]["rows"] == 30
        roles = pipeline.RunView(workspace, longer).roles
        assert found["farthest"][0]["id"] in {row.id for row in roles.added}
