"""Why each row was picked, in plain words for the manifest and the app.

Knows the result of a selection and the ids of its columns, no matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from nncift_core.selection.matrices import SelectionResult

FREE = 2
"""Phase of the rows that neither a pin nor a quota put in."""

_COLUMNS_ARE_POOL = frozenset({"fl-pool", "flmi", "flcg"})


class Reasons(Sequence[str]):
    """One sentence a pick, in the order of the picks, each made when it is read.

    Args:
        result: From ``maximise``.
        row_ids: Ids of the pool rows.
        target_ids: Ids of the target rows, where the objective reads X.
        subtasks: Subtasks given to ``maximise``, so that round robin can name the turn.
    """

    def __init__(
        self,
        result: SelectionResult,
        row_ids: Sequence[str],
        target_ids: Sequence[str] | None = None,
        subtasks: Sequence[str | None] | None = None,
    ) -> None:
        self._result = result
        turns = list(dict.fromkeys(subtasks or ()))
        self._named = turns if any(name is not None for name in turns) else []
        pool_columns = result.objective in _COLUMNS_ARE_POOL
        self._column_ids = row_ids if pool_columns else target_ids
        self._noun = "pool row" if pool_columns else "target"
        # Turns begin after the rows that pins and quotas put in.
        self._first = int((result.phase < FREE).sum())

    def __len__(self) -> int:
        return len(self._result)

    @overload
    def __getitem__(self, pick: int) -> str: ...

    @overload
    def __getitem__(self, pick: slice) -> list[str]: ...

    def __getitem__(self, pick: int | slice) -> str | list[str]:
        if isinstance(pick, slice):
            return [self[place] for place in range(*pick.indices(len(self)))]
        if not 0 <= pick < len(self):
            raise IndexError(pick)
        turn = self._named[(pick - self._first) % len(self._named)] if self._named else None
        return _reason(self._result, pick, self._column_ids, self._noun, turn)


def reasons(
    result: SelectionResult,
    *,
    row_ids: Sequence[str],
    target_ids: Sequence[str] | None = None,
    subtasks: Sequence[str | None] | None = None,
) -> list[str]:
    """All of ``Reasons``, which has the same arguments."""
    return list(Reasons(result, row_ids, target_ids, subtasks))


def _reason(
    result: SelectionResult,
    pick: int,
    column_ids: Sequence[str] | None,
    noun: str,
    turn: str | None,
) -> str:
    gain, newly_best = float(result.gain[pick]), int(result.newly_best[pick])
    most = int(result.gains_most[pick])
    at = column_ids[most] if column_ids is not None and most >= 0 else ""
    if result.objective == "topk":
        return f"row score {gain:.4g}"
    if result.objective == "round-robin" and result.phase[pick] < FREE:
        return f"best influence on one of the turns: {gain:.4g}"
    if result.objective == "round-robin":
        whose = f"target {at}" if at else f"subtask {turn or 'without a name'}"
        return f"best remaining row for {whose}: {gain:.4g}"
    if gain <= 0.0:
        # Pins and what quotas demand are in without being next.
        turn_of = "" if result.phase[pick] < FREE else "; next by row mean"
        return f"adds no coverage to any {noun}{turn_of}"
    most_words = f"; most: {at}" if at else ""
    if result.objective == "coverage":
        return f"adds to {_count(newly_best, noun)}{most_words}"
    if newly_best == 0:
        own = "quality" if result.objective == "mix" else "best influence"
        return f"covers nothing better than earlier picks; kept for its own {own}"
    return f"covers {_count(newly_best, noun)} best{most_words}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
