"""Where a second round labels: what is in dispute, and nothing that must stay apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncift_core.influence.label_plan import LabelBlock, LabelPlan, plan_block
from nncift_core.influence.second_round import second_round_plan, second_round_width
from nncift_core.influence.spread import plan_spread
from nncift_core.types import FloatArray

N, M = 200, 80


def pairs_of(block: LabelBlock | None) -> set[tuple[int, int]]:
    assert block is not None
    columns = block.columns
    if columns is None:
        return {(int(i), int(j)) for i in block.helpers for j in block.helped}
    return {
        (int(i), int(block.helped[place]))
        for i, places in zip(block.helpers, columns, strict=True)
        for place in places
    }


def forbidden(plan: LabelPlan) -> set[tuple[int, int]]:
    """Labelled pairs and all pairs of reserved rows, spelled out."""
    found: set[tuple[int, int]] = set()
    for block in plan.blocks:
        found |= pairs_of(block)
    q4 = plan.block("q4")
    assert q4 is not None
    found |= {(int(i), j) for i in q4.helpers for j in range(M)}
    return found | {(i, int(j)) for i in range(N) for j in q4.helped}


@pytest.fixture(params=["spread", "block"])
def plan(request: pytest.FixtureRequest) -> LabelPlan:
    return plan_spread(N, M, 0.2, 1) if request.param == "spread" else plan_block(N, M, 0.2, 1)


def disagreement(seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).random((N, M)).astype(np.float32)


def test_only_open_pairs_are_taken(plan: LabelPlan) -> None:
    # Every pair that must not be taken is the most in dispute.
    values = disagreement()
    for i, j in forbidden(plan):
        values[i, j] = 50.0
    chosen = second_round_plan(plan, values, 120, seed=0)
    assert chosen is not None and chosen.columns is not None
    assert not pairs_of(chosen) & forbidden(plan)
    width = second_round_width(plan.blocks[0])
    assert chosen.columns.shape == (120 // width, width)
    assert chosen.role == "q1" and chosen.matrix == "target"
    assert len(pairs_of(chosen)) == chosen.n_pairs <= 120


def test_a_careless_choice_would_be_caught(plan: LabelPlan) -> None:
    values = disagreement()
    for i, j in forbidden(plan):
        values[i, j] = 50.0
    flat = np.argsort(values.ravel())[::-1][:120]
    assert {(int(p // M), int(p % M)) for p in flat} & forbidden(plan)


def test_the_rows_and_targets_in_dispute_are_taken() -> None:
    plan = plan_spread(N, M, 0.2, 1)
    closed = forbidden(plan)
    q4 = plan.block("q4")
    assert q4 is not None
    rows = [i for i in range(N) if i not in set(q4.helpers.tolist())][:10]
    values = 0.01 * disagreement()
    hot = set()
    rng = np.random.default_rng(3)
    for i in rows:
        free = [j for j in range(M) if (i, j) not in closed]
        for j in rng.permutation(free)[:4]:
            values[i, j] = 1.0 + 0.001 * float(rng.random())
            hot.add((i, int(j)))
    chosen = second_round_plan(plan, values, 40, seed=0)
    assert chosen is not None
    assert set(chosen.helpers.tolist()) == set(rows)
    assert len(pairs_of(chosen) & hot) >= 36


def test_no_target_is_labelled_again_and_again() -> None:
    """All rows are in dispute about the same four targets."""
    plan = plan_spread(N, M, 0.2, 1)
    values = 0.01 * disagreement()
    q4 = plan.block("q4")
    assert q4 is not None
    some = [j for j in range(M) if j not in set(q4.helped.tolist())][:4]
    values[:, some] += 5.0
    chosen = second_round_plan(plan, values, 240, seed=0)
    assert chosen is not None and chosen.columns is not None
    counts = np.bincount(chosen.helped[chosen.columns].ravel(), minlength=M)
    even = 240 / (M - len(q4.helped))
    assert counts.max() <= np.ceil(2 * even)
    assert (counts[some] >= 2).all()


def test_blocks_and_arrays_are_the_same_and_ties_are_seeded(monkeypatch: Any) -> None:
    plan = plan_spread(N, M, 0.2, 1)
    values = np.round(disagreement(), 1)

    class Source:
        n_train, n_target = N, M

        def block(self, start: int, stop: int) -> FloatArray:
            return values[start:stop]

    whole = second_round_plan(plan, values, 100, seed=4)
    monkeypatch.setattr("nncift_core.influence.second_round.BLOCK_VALUES", 7 * M)
    by_blocks = second_round_plan(plan, Source(), 100, seed=4)
    assert pairs_of(whole) == pairs_of(by_blocks)
    assert pairs_of(whole) != pairs_of(second_round_plan(plan, values, 100, seed=5))


def test_too_few_pairs_or_targets_give_no_round() -> None:
    plan = plan_spread(N, M, 0.2, 1)
    assert second_round_plan(plan, disagreement(), 1, seed=0) is None
    everything = plan_block(20, 20, 1.0, 0)
    full = LabelPlan(
        (LabelBlock("q1", np.arange(20), np.arange(20)), *everything.blocks[1:])
    )  # fmt: skip
    assert second_round_plan(full, np.ones((20, 20), np.float32), 40, seed=0) is None
