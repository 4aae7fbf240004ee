"""What rules and quotas can ask of a row: its fields, as one array a field.

Fields that cost something (clusters, tokens) are computed when they are first read. Knows rows
and no run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nncift_core.datasets.lazy_rows import groups_of, ids_of, lengths_of, subtasks_of
from nncift_core.types import IndexArray, Row

NAMES = ("subtask", "group", "cluster")
"""Fields that put rows into named groups."""
TEXTS = ("prompt", "response", "id")
NUMBERS = ("tokens", "characters", "score")
FIELDS = (
    "prompt",
    "response",
    "subtask",
    "group",
    "id",
    "cluster",
    "tokens",
    "characters",
    "score",
)
"""All fields, as people are told of them."""


class RowFacts:
    """The fields of the rows of a pool, in input order.

    Args:
        rows: ``n_train`` rows.
        score: ``(n_train,)`` the score of each row, in the method's own units; None where it is
            not known yet.
        cluster: Gives ``(n_train,)`` cluster numbers; None where there are none.
        tokens: Gives ``(n_train,)`` tokens of prompt and response; None where nothing counts.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        score: NDArray[np.floating] | None = None,
        cluster: Callable[[], IndexArray] | None = None,
        tokens: Callable[[], IndexArray] | None = None,
    ) -> None:
        self.rows = rows
        self.score = score
        self._cluster = cluster
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, field: str) -> bool:
        """Whether the rows have a field at all; for a mapped one, whether any row has a value."""
        if field in ("subtask", "group"):
            return any(name is not None for name in self.names(field))
        if field == "cluster":
            return self._cluster is not None
        if field == "tokens":
            return self._tokens is not None
        return field != "score" or self.score is not None

    @functools.cached_property
    def subtask(self) -> tuple[str | None, ...]:
        """Subtask of each row, None where it has none."""
        return tuple(subtasks_of(self.rows))

    @functools.cached_property
    def group(self) -> tuple[str | None, ...]:
        """Group of each row, None where it has none."""
        return tuple(groups_of(self.rows))

    @functools.cached_property
    def cluster(self) -> IndexArray | None:
        """``(n_train,)`` number of each row's cluster of alike rows; None where there are none."""
        return None if self._cluster is None else self._cluster()

    @functools.cached_property
    def tokens(self) -> IndexArray | None:
        """``(n_train,)`` tokens of each row's prompt and response; None where nothing counts."""
        return None if self._tokens is None else self._tokens()

    @functools.cached_property
    def characters(self) -> IndexArray:
        """``(n_train,)`` characters of each row's prompt and response."""
        prompt, response = lengths_of(self.rows)
        return prompt + response

    @functools.cached_property
    def place(self) -> dict[str, int]:
        """Position of each row by its id."""
        return {name: position for position, name in enumerate(ids_of(self.rows))}

    def names(self, field: str) -> Sequence[str | None]:
        """The value of each row in a field of ``NAMES``, as text."""
        if field == "cluster":
            return [] if self.cluster is None else [str(number) for number in self.cluster.tolist()]
        return self.subtask if field == "subtask" else self.group

    def texts(self, field: str) -> Sequence[str]:
        """The value of each row in a field of ``TEXTS``."""
        return [str(getattr(row, field)) for row in self.rows]

    def numbers(self, field: str) -> NDArray[np.float64]:
        """``(n_train,)`` the value of each row in a field of ``NUMBERS``, NaN where unknown."""
        values = getattr(self, field)
        if values is None:
            return np.full(len(self.rows), np.nan)
        return np.asarray(values, dtype=np.float64)
