"""Why each row of a choice is in, in words, made only for the rows that somebody reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from nncift_core.pipeline.roles import Roles
from nncift_core.selection import SelectionResult
from nncift_core.selection.reasons import Reasons

PHASES: Mapping[int, str] = {0: "pinned; ", 1: "a quota asks for it; "}
"""How the reason of a row begins that a demand put in."""


class PickWords(Sequence[str]):
    """Why each row was chosen, in the order of the picks; pins and quotas are said first.

    Args:
        result: The choice.
        roles: The run's rows.
        row_ids: Ids of the pool rows, where somebody has them at hand.
    """

    def __init__(
        self, result: SelectionResult, roles: Roles, row_ids: Sequence[str] | None = None
    ) -> None:
        self._phase = result.phase
        self._reasons = Reasons(
            result,
            [row.id for row in roles.pool] if row_ids is None else row_ids,
            [row.id for row in roles.target],
            [row.subtask for row in roles.target],
        )

    def __len__(self) -> int:
        return len(self._reasons)

    @overload
    def __getitem__(self, pick: int) -> str: ...

    @overload
    def __getitem__(self, pick: slice) -> list[str]: ...

    def __getitem__(self, pick: int | slice) -> str | list[str]:
        if isinstance(pick, slice):
            return [self[place] for place in range(*pick.indices(len(self)))]
        return f"{PHASES.get(int(self._phase[pick]), '')}{self._reasons[pick]}"
