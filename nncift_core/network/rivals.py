"""What needs no training and must be beaten: closed forms fitted to the same labels.

Cosine and means of rows and columns; ridge regression on products; nearest neighbours and landmark
propagation, both weighted means of labels. Each is predicted by the same blockwise path as a
network. Settings are chosen by the labels kept out. Knows no units and no files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nncift_core.network.estimators import Array, Estimator, Task
from nncift_core.network.predict import Projected
from nncift_core.network.whitening import Whitening
from nncift_core.types import FloatArray

RIDGE_COMPONENTS = 32
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
NEIGHBOURS = (3, 5, 10, 20)
SHARPNESS = (2.0, 5.0, 10.0, 20.0, 40.0)
PRIOR = 0.3
"""Weight of the mean label beside the labels nearby."""
LANDMARKS = 512
LEAST_SPREAD = 1e-12
"""Variance of the labelled pairs' cosines."""
ROWS = 1024
"""Rows compared with all labelled ones at a time."""
NO_UNITS: FloatArray = np.empty(0, dtype=np.float32)


def _projected(left: Array, right: Array, bias: float) -> Projected:
    return Projected(left.astype(np.float32), right.astype(np.float32), NO_UNITS, bias)


class _Stored(Estimator):
    """An estimator whose fitted state is a mapping of arrays."""

    def __init__(self, **state: Any) -> None:
        self.state: dict[str, NDArray[Any]] = {
            name: np.asarray(value) for name, value in state.items()
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything fitted."""
        return self.state

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> _Stored:
        """The same state."""
        del about
        return cls(**arrays)


class Cosine(_Stored):
    """A line through the cosine; the mean label of a pointwise function. A pair costs d."""

    uses_states = False

    @classmethod
    def fit(cls, task: Task) -> Cosine:
        """Least squares."""
        values = task.pairs.value.astype(np.float64)
        if task.pointwise:
            return cls(slope=0.0, intercept=values.mean(), text=task.text)
        left = task.helpers[task.pairs.helper, : task.text].astype(np.float64)
        cosine = np.einsum("nd,nd->n", left, task.helped[task.pairs.helped, : task.text])
        spread = cosine.var()
        # Below that cosines differ by rounding only, and the line would be steep and wild.
        varies = spread > LEAST_SPREAD
        slope = np.mean((cosine - cosine.mean()) * values) / spread if varies else 0.0
        return cls(slope=slope, intercept=values.mean() - slope * cosine.mean(), text=task.text)

    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool) -> Projected:
        """Embeddings, one side times the slope."""
        del known
        text = min(int(self.state["text"]), helped.shape[1])
        left = float(self.state["slope"]) * helpers[:, :text].astype(np.float64)
        return _projected(left, helped[:, :text].astype(np.float64), float(self.state["intercept"]))

    @property
    def parameters(self) -> int:
        """Slope and intercept."""
        return 2


class Additive(_Stored):
    """Row mean plus column mean, as far as either is known. A pair costs 2."""

    uses_states = False
    remembers_rows = True

    @classmethod
    def fit(cls, task: Task) -> Additive:
        """Means, the column's of what the row leaves; both pulled to the mean of all."""
        values = task.pairs.value.astype(np.float64)
        grand = values.mean()
        columns = _effects(task.pairs.helped, values - grand, len(task.helped))
        if task.pointwise:
            columns[:] = 0
        rest = values - grand - columns[task.pairs.helped]
        return cls(
            rows=_effects(task.pairs.helper, rest, len(task.helpers)), columns=columns, grand=grand
        )

    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool) -> Projected:
        """Effects of known rows, 0 for others."""
        left, right = np.zeros((len(helpers), 2)), np.zeros((len(helped), 2))
        left[:, 1] = right[:, 0] = 1
        if known:
            for side, name, column in ((left, "rows", 0), (right, "columns", 1)):
                count = min(len(side), len(self.state[name]))
                side[:count, column] = self.state[name][:count]
        return _projected(left, right, float(self.state["grand"]))

    @property
    def parameters(self) -> int:
        """One a known row and column."""
        return int(sum(np.count_nonzero(self.state[name]) for name in ("rows", "columns"))) + 1


