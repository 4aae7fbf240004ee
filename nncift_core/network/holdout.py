"""Labels kept out of training: to stop by, and to pick an estimator by.

A tenth of the labelled rows, a tenth of the labelled columns and, where some pairs of labelled
rows and columns have no label, a tenth of what is left are kept out. The kept labels are of four
kinds, by whether their row and column are still known. Each kind counts as much as there are
unlabelled pairs of it: errors are those of the pairs that the estimator will be asked for.
Knows nothing of estimators.
"""

from __future__ import annotations

import numpy as np

from nncift_core.network.estimators import Check
from nncift_core.types import IndexArray, Pairs

SHARE = 0.1


def kinds(pairs: Pairs, rows: IndexArray, columns: IndexArray) -> dict[str, IndexArray]:
    """Positions in ``pairs`` by kind, given the rows and columns that are known."""
    row, column = np.isin(pairs.helper, rows), np.isin(pairs.helped, columns)
    masks = {"q1u": row & column, "q2": ~row & column, "q3": row & ~column, "q4": ~row & ~column}
    return {name: np.flatnonzero(mask) for name, mask in masks.items()}


def population(labelled: Pairs, shape: tuple[int, int]) -> dict[str, float]:
    """Shares of the unlabelled pairs of an ``n_train`` x ``n_target`` matrix by kind."""
    rows, columns = len(np.unique(labelled.helper)), len(np.unique(labelled.helped))
    counts = {
        "q1u": rows * columns - len(labelled),
        "q2": (shape[0] - rows) * columns,
        "q3": rows * (shape[1] - columns),
        "q4": (shape[0] - rows) * (shape[1] - columns),
    }
    total = sum(counts.values())
    # Where everything is labelled nothing is left to predict; all kinds then count alike.
    return {name: count / total if total else 0.25 for name, count in counts.items()}


def split(
    labelled: Pairs, shape: tuple[int, int], seed: int, *, pointwise: bool
) -> tuple[Pairs, tuple[Check, ...]]:
    """What is learned from, and what is kept out.

    Args:
        labelled: Labels of X, on the scale.
        shape: ``(n_train, n_target)``.
        seed: Of the draw.
        pointwise: Whether there are rows only.

    Returns:
        The labels to learn from, and the checks; a kind without labels has none. Where too few
        labels are left to learn from, nothing is kept out.
    """
    rng = np.random.default_rng((seed, 77))
    shares = population(labelled, shape)
    rows, columns = np.unique(labelled.helper), np.unique(labelled.helped)
    kept_rows = _without_a_tenth(rows, rng)
    kept_columns = columns if pointwise else _without_a_tenth(columns, rng)
    found = kinds(labelled, kept_rows, kept_columns)
    known = found.pop("q1u")
    if shares["q1u"] > 0 and not pointwise and len(known) > 1:
        order = rng.permutation(known)
        cut = max(1, round(SHARE * len(known)))
        found["q1u"], known = np.sort(order[:cut]), np.sort(order[cut:])
    if not len(known):
        return labelled, ()
    checks = [
        Check(kind, take(labelled, at), max(shares[kind], 1e-3))
        for kind, at in found.items()
        if len(at)
    ]
    return take(labelled, known), tuple(checks)


def without_checked(further: Pairs, checks: tuple[Check, ...]) -> Pairs:
    """Labels of other matrices, less those of rows and columns that count as unknown."""
    rows, columns = (
        np.concatenate(
            [np.empty(0, dtype=np.int64)]
            + [getattr(check.pairs, side) for check in checks if check.kind in unknown]
        )
        for side, unknown in (("helper", ("q2", "q4")), ("helped", ("q3", "q4")))
    )
    told = np.isin(further.helper, rows) | np.isin(further.helped, columns)
    return take(further, np.flatnonzero(~told))


def take(pairs: Pairs, at: IndexArray) -> Pairs:
    """Some pairs, in that order."""
    return Pairs(pairs.helper[at], pairs.helped[at], pairs.value[at])


def _without_a_tenth(positions: IndexArray, rng: np.random.Generator) -> IndexArray:
    left_out = max(1, round(SHARE * len(positions)))
    if left_out >= len(positions):
        return positions
    return np.sort(rng.permutation(positions)[left_out:])
