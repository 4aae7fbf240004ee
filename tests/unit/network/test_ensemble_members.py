"""Members of an ensemble: tenths of their own, and where they disagree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.network import learned
from nncift_core.network.disagreement import Disagreement
from nncift_core.network.ensemble import EnsembleNetwork
from nncift_core.network.estimators import Task
from nncift_core.network.learned import Ensemble, Learned
from nncift_core.network.predict import Predictor
from nncift_core.network.scale import LabelScale
from nncift_core.network.training import TrainingSettings
from nncift_core.types import Pairs

N, M, D = 30, 24, 6


@pytest.fixture
def task(unit_vectors: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Task:
    short = TrainingSettings(epochs=2, learning_rate=1e-3, weight_decay=0.1, anneal=True)
    monkeypatch.setattr(Learned, "settings", short)
    helpers, helped = unit_vectors(N, D, 1), unit_vectors(M, D, 2)
    places = np.random.default_rng(3).permutation(N * M)[:300]
    i, j = np.unravel_index(places, (N, M))
    values = np.sum(helpers[i] * helped[j], axis=1)
    return Task(helpers, helped, D, Pairs(i, j, values), 7)


def test_tenths_do_not_overlap_and_are_not_learned_from(task: Task) -> None:
    kept_rows: list[set[int]] = []
    kept_columns: list[set[int]] = []
    for number in range(4):
        known, checks = learned._members_share(task, number, 4)
        assert {check.kind for check in checks} <= {"q2", "q3", "q4"}
        assert len(known) + sum(len(check.pairs) for check in checks) == 300
        rows = set(range(N)) - set(known.helper.tolist())
        columns = set(range(M)) - set(known.helped.tolist())
        for check in checks:
            if check.kind in ("q2", "q4"):
                assert set(check.pairs.helper.tolist()) <= rows
            if check.kind in ("q3", "q4"):
                assert set(check.pairs.helped.tolist()) <= columns
        assert (len(rows), len(columns)) == (3, 3 if number < 4 else 2)
        kept_rows.append(rows)
        kept_columns.append(columns)
    assert len(set.union(*kept_rows)) == sum(map(len, kept_rows))
    assert len(set.union(*kept_columns)) == sum(map(len, kept_columns))


def test_few_rows_keep_nothing_out(task: Task) -> None:
    few = Task(task.helpers, task.helped, D, Pairs(*(part[:1] for part in (
        task.pairs.helper, task.pairs.helped, task.pairs.value))), 7)  # fmt: skip
    known, checks = learned._members_share(few, 0, 4)
    assert len(known) == 1 and checks == ()


def test_it_tells_before_the_first_member_and_after_each(task: Task) -> None:
    told: list[tuple[int, float]] = []

    def tell(epoch: int, predict: Any) -> None:
        told.append((epoch, float(predict(task.pairs)[0])))

    Ensemble.fit(Task(task.helpers, task.helped, D, task.pairs, 7, tell=tell))
    assert [epoch for epoch, _ in told] == [0, 1, 2, 3, 4]
    assert len({value for _, value in told}) == 5


def test_disagreement_is_the_deviation_of_the_members(task: Task) -> None:
    model = Ensemble.fit(task)
    assert isinstance(model, Ensemble) and isinstance(model.network, EnsembleNetwork)
    assert model.whitening is not None
    left, right = (
        torch.from_numpy(model.whitening.apply(side) * np.float32(2)).double()
        for side in (task.helpers, task.helped)
    )
    each = np.empty((4, N, M))
    whole = Predictor(model.project(task.helpers, task.helped, known=True), compile="never")
    doubt = Disagreement(model, task.helpers, task.helped)
    found, mean = doubt.block(0, N), whole.block(0, N)
    assert (doubt.n_train, doubt.n_target, found.dtype) == (N, M, np.float32)
    with torch.no_grad():
        for number, member in enumerate(model.network.double().each()):
            for i in range(N):
                each[number, i] = member(left[i : i + 1].expand(M, -1), right).numpy()
    np.testing.assert_allclose(found, each.std(axis=0), atol=1e-5)
    np.testing.assert_allclose(mean, each.mean(axis=0), atol=1e-5)
    assert found.max() > 1e-3
    np.testing.assert_allclose(doubt.block(4, 9), found[4:9], atol=1e-6)


def test_disagreement_of_labels_in_their_own_units(task: Task) -> None:
    """Fitted to the scaled labels: other units, the same disagreement."""
    inputs = task.helpers, task.helped, D, 7
    plain = Disagreement.of(task.pairs, *inputs).block(0, N)
    # A power of two, so that scaling is exact.
    larger = Pairs(task.pairs.helper, task.pairs.helped, task.pairs.value * 4)
    np.testing.assert_allclose(Disagreement.of(larger, *inputs).block(0, N), plain, atol=1e-6)
    model = Ensemble.fit(Task(*inputs[:3], LabelScale.of(task.pairs).scaled(task.pairs), 7))
    assert isinstance(model, Ensemble)
    np.testing.assert_allclose(Disagreement(model, *inputs[:2]).block(0, N), plain, atol=1e-6)
