"""Points of a learning curve from labels at hand, against the truth of a known matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import Cancelled, ConfigError
from nncift_core.progress import SilentProgress
from nncift_core.studies.curve_points import SHARED, SIZES, Shape, measure_curve
from nncift_core.studies.learning_curve import fit_curve
from nncift_core.types import Pairs
from tests.stand_in_estimators import honest

N_TRAIN, N_TARGET, D = 200, 60, 8


@pytest.fixture
def matrix(unit_vectors: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings and a noisy influence that depends on their product."""
    helpers, helped = unit_vectors(N_TRAIN, D, 1), unit_vectors(N_TARGET, D, 2)
    rng = np.random.default_rng(3)
    clean = helpers @ np.diag(rng.normal(1, 1, D)) @ helped.T + 0.3 * helpers[:, :1]
    noise = rng.standard_normal(clean.shape) * clean.std() * 0.6
    return helpers, helped, (clean + noise).astype(np.float32)


def spread(truth: np.ndarray, rows: int, per_row: int, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    helper = np.repeat(rng.permutation(N_TRAIN)[:rows], per_row)
    helped = np.concatenate([rng.permutation(N_TARGET)[:per_row] for _ in range(rows)])
    return Pairs(helper, helped, truth[helper, helped])


def block(truth: np.ndarray, rows: int, columns: int, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    i, j = rng.permutation(N_TRAIN)[:rows], rng.permutation(N_TARGET)[:columns]
    helper, helped = np.repeat(i, columns), np.tile(j, rows)
    return Pairs(helper, helped, truth[helper, helped])


def spread_shapes(rows: int, per_row: int) -> dict[float, Shape]:
    return {size: Shape(max(1, round(rows * size)), N_TARGET, per_row) for size in SIZES}


def block_shapes(rows: int, columns: int) -> dict[float, Shape]:
    sides = {size: size**0.5 for size in SIZES}
    return {
        size: Shape(round(rows * side), round(columns * side), round(columns * side))
        for size, side in sides.items()
    }


def measured(matrix: Any, labels: Pairs, shapes: Any, **more: Any) -> Any:
    helpers, helped, _ = matrix
    return measure_curve(
        "ridge", helpers, helped, labels, shapes,
        seed=0, progress=more.pop("progress", SilentProgress()), fit=honest, **more,
    )  # fmt: skip


@pytest.mark.parametrize("design", ["spread", "block"])
def test_points_come_near_the_r2_of_all_unlabelled_pairs(matrix: Any, design: str) -> None:
    helpers, helped, truth = matrix
    draw: Callable[[int], Pairs]
    if design == "spread":
        shapes = spread_shapes(160, 10)
        draw = lambda seed: spread(truth, 160, 10, seed)  # noqa: E731
    else:
        shapes = block_shapes(80, 20)
        draw = lambda seed: block(truth, 80, 20, seed)  # noqa: E731
    points = [measured(matrix, draw(seed), shapes) for seed in range(4)]
    assert points[0].estimator == "ridge"
    got = np.mean([point.r2[:, -1].mean() for point in points])
    # The obvious reference: fit to as many labels of the design, measure all other pairs.
    real = []
    for seed in range(10, 16):
        labels = draw(seed)
        take = np.random.default_rng(seed).random(len(labels)) < points[0].labels[-1] / len(labels)
        part = Pairs(labels.helper[take], labels.helped[take], labels.value[take])
        fitted = honest("ridge", helpers, helped, {"q1": part}, 0, SilentProgress())
        i, j = np.indices(truth.shape)
        left = np.ones(truth.shape, dtype=bool)
        left[part.helper, part.helped] = False
        pairs = Pairs(i[left], j[left], truth[left])
        guess = fitted.scale.lo + fitted.scale.width * fitted.predict(helpers, helped, pairs)
        real.append(1 - np.mean((guess - pairs.value) ** 2) / truth.var())
    assert got == pytest.approx(np.mean(real), abs=0.12)
    assert 0.3 < np.mean(real) < 0.9


def test_more_labels_help_and_sizes_are_as_asked(matrix: Any) -> None:
    labels = spread(matrix[2], 180, 12)
    found = measured(matrix, labels, spread_shapes(180, 12))
    assert np.all(np.diff(found.labels) > 0)
    assert found.labels / found.labels[-1] == pytest.approx(SIZES, rel=0.15)
    # A fifth of the rows, a fifth of the columns and a tenth of what is left are kept out.
    assert found.labels[-1] == pytest.approx(0.8 * 0.8 * 0.9 * len(labels), rel=0.1)
    mean = found.r2.mean(axis=0)
    assert mean[-1] > mean[0] + 0.04


def test_what_is_measured_is_never_learned_from(matrix: Any) -> None:
    labels = spread(matrix[2], 160, 8)
    seen: list[set[tuple[int, int]]] = []

    def watching(*given: Any, **more: Any) -> Any:
        fitted = honest(*given, **more)
        learned = given[3]["q1"]
        keys = set(zip(learned.helper.tolist(), learned.helped.tolist(), strict=True))

        class Watch:
            scale, name = fitted.scale, "ridge"

            def predict(self, helpers: Any, helped: Any, pairs: Pairs) -> Any:
                asked = set(zip(pairs.helper.tolist(), pairs.helped.tolist(), strict=True))
                seen.append(asked & keys)
                return fitted.predict(helpers, helped, pairs)

        return Watch()

    measure_curve(
        "ridge", matrix[0], matrix[1], labels, spread_shapes(160, 8),
        seed=0, progress=SilentProgress(), fit=watching,
    )  # fmt: skip
    assert len(seen) == 20
    assert not any(seen)


def test_rows_alone_make_a_curve(unit_vectors: Callable[..., np.ndarray]) -> None:
    helpers = unit_vectors(300, D, 5)
    rng = np.random.default_rng(0)
    value = (helpers @ rng.normal(0, 1, D) + 0.2 * rng.standard_normal(300)).astype(np.float32)
    rows = rng.permutation(300)[:200]
    labels = Pairs(rows, np.zeros(200, dtype=np.int64), value[rows])
    shapes = {size: Shape(round(200 * size), 1, 1) for size in SIZES}
    none = np.empty((1, 0), dtype=np.float32)
    found = measure_curve(
        "auto", helpers, none, labels, shapes, seed=0, progress=SilentProgress(), fit=honest
    )
    assert found.labels[-1] == 160
    assert found.estimator == "ridge"
    assert found.r2[:, -1].mean() > 0.7


def test_noise_gives_a_curve_that_explains_nothing(matrix: Any) -> None:
    labels = spread(matrix[2], 160, 8)
    for seed in range(4):
        noise = np.random.default_rng(seed).standard_normal(len(labels)).astype(np.float32)
        found = measured(matrix, Pairs(labels.helper, labels.helped, noise), spread_shapes(160, 8))
        assert fit_curve(found.labels, found.r2, shared=SHARED).explains_nothing


def test_shares_of_unlabelled_pairs() -> None:
    assert Shape(100, 50, 5).unlabelled(100, 50) == pytest.approx(
        {"q1u": 1.0, "q2": 0.0, "q3": 0.0, "q4": 0.0}
    )
    shares = Shape(10, 5, 5).unlabelled(100, 50)
    assert shares["q1u"] == 0
    assert shares["q4"] == pytest.approx(90 * 45 / (100 * 50 - 50))
    assert sum(shares.values()) == pytest.approx(1)


def test_too_few_labels_are_refused(matrix: Any) -> None:
    with pytest.raises(ConfigError, match="too few for a learning curve"):
        measured(matrix, spread(matrix[2], 12, 6), spread_shapes(12, 6))


def test_it_stops_between_fits(matrix: Any, recording: Any) -> None:
    progress = recording(cancel_in="curve", cancel_after=6)
    with pytest.raises(Cancelled):
        measured(matrix, spread(matrix[2], 160, 8), spread_shapes(160, 8), progress=progress)
    assert 1 <= len(progress.points) < 20
