"""Chosen rows and rows left out, a page at a time, of a live selection or of a stored one.

Touches the texts and words of no more than a page of rows. Knows an order and why rows are out;
nothing of how rows are chosen, and nothing of the app.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncift_core.datasets.lazy_rows import rows_at
from nncift_core.selection.left_out import KINDS
from nncift_core.types import IndexArray, Row

if TYPE_CHECKING:
    from nncift_core.pipeline.curation import Desk
    from nncift_core.pipeline.explanation import Explanation

ALL = "all"
"""Instead of a kind of ``left_out.KINDS``: rows of every kind."""

Mask = NDArray[np.bool_]
"""``(n_train,)`` which rows of the pool a filter keeps."""


@dataclass(frozen=True)
class ChosenLine:
    """One chosen row as a table shows it: rank from 1, position in the pool, why it is in."""

    rank: int
    position: int
    input_row: int
    gain: float | None
    round: int
    why: str
    row: Row


@dataclass(frozen=True)
class LeftOutLine:
    """One row that was left out: position in the pool, place in the input from 1, and why."""

    position: int
    input_row: int
    why: str
    row: Row


class RowPages(ABC):
    """A selection as tables show it.

    Attributes:
        desk: Where the run's rows and influence lie.
        n_rows: How many rows are chosen.
    """

    desk: Desk
    n_rows: int

    @property
    @abstractmethod
    def order(self) -> IndexArray:
        """Positions in the pool, the chosen ones first; what comes after them would be next."""

    @property
    @abstractmethod
    def why(self) -> Sequence[str]:
        """Why each row of the order is in."""

    @property
    @abstractmethod
    def has_rounds(self) -> bool:
        """Whether picks share coverage; otherwise every row has a score of its own."""

    @property
    @abstractmethod
    def explanation(self) -> Explanation:
        """Why rows are in or out, and how well targets are covered."""

    @abstractmethod
    def gain_of(self, rank: int) -> float | None:
        """What a pick added, ranks from 0."""

    @abstractmethod
    def round_of(self, rank: int) -> int:
        """The round of a pick, ranks from 0."""

    @functools.cached_property
    def left_out_counts(self) -> Mapping[str, int]:
        """How many rows were left out by kind of ``left_out.KINDS``."""
        return self.explanation.left_out.counts()

    def chosen_page(
        self, *, mask: Mask | None = None, offset: int = 0, limit: int = 50
    ) -> tuple[list[ChosenLine], int]:
        """One page of the chosen rows in their order, and how many match.

        Args:
            mask: Rows that a filter keeps; None for all.
            offset: Lines to skip.
            limit: Most lines.
        """
        order = self.order[: self.n_rows]
        ranks = np.arange(len(order)) if mask is None else np.flatnonzero(mask[order])
        shown = ranks[offset : offset + limit].tolist()
        # Read at once: one by one, each row is a session of the catalog.
        rows = rows_at(self.desk.roles.pool, order[shown].tolist())
        lines = []
        for rank, row in zip(shown, rows, strict=True):
            position = int(order[rank])
            lines.append(
                ChosenLine(
                    rank + 1,
                    position,
                    self.desk.input_row(position),
                    self.gain_of(rank),
                    self.round_of(rank),
                    self.why[rank],
                    row,
                )
            )
        return lines, len(ranks)

    def left_out_page(
        self, *, kind: str = ALL, mask: Mask | None = None, offset: int = 0, limit: int = 50
    ) -> tuple[list[LeftOutLine], int]:
        """One page of the rows left out, and how many match.

        Rows that a larger budget would take come first, in the order it would take them as far as
        that is known; then all others, in input order.

        Args:
            kind: A kind of ``left_out.KINDS``, or ``all``.
            mask: Rows that a filter keeps; None for all.
            offset: Lines to skip.
            limit: Most lines.
        """
        never = np.ones(len(self.desk.roles.pool), dtype=bool)
        never[self.order] = False
        positions = np.concatenate([self.order[self.n_rows :], np.flatnonzero(never)])
        if kind in KINDS:
            of_kind = np.zeros(len(never), dtype=bool)
            of_kind[self.explanation.left_out.positions(kind)] = True
            positions = positions[of_kind[positions]]
        if mask is not None:
            positions = positions[mask[positions]]
        shown = positions[offset : offset + limit]
        words = self.explanation.left_out.reasons(shown)
        rows = rows_at(self.desk.roles.pool, shown.tolist())
        lines = [
            LeftOutLine(place, self.desk.input_row(place), why, row)
            for place, why, row in zip(shown.tolist(), words, rows, strict=True)
        ]
        return lines, len(positions)
