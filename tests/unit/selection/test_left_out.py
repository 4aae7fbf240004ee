"""Every rejected row has one reason: the right one, for a page and for the whole pool."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nncift_core.selection.constraints import Constraints, Quota
from nncift_core.selection.explanations import target_coverage
from nncift_core.selection.left_out import (
    BANNED,
    BY_HAND,
    COVERED,
    DUPLICATE,
    GAINS_LESS,
    KINDS,
    LENGTH,
    QUOTA,
    RULE,
    SCORES_LESS,
    TOKENS,
    LeftOut,
    left_out_reasons,
)

N_TRAIN, N_TARGET = 60, 9
IDS = [f"{row // 2:016x}-{row % 2 + 1}" for row in range(N_TRAIN)]  # rows 2i and 2i + 1 are equal


def _ids() -> list[str]:
    """Ids of rows that all differ."""
    return [f"{row:016x}-1" for row in range(N_TRAIN)]


def _selection(*order: int) -> SimpleNamespace:
    return SimpleNamespace(order=np.array(order, dtype=np.int64))


def test_bans_say_by_whom() -> None:
    bans = {
        0: BY_HAND,
        1: "banned by rule prompt contains poem",
        2: "1 token, fewer than 20",
        3: "4,000 tokens, more than 2,000",
    }
    constraints = Constraints(banned=np.array([0, 1, 2, 3, 4]))
    words = left_out_reasons(_selection(9), constraints, [0, 1, 2, 3, 4], _ids(), bans)
    assert words == [
        "banned by hand",
        "banned by rule prompt contains poem",
        "1 token, fewer than 20",
        "4,000 tokens, more than 2,000",
        "banned by hand",
    ]
    left_out = LeftOut(_selection(9), constraints, _ids(), bans)
    assert left_out.counts() == {BANNED: 2, RULE: 1, LENGTH: 2, GAINS_LESS: N_TRAIN - 6}
    assert left_out.positions(LENGTH).tolist() == [2, 3]


def test_duplicates_name_the_chosen_row() -> None:
    group = np.full(N_TRAIN, -1, dtype=np.int64)
    group[[2, 3, 8]] = 0
    group[[10, 12]] = 1
    constraints = Constraints(duplicates=group)
    words = left_out_reasons(_selection(3, 20), constraints, [2, 8, 10], IDS, {})
    assert words[0] == f"the same as chosen row {IDS[3]}"
    assert words[1] == f"nearly the same as chosen row {IDS[3]}"
    # No row of its group is in.
    assert words[2] == "chosen rows gain more"
    # Where duplicates are kept, nothing is left out for being one.
    groups = SimpleNamespace(group=group)
    kept = left_out_reasons(_selection(3, 20), Constraints(), [2], IDS, {}, groups)  # type: ignore[arg-type]
    assert kept == ["chosen rows gain more"]


def test_only_the_chosen_part_of_an_order_holds_a_group() -> None:
    group = np.full(N_TRAIN, -1, dtype=np.int64)
    group[[2, 5]] = 0
    constraints = Constraints(duplicates=group)
    order = _selection(7, 5)
    assert LeftOut(order, constraints, _ids(), {}).kind(2) == DUPLICATE
    assert LeftOut(order, constraints, _ids(), {}, chosen=1).kind(2) == GAINS_LESS


def test_full_quotas_and_bans_before_them() -> None:
    quotas = [
        Quota("subtask = math", np.array([0, 1, 2, 3]), most=2),
        Quota("group = web", np.array([3, 4, 5]), least=1, most=9),
        Quota("cluster = 3", np.array([4, 6]), least=1),
    ]
    constraints = Constraints(banned=np.array([3]), quotas=quotas)
    words = left_out_reasons(_selection(0, 1, 4), constraints, [2, 3, 5, 6], _ids(), {3: BY_HAND})
    assert words == [
        "quota of subtask = math is full (2 of 2)",
        "banned by hand",
        "chosen rows gain more",
        "chosen rows gain more",
    ]
    # With one row less it is not full.
    assert LeftOut(_selection(0, 4), constraints, _ids(), {}).kind(2) == GAINS_LESS


def test_token_budget() -> None:
    tokens = np.full(N_TRAIN, 100, dtype=np.int64)
    tokens[5], tokens[6] = 30, 50
    constraints = Constraints(tokens=tokens, token_budget=1_040)
    order = _selection(*range(10, 20))
    left_out = LeftOut(order, constraints, _ids(), {})
    words = left_out.reasons([5, 6])
    assert words == [
        "chosen rows gain more",
        "50 tokens, but 40 are left of the token budget of 1,040",
    ]
    assert left_out.counts() == {TOKENS: N_TRAIN - 11, GAINS_LESS: 1}


def test_rows_later_in_the_order_say_at_which_rank() -> None:
    left_out = LeftOut(_selection(4, 7, 1, 30), Constraints(), _ids(), {}, chosen=2)
    assert left_out.reasons([1, 30, 4, 5]) == [
        "next rows gain more; it would come at rank 3",
        "next rows gain more; it would come at rank 4",
        "chosen, rank 1",
        "chosen rows gain more",
    ]


def test_scores_tell_a_rank() -> None:
    scores = np.linspace(1.0, 0.0, N_TRAIN)
    order = np.argsort(-scores)[:4]
    constraints = Constraints(banned=np.array([5]))
    left_out = LeftOut(_selection(*order), constraints, _ids(), {}, scores=scores)
    assert left_out.counts() == {BANNED: 1, SCORES_LESS: N_TRAIN - 5}
    # Position 6 is the sixth that may be taken: 0 to 3 are in, 4 comes, 5 is banned.
    assert left_out.reasons([6]) == [
        f"its score is {scores[6]:.4g}, the lowest chosen {scores[3]:.4g}; "
        "it would come at rank about 6"
    ]
    # A pinned row may be worse; then nothing is said of it.
    pinned = LeftOut(_selection(N_TRAIN - 1, 0), Constraints(), _ids(), {}, scores=scores)
    assert "lowest" not in pinned.reasons([1])[0]


def test_who_covers_its_targets() -> None:
    influence = np.zeros((N_TRAIN, N_TARGET), dtype=np.float32)
    influence[10, :6], influence[11, 6:] = 0.9, 0.8
    influence[20, :3] = 0.5  # covered by 10 throughout
    influence[21, [0, 7, 8]] = 0.5  # by 11 twice, by 10 once
    influence[22, [0, 7, 8]] = 0.5, 0.5, 0.85  # better for target 8
    influence[23, 8] = 0.7
    influence[24, :] = 0.95  # better for all
    order = _selection(10, 11, 23)
    covered = target_coverage(influence.__getitem__, order.order[:2])
    ids = _ids()
    left_out = LeftOut(
        order, Constraints(), ids, {}, chosen=2, read_rows=influence.__getitem__, covered=covered
    )
    assert left_out.reasons([20, 21, 22, 23, 24]) == [
        f"its targets are covered by chosen rows: {ids[10]}",
        f"its targets are covered by chosen rows: {ids[11]}, {ids[10]}",
        "chosen rows gain more; 2 of its 3 best targets are covered by chosen rows: "
        f"{ids[10]}, {ids[11]}",
        "next rows gain more; it would come at rank 3; its targets are covered by chosen rows: "
        f"{ids[11]}",
        "chosen rows gain more; it would cover 9 targets better than they do, by 0.75 in all",
    ]
    assert left_out.reasons([30]) == ["chosen rows gain more; it helps no target"]
    assert left_out.counts(by_coverage=True) == {COVERED: N_TRAIN - 4, GAINS_LESS: 2}
    assert left_out.counts() == {GAINS_LESS: N_TRAIN - 2}


@pytest.mark.parametrize("seed", range(4))
def test_kinds_of_the_whole_pool_are_those_of_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    influence = (rng.integers(0, 6, (N_TRAIN, N_TARGET)) / 6).astype(np.float32)
    order = rng.permutation(N_TRAIN)[:14]
    chosen = set(order[:8].tolist())
    group = rng.integers(-1, 15, N_TRAIN)
    tokens = rng.integers(1, 50, N_TRAIN)
    quotas = [
        Quota(f"q{i}", rng.permutation(N_TRAIN)[:12], most=int(rng.integers(0, 4)))
        for i in range(4)
    ]
    banned = np.setdiff1d(rng.permutation(N_TRAIN)[:10], order)
    bans = {
        int(row): (BY_HAND, "banned by rule id = x", "2 tokens, fewer than 3")[i % 3]
        for i, row in enumerate(banned)
    }
    constraints = Constraints(
        banned=banned, duplicates=group, quotas=quotas, tokens=tokens, token_budget=300
    )
    covered = target_coverage(influence.__getitem__, order[:8])
    left_out = LeftOut(
        SimpleNamespace(order=order),
        constraints,
        _ids(),
        bans,
        chosen=8,
        read_rows=influence.__getitem__,
        covered=covered,
    )
    expected: dict[str, int] = {}
    for row in range(N_TRAIN):
        if row in chosen:
            continue
        if row in bans:
            kind = RULE if "rule" in bans[row] else BANNED if bans[row] == BY_HAND else LENGTH
        elif group[row] >= 0 and any(group[other] == group[row] for other in chosen):
            kind = DUPLICATE
        elif any(
            row in q.members and sum(other in q.members for other in chosen) >= (q.most or 0)
            for q in quotas
        ):
            kind = QUOTA
        elif tokens[row] > 300 - sum(tokens[other] for other in chosen):
            kind = TOKENS
        elif all(
            influence[row, t] <= max(influence[o, t] for o in chosen) for t in range(N_TARGET)
        ):
            kind = COVERED
        else:
            kind = GAINS_LESS
        expected[kind] = expected.get(kind, 0) + 1
    assert left_out.counts(by_coverage=True) == expected
    assert sum(expected.values()) == N_TRAIN - 8
    # Each page's sentences agree with the kinds, and no row is without one.
    assert all(left_out.reasons(np.arange(N_TRAIN)))
    assert set(expected) <= set(KINDS)
