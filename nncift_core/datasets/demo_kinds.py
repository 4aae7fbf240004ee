"""What is planted in the demo's rows, and how many rows of each kind a choice of them holds.

Reads the side file that lies beside the demo; knows nothing of selections. What each column of
the file means stands in ``data/README.md``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nncift_core.datasets.demo import demo_paths
from nncift_core.errors import DataError


@dataclass(frozen=True, slots=True)
class Truth:
    """What is planted in one row.

    Attributes:
        id: The row's id.
        split: ``pool`` or ``target``.
        line: Its line in the file of its split, from 0.
        family: Its task family.
        context: The invented house it belongs to, in that family.
        in_target_family: Whether the target holds rows of its family.
        in_target_context: Whether the target holds rows of its house.
        fault: None for a right answer; ``wrong_value``, ``other_answer``, ``wrong_format`` or
            ``truncated``.
        near_duplicate_of: The pool's line that it repeats in other words, or None.
    """

    id: str
    split: str
    line: int
    family: str
    context: str
    in_target_family: bool
    in_target_context: bool
    fault: str | None
    near_duplicate_of: int | None

    @property
    def original(self) -> int:
        """The line of the row that all copies of it share: its own where it is no copy."""
        return self.line if self.near_duplicate_of is None else self.near_duplicate_of


@dataclass(frozen=True)
class Kind:
    """A kind of rows.

    Attributes:
        title: What people call it.
        test: Whether a row is of it. A row may be of several kinds.
        wanted: True where more of it is better, False where less is, None where neither.
    """

    title: str
    test: Callable[[Truth], bool]
    wanted: bool | None


def _wrong(fault: str) -> Callable[[Truth], bool]:
    return lambda row: row.fault == fault


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "useful": Kind(
            "useful: right answer, house of the target, no near duplicate",
            lambda row: (
                row.in_target_context and row.fault is None and row.near_duplicate_of is None
            ),
            True,
        ),
        "target_context": Kind("house of the target", lambda row: row.in_target_context, True),
        "off_style": Kind(
            "off style: family of the target, another house",
            lambda row: row.in_target_family and not row.in_target_context,
            False,
        ),
        "off_target": Kind(
            "off target: family that the target lacks", lambda row: not row.in_target_family, False
        ),
        "wrong": Kind("wrong answer", lambda row: row.fault not in (None, "truncated"), False),
        "wrong_value": Kind("wrong answer: another value", _wrong("wrong_value"), False),
        "other_answer": Kind("wrong answer: of another row", _wrong("other_answer"), False),
        "wrong_format": Kind("wrong answer: form of another house", _wrong("wrong_format"), False),
        "truncated": Kind("truncated answer", _wrong("truncated"), False),
        "near_duplicate": Kind(
            "near duplicate of another row", lambda row: row.near_duplicate_of is not None, None
        ),
    }
)
"""What rows are counted by, in the order they are shown."""


def count_kinds(
    rows: Iterable[Truth], target_groups: Iterable[str] | None = None
) -> dict[str, Any]:
    """How many rows of each kind a choice of pool rows holds.

    Args:
        rows: The chosen rows, each once.
        target_groups: Contexts of the target rows, from ``target_groups``; None where they are
            not asked for.

    Returns:
        ``rows``: how many there are. ``counts`` and ``shares``: by name in ``KINDS``; shares are
        None without rows. ``useful_once``: right rows of a house of the target, where rows that
        repeat each other count once: unlike ``useful`` it does not mind a copy in the place of
        its original. ``repeated_groups``: groups of near duplicates that hold more than one
        chosen row. ``target_groups``: houses of the target with a right row among the chosen;
        ``of_target_groups``: how many there are (None where not given).
    """
    chosen = list(rows)
    counts = {name: sum(map(kind.test, chosen)) for name, kind in KINDS.items()}
    right = [row for row in chosen if row.in_target_context and row.fault is None]
    groups = Counter(row.original for row in chosen)
    wanted = None if target_groups is None else set(target_groups)
    reached = {row.context for row in right}
    return {
        "rows": len(chosen),
        "counts": counts,
        "shares": {name: value / len(chosen) if chosen else None for name, value in counts.items()},
        "useful_once": len({row.original for row in right}),
        "repeated_groups": sum(size > 1 for size in groups.values()),
        "target_groups": len(reached if wanted is None else reached & wanted),
        "of_target_groups": None if wanted is None else len(wanted),
    }


def target_groups(truth: Mapping[str, Truth]) -> frozenset[str]:
    """The contexts (house in a family) that the target holds."""
    return frozenset(row.context for row in truth.values() if row.split == "target")


def read_truth(path: Path | None = None) -> dict[str, Truth]:
    """What is planted in each row of the demo's pool and target, by row id.

    Args:
        path: The file; the one beside the demo's if None.

    Raises:
        DataError: It is not there, or holds something else.
    """
    path = demo_paths().truth if path is None else path
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"What is planted in the demo cannot be read from {path}.",
            "Run `make demo` in the repository.",
        ) from error
    truth = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = Truth(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"Line {number} of {path} does not say what is planted in a row.",
                "Run `make demo` in the repository.",
            ) from error
        truth[row.id] = row
    return truth
