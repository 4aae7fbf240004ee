"""How far the estimates of a run may be off, pair by pair and row by row.

Puts the stored intervals of a run, one for each quadrant and kind of row, where they belong: a row
or target is seen if a label with it was trained on. Knows nothing of how intervals are calibrated
or of pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.influence.label import Labels
from nncift_core.network.conformal import LEVEL
from nncift_core.pipeline.estimates import Estimates
from nncift_core.types import FloatArray, IndexArray, Pairs

_QUADRANTS = (("q4", "q3"), ("q2", "q1u"))
"""By whether the target is seen, then whether the row is."""


@dataclass(frozen=True)
class EvaluationPoints:
    """Labels that were never trained on, beside their predictions.

    Attributes:
        role: ``(n,)`` quadrants, ``q2`` to ``q4`` and ``q1u``.
        true: ``(n,)`` labels, original units.
        predicted: ``(n,)`` predictions of the same pairs or rows.
    """

    role: NDArray[np.str_]
    true: FloatArray
    predicted: FloatArray

    def __len__(self) -> int:
        return len(self.true)


class Uncertainty:
    """The intervals of a run by the place of a pair or row.

    Args:
        stored: What ``conformal.calibrate_run`` found; empty where nothing is known.
        labels: The run's labels, None for an exact run.
        size: Rows of the pool and of the target set; 1 for the latter of a pointwise run.
        pointwise: Whether rows were scored alone.
    """

    def __init__(
        self,
        stored: Mapping[str, Any],
        labels: Labels | None,
        size: tuple[int, int],
        *,
        pointwise: bool,
    ) -> None:
        self.level = float(stored.get("level", LEVEL))
        self._pairs = {role: _half_width(found) for role, found in _part(stored, "pairs").items()}
        self._rows = {kind: _half_width(found) for kind, found in _part(stored, "rows").items()}
        self._labels = labels
        self._pointwise = pointwise
        self._seen_rows, self._seen_columns = (np.zeros(count, dtype=bool) for count in size)
        if labels is not None:
            self._seen_rows[labels.training.helper] = True
            self._seen_columns[labels.training.helped] = True

    def quadrant(self, row: int, column: int) -> str:
        """``q1`` for a pair that was trained on, else what its row and target say."""
        if self._labels is not None and bool(_is_among(self._labels.training, row, column)):
            return "q1"
        return _QUADRANTS[int(self._seen_columns[column])][int(self._seen_rows[row])]

    def pair(self, row: int, column: int) -> float | None:
        """Half width of a prediction, original units; None if not known or trained on."""
        width = self._pairs.get(self.quadrant(row, column), np.nan)
        return float(width) if np.isfinite(width) else None

    def cells(self, rows: IndexArray, columns: IndexArray) -> FloatArray | None:
        """``(len(rows), len(columns))`` half widths; NaN where a label stands in or unknown.

        None where no interval is known at all.
        """
        if not any(np.isfinite(width) for width in self._pairs.values()):
            return None
        table = np.array(
            [[self._pairs.get(role, np.nan) for role in line] for line in _QUADRANTS], np.float32
        )
        seen_rows = self._seen_rows[rows].astype(np.int64)
        seen_columns = self._seen_columns[columns].astype(np.int64)
        widths: FloatArray = table[seen_columns[None, :], seen_rows[:, None]]
        if self._labels is not None:
            labelled = self._labels.everything
            row_place = np.full(len(self._seen_rows), -1, dtype=np.int64)
            row_place[rows] = np.arange(len(rows))
            column_place = np.full(len(self._seen_columns), -1, dtype=np.int64)
            column_place[columns] = np.arange(len(columns))
            i, j = row_place[labelled.helper], column_place[labelled.helped]
            inside = (i >= 0) & (j >= 0)
            widths[i[inside], j[inside]] = np.nan
        return widths

    def rows(self) -> FloatArray:
        """``(n_train,)`` half widths of the row scores; 0 where a label is the score.

        NaN everywhere in a run without intervals.
        """
        unseen, seen = (self._rows.get(kind, np.nan) for kind in ("unseen", "seen"))
        widths = np.where(self._seen_rows, seen, unseen).astype(np.float32)
        if self._pointwise and self._labels is not None and self._rows:
            widths[self._labels.everything.helper] = 0
        return widths


def evaluation_points(estimates: Estimates, most: int) -> EvaluationPoints:
    """Labels that were never trained on beside their predictions.

    Args:
        estimates: Of a run.
        most: At most so many; of more, an even draw that is always the same. An exact run has none.
    """
    by_role = {} if estimates.labels is None else estimates.labels.by_role
    roles, true, predicted = [np.empty(0, "<U3")], [np.empty(0, "<f4")], [np.empty(0, "<f4")]
    measured = {role: pairs for role, pairs in by_role.items() if role != "q1" and len(pairs)}
    for role, pairs in measured.items():
        roles.append(np.full(len(pairs), role))
        true.append(pairs.value)
        predicted.append(estimates.pairs(pairs.helper, pairs.helped))
    found = EvaluationPoints(np.concatenate(roles), np.concatenate(true), np.concatenate(predicted))
    if len(found) <= most:
        return found
    keep = np.sort(np.random.default_rng(0).permutation(len(found))[:most])
    return EvaluationPoints(found.role[keep], found.true[keep], found.predicted[keep])


def _is_among(pairs: Pairs, row: int, column: int) -> np.bool_:
    return np.any((pairs.helper == row) & (pairs.helped == column))


def _part(stored: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = stored.get(name) or {}
    return found


def _half_width(found: Mapping[str, Any] | None) -> float:
    width = (found or {}).get("half_width")
    return float("nan") if width is None else float(width)