def _effects(position: NDArray[np.int64], values: Array, size: int) -> Array:
    count = np.bincount(position, minlength=size)
    total = np.bincount(position, weights=values, minlength=size)
    # One label more of value 0: a mean of few labels is pulled to the mean of all.
    effects: Array = total / (count + 1.0)
    return effects


class Ridge(_Stored):
    """Ridge regression on leading components of both sides and their products.

    A pair costs 33 multiply-adds.
    """

    @classmethod
    def fit(cls, task: Task) -> Ridge:
        """Normal equations; the penalty by the checks."""
        whitening = Whitening.of(task.sides, RIDGE_COMPONENTS)
        left, right = _whitened(task, whitening)
        values = task.pairs.value.astype(np.float64)
        mean = values.mean()
        width = (left.shape[1] + 1) * (right.shape[1] + 1)
        gram, moment = np.zeros((width, width)), np.zeros(width)
        for start in range(0, len(values), 8192):
            part = slice(start, start + 8192)
            features = _products(left[task.pairs.helper[part]], right[task.pairs.helped[part]])
            gram += features.T @ features
            moment += features.T @ (values[part] - mean)
        core = (left.shape[1] + 1, right.shape[1] + 1)

        def solved(penalty: float) -> Ridge:
            weight = np.linalg.solve(gram + penalty * np.eye(width), moment).reshape(core)
            return cls(
                weight=weight,
                mean=mean,
                centre=whitening.mean,
                directions=whitening.weight,
                penalty=penalty,
            )

        best: Ridge = _best(task, PENALTIES, solved)
        return best

    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool) -> Projected:
        """Components times weights on one side, components on the other."""
        del known
        whitening = Whitening(self.state["centre"], self.state["directions"])
        left = _with_one(whitening.apply(helpers)) @ self.state["weight"]
        right = np.ones((len(helped), 1))
        if helped.shape[1]:
            right = _with_one(whitening.apply(helped))
        return _projected(left, right, float(self.state["mean"]))

    @property
    def parameters(self) -> int:
        """Weights of components and products."""
        return int(self.state["weight"].size) + 1


def _products(left: FloatArray, right: FloatArray) -> Array:
    product: Array = (_with_one(left)[:, :, None] * _with_one(right)[:, None, :]).reshape(
        len(left), -1
    )
    return product


def _with_one(rows: NDArray[Any]) -> Array:
    return np.concatenate([np.ones((len(rows), 1)), rows.astype(np.float64)], axis=1)


def _whitened(task: Task, whitening: Whitening) -> tuple[FloatArray, FloatArray]:
    right = (
        np.empty((len(task.helped), 0), np.float32)
        if task.pointwise
        else whitening.apply(task.helped)
    )
    return whitening.apply(task.helpers), right


def _best(task: Task, settings: Sequence[float], make: Callable[[float], Any]) -> Any:
    """Made with the setting of lowest error on the checks; without checks with the one given."""
    number = len(settings) // 2 if task.setting is None else int(task.setting)
    if task.checks:
        errors = []
        for setting in settings:
            model = make(setting)
            errors.append(task.error(partial(model.predict, task.helpers, task.helped)))
        number = int(np.argmin(errors))
    best = make(settings[number])
    best.setting = number
    return best


