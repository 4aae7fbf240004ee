from __future__ import annotations

import numpy as np
import pytest

from nncift_core.embeddings import neighbours, projection
from nncift_core.embeddings.neighbours import nearest_rows
from nncift_core.embeddings.projection import project
from nncift_core.errors import Cancelled
from nncift_core.progress import SilentProgress


def planted(rows: int, clusters: int = 6, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around some directions, and which direction each is of."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, 32))
    kind = random.integers(0, clusters, rows)
    vectors = centres[kind] + 0.5 * random.standard_normal((rows, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), kind


class Recorder(SilentProgress):
    """Keeps what it is told, and cancels after so many steps."""

    def __init__(self, most: int = 10**9) -> None:
        self.stages: dict[str, int] = {}
        self.totals: dict[str, int] = {}
        self.most = most

    def stage(self, name: str, total: int, unit: str) -> None:
        self.now = name
        self.stages[name], self.totals[name] = 0, total

    def advance(self, count: int = 1) -> None:
        self.stages[self.now] += count
        self.most -= 1
        if self.most < 0:
            raise Cancelled


def purity(points: np.ndarray, kind: np.ndarray) -> float:
    away = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(away, np.inf)
    nearest = np.argsort(away, axis=1)[:, :5]
    return float((kind[nearest] == kind[:, None]).mean())


def test_neighbours_are_those_of_a_slow_search(monkeypatch: pytest.MonkeyPatch) -> None:
    # Blocks of seven rows, the last one smaller, and equal rows.
    monkeypatch.setattr(neighbours, "BLOCK_ENTRIES", 7 * 60)
    vectors, _ = planted(60)
    vectors[13] = vectors[14] = vectors[50]
    progress = Recorder()
    progress.stage("find", 60, "rows")
    found, likeness = nearest_rows(vectors, vectors, 5, progress, itself=np.arange(60))
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    for row in range(60):
        others = [i for i in range(60) if i != row]
        expected = sorted(others, key=lambda i: -cosines[row, i])[:5]
        assert cosines[row, found[row]] == pytest.approx(cosines[row, expected], abs=1e-6)
        assert likeness[row] == pytest.approx(cosines[row, found[row]], abs=1e-6)
        assert row not in found[row]
    assert progress.stages == {"find": 60}


def test_planted_clusters_stay_apart_and_the_quality_says_so() -> None:
    vectors, kind = planted(260)
    progress = Recorder()
    made = project(vectors[:240], vectors[240:], progress)
    assert made.pool.shape == (240, 2) and made.target.shape == (20, 2)
    assert made.pool.dtype == np.float32
    assert 0 <= made.pool.min() and made.pool.max() <= 1
    everything = np.concatenate([made.pool, made.target])
    assert purity(everything, kind) > 0.97
    assert made.fitted == 260 and made.placed == 0
    assert made.kept is not None and made.by_chance is not None
    assert made.kept > 5 * made.by_chance
    assert progress.stages == progress.totals


def test_quality_is_the_share_of_neighbours_that_a_slow_count_finds() -> None:
    vectors, _ = planted(90)
    made = project(vectors, vectors[:0], SilentProgress())
    cosines = vectors @ vectors.T
    away = ((made.pool[:, None].astype(np.float64) - made.pool[None]) ** 2).sum(axis=2)
    kept = []
    for row in range(90):
        others = [i for i in range(90) if i != row]
        true = sorted(others, key=lambda i: -cosines[row, i])[:10]
        drawn = sorted(others, key=lambda i: away[row, i])[:10]
        kept.append(len(set(true) & set(drawn)) / 10)
    assert made.measured_on == 90
    assert made.kept == pytest.approx(np.mean(kept), abs=0.01)
    assert made.by_chance == pytest.approx(10 / 89)


def test_same_seed_gives_the_same_bytes_and_another_sample_does_not() -> None:
    vectors, _ = planted(150)
    first = project(vectors, vectors[:9], SilentProgress(), most_fitted=100)
    again = project(vectors, vectors[:9], SilentProgress(), most_fitted=100)
    other = project(vectors, vectors[:9], SilentProgress(), most_fitted=100, seed=1)
    assert first.pool.tobytes() == again.pool.tobytes()
    assert first.target.tobytes() == again.target.tobytes()
    assert first.kept == again.kept
    assert first.pool.tobytes() != other.pool.tobytes()


def test_rows_beyond_the_sample_are_placed_among_their_own_kind() -> None:
    vectors, kind = planted(400)
    progress = Recorder()
    made = project(vectors[:380], vectors[380:], progress, most_fitted=120)
    assert (made.fitted, made.placed) == (120, 280)
    assert progress.totals["place-others"] == 280
    assert purity(np.concatenate([made.pool, made.target]), kind) > 0.95


@pytest.mark.parametrize("rows", [1, 2, 5, 25, 40])
def test_few_rows_and_equal_rows_have_places(rows: int) -> None:
    vectors, _ = planted(rows)
    equal = np.repeat(vectors[:1], rows, axis=0)
    for pool in (vectors, equal):
        made = project(pool, pool[:0], SilentProgress())
        assert made.pool.shape == (rows, 2)
        assert np.isfinite(made.pool).all()
        assert 0 <= made.pool.min() and made.pool.max() <= 1
        assert (made.kept is None) == (rows <= 20)


@pytest.mark.parametrize("steps", [0, 3, 60, 78])
def test_cancel_ends_every_stage(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_ENTRIES", 50 * 60)
    vectors, _ = planted(150)
    progress = Recorder(most=steps)
    with pytest.raises(Cancelled):
        project(vectors, vectors[:0], progress, most_fitted=60)
    assert progress.now in projection_stages()


def projection_stages() -> set[str]:
    from nncift_core.pipeline.maps import STAGES

    return set(STAGES)


def test_sample_never_lacks_either_side() -> None:
    draw = projection._drawn
    for n_train, n_target in ((1000, 10), (10, 1000), (1000, 1000), (50, 50)):
        drawn = draw(n_train, n_target, 100, np.random.default_rng(0))
        assert len(drawn) == min(100, n_train + n_target) == len(set(drawn.tolist()))
        assert (drawn < n_train).any() and (drawn >= n_train).any()
        assert drawn.max() < n_train + n_target
