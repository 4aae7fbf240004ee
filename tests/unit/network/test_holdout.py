"""What is kept out: never learned from, of four kinds, weighted by the pairs they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from nncift_core.network.holdout import kinds, population, split, take, without_checked
from nncift_core.types import Pairs


def labels(rows: int, columns: int, count: int | None = None, seed: int = 0) -> Pairs:
    """A full block, or ``count`` of its pairs; values tell which label it is."""
    places = np.random.default_rng(seed).permutation(rows * columns)[:count]
    i, j = np.unravel_index(np.sort(places), (rows, columns))
    return Pairs(i, j, np.arange(len(i), dtype=np.float32))


def leaks(learned: Pairs, checks: tuple) -> list[str]:
    """Kinds of checks that are not what they say."""
    rows, columns = set(learned.helper.tolist()), set(learned.helped.tolist())
    found = []
    for check in checks:
        known = check.kind in ("q1u", "q3"), check.kind in ("q1u", "q2")
        for i, j, value in zip(
            check.pairs.helper, check.pairs.helped, check.pairs.value, strict=True
        ):
            if value in learned.value:
                found.append("learned from")
            if (not known[0] and i in rows) or (not known[1] and j in columns):
                found.append(check.kind)
    return found


def test_nothing_kept_out_is_learned_from_and_nothing_is_lost() -> None:
    everything = labels(40, 30, 500)
    learned, checks = split(everything, (100, 60), 3, pointwise=False)
    assert [check.kind for check in checks] == ["q2", "q3", "q4", "q1u"]
    assert not leaks(learned, checks)
    together = np.concatenate([learned.value, *(check.pairs.value for check in checks)])
    np.testing.assert_array_equal(np.sort(together), everything.value)
    for part in (learned, *(check.pairs for check in checks)):
        at = part.value.astype(int)
        np.testing.assert_array_equal(everything.helper[at], part.helper)
        np.testing.assert_array_equal(everything.helped[at], part.helped)
    # A tenth of the rows, of the columns and of what is left.
    out = np.concatenate([c.pairs.helper for c in checks if c.kind in ("q2", "q4")])
    assert len(np.unique(out)) == 4
    assert len(checks[-1].pairs) == round(0.1 * (len(learned) + len(checks[-1].pairs)))


def test_a_planted_leak_would_be_seen() -> None:
    learned, checks = split(labels(40, 30, 500), (100, 60), 3, pointwise=False)
    inside = Pairs(*(np.append(getattr(learned, name), getattr(checks[0].pairs, name)[:1])
                     for name in ("helper", "helped", "value")))  # fmt: skip
    assert set(leaks(inside, checks)) >= {"learned from", "q2"}


def test_weights_are_the_shares_of_unlabelled_pairs() -> None:
    everything = labels(40, 30, 500)
    rows, columns = len(np.unique(everything.helper)), len(np.unique(everything.helped))
    counts = dict.fromkeys(("q1u", "q2", "q3", "q4"), 0)
    labelled = set(zip(everything.helper.tolist(), everything.helped.tolist(), strict=True))
    for i in range(50):
        for j in range(35):
            if (i, j) not in labelled:
                counts[{(1, 1): "q1u", (0, 1): "q2", (1, 0): "q3", (0, 0): "q4"}[
                    int(i in everything.helper), int(j in everything.helped)
                ]] += 1  # fmt: skip
    found = population(everything, (50, 35))
    assert (rows, columns) == (40, 30)
    for kind, count in counts.items():
        assert found[kind] == pytest.approx(count / (50 * 35 - 500))
    _, checks = split(everything, (50, 35), 0, pointwise=False)
    for check in checks:
        assert check.weight == pytest.approx(max(found[check.kind], 1e-3))


def test_a_full_block_has_no_pairs_of_known_rows_and_columns_to_ask_for() -> None:
    learned, checks = split(labels(20, 10), (100, 60), 0, pointwise=False)
    assert [check.kind for check in checks] == ["q2", "q3", "q4"]
    assert len(learned) == 18 * 9


def test_everything_labelled_weighs_alike() -> None:
    assert set(population(labels(5, 4), (5, 4)).values()) == {0.25}


def test_single_rows_have_one_kind() -> None:
    learned, checks = split(labels(30, 1), (100, 1), 0, pointwise=True)
    assert [check.kind for check in checks] == ["q2"]
    assert (len(learned), len(checks[0].pairs)) == (27, 3)
    assert not leaks(learned, checks)


@pytest.mark.parametrize("pointwise", [True, False])
@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, None])
def test_few_labels_are_always_left_to_learn_from(
    pointwise: bool, rows: int, columns: int, count: int | None
) -> None:
    for seed in range(5):
        everything = labels(rows, 1 if pointwise else columns, count, seed)
        learned, checks = split(everything, (9, 9), seed, pointwise=pointwise)
        assert len(learned) > 0
        assert not leaks(learned, checks)
        assert len(learned) + sum(len(check.pairs) for check in checks) == len(everything)


def test_same_seed_same_draw() -> None:
    draws = [split(labels(40, 30, 500), (99, 60), s, pointwise=False)[0].value for s in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_other_matrices_tell_nothing_of_rows_that_are_kept_out() -> None:
    """W has the pool's rows on the side that helps: those kept out are to be unknown there too."""
    _, checks = split(labels(40, 30, 500), (100, 60), 3, pointwise=False)
    rng = np.random.default_rng(0)
    i, j = rng.integers(40, size=300), rng.integers(70, size=300)
    further = Pairs(i, j, np.arange(300, dtype=np.float32))
    kept = without_checked(further, checks)
    rows = {r for c in checks if c.kind in ("q2", "q4") for r in c.pairs.helper.tolist()}
    columns = {c for k in checks if k.kind in ("q3", "q4") for c in k.pairs.helped.tolist()}
    expected = [n for n in range(300) if i[n] not in rows and j[n] not in columns]
    assert 0 < len(expected) < 300
    np.testing.assert_array_equal(kept.value, expected)
    assert len(without_checked(further, ())) == 300


def test_kinds_and_take() -> None:
    pairs = labels(3, 2)
    found = kinds(pairs, np.array([0, 2]), np.array([1]))
    at = {}
    for name, places in found.items():
        some = take(pairs, places)
        at[name] = list(zip(some.helper.tolist(), some.helped.tolist(), strict=True))
    assert at == {"q1u": [(0, 1), (2, 1)], "q2": [(1, 1)], "q3": [(0, 0), (2, 0)], "q4": [(1, 0)]}