class _WeightedMeans(_Stored):
    """Mean of labels, weighted by how near their rows and columns are; the mean of all far away."""

    @classmethod
    def fit(cls, task: Task) -> _WeightedMeans:
        """The setting by the checks."""
        whitening = Whitening.of(task.sides)
        left, right = _whitened(task, whitening)
        rows, i = np.unique(task.pairs.helper, return_inverse=True)
        columns, j = np.unique(task.pairs.helped, return_inverse=True)
        # More columns than landmarks would make every pair as dear: the nearest stand for them.
        anchors = columns[:: -(-len(columns) // LANDMARKS)]
        near = np.argmax(right[columns] @ right[anchors].T, axis=1) if right.shape[1] else j * 0
        j = near[j] if len(anchors) < len(columns) else j
        values = task.pairs.value.astype(np.float64)
        mean = values.mean()
        shape = (len(rows), len(anchors))
        sums, counts = (
            sparse.csr_matrix((of, (i, j)), shape=shape).toarray().astype(np.float32)
            for of in (values - mean, np.ones(len(i)))
        )

        def made(setting: float) -> _WeightedMeans:
            return cls(
                rows=left[rows],
                columns=right[anchors],
                sums=sums,
                counts=counts,
                mean=mean,
                centre=whitening.mean,
                directions=whitening.weight,
                setting=setting,
            )

        best: _WeightedMeans = _best(task, cls._settings(), made)
        return best

    @classmethod
    def _settings(cls) -> tuple[float, ...]:
        raise NotImplementedError

    def _near(self, rows: FloatArray, others: FloatArray) -> FloatArray:
        raise NotImplementedError

    def _collect(self, weights: FloatArray, table: FloatArray) -> FloatArray:
        found: FloatArray = weights @ table
        return found

    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool) -> Projected:
        """What a row collects of its neighbours' labels, and how much weight that has."""
        del known
        whitening = Whitening(self.state["centre"], self.state["directions"])
        anchors = len(self.state["columns"])
        # Behind the anchors a place for the prior: no label, and some weight.
        left = np.zeros((len(helpers), anchors + 1), dtype=np.float32)
        mass = np.full((len(helpers), anchors + 1), PRIOR, dtype=np.float32)
        for start in range(0, len(helpers), ROWS):
            part = slice(start, start + ROWS)
            weights = self._near(whitening.apply(helpers[part]), self.state["rows"])
            left[part, :-1] = self._collect(weights, self.state["sums"])
            mass[part, :-1] = self._collect(weights, self.state["counts"])
        right = np.ones((len(helped), anchors + 1), dtype=np.float32)
        if helped.shape[1]:
            right[:, :-1] = self._near(whitening.apply(helped), self.state["columns"])
        return Projected(left, right, NO_UNITS, float(self.state["mean"]), mass=mass)

    @property
    def parameters(self) -> int:
        """One a label."""
        return int(self.state["counts"].sum()) + 1


class Neighbours(_WeightedMeans):
    """Mean label of the nearest labelled rows and columns.

    A pair costs two multiply-adds a labelled column, of which at most 512 are kept apart.
    """

    @classmethod
    def _settings(cls) -> tuple[float, ...]:
        return tuple(float(count) for count in NEIGHBOURS)

    def _near(self, rows: FloatArray, others: FloatArray) -> FloatArray:
        """1 for the nearest, 0 for the rest."""
        count = min(int(self.state["setting"]), len(others))
        alike = rows @ others.T
        nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        near = np.zeros(alike.shape, dtype=np.float32)
        np.put_along_axis(near, nearest, 1.0, axis=1)
        return near

    def _collect(self, weights: FloatArray, table: FloatArray) -> FloatArray:
        """The same; nearly all weights are 0."""
        found: FloatArray = sparse.csr_matrix(weights) @ table
        return found


class Landmark(_WeightedMeans):
    """Kernel regression from the labelled rows and columns (Nadaraya and Watson).

    A pair costs two multiply-adds a labelled column, of which at most 512 are kept apart.
    """

    @classmethod
    def _settings(cls) -> tuple[float, ...]:
        return SHARPNESS

    def _near(self, rows: FloatArray, others: FloatArray) -> FloatArray:
        near: FloatArray = np.exp(np.float32(self.state["setting"]) * (rows @ others.T - 1))
        return near
