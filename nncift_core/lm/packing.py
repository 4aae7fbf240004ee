"""Which prompts go through a language model together: prefixes by waves, targets by passes.

Plain arithmetic on lengths; knows no model and imports none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Target(NamedTuple):
    """What follows a prefix.

    Attributes:
        query: Tokens after the prefix, up to where the answer starts; at least one.
        response: Tokens of the answer with its closing token; at least one.
    """

    query: tuple[int, ...]
    response: tuple[int, ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        """What the model reads: nothing is asked about what follows the last token."""
        return self.query + self.response[:-1]


Group = tuple[Sequence[int], Sequence[Target]]
"""The tokens of a prefix, at least one, and the targets that follow it."""


class Place(NamedTuple):
    """The position of a target: its group, and its number in there."""

    group: int
    target: int


@dataclass(frozen=True)
class Wave:
    """Prefixes that are encoded together and kept until their targets are done.

    Attributes:
        rooms: By group, the tokens of the longest target that follows.
        passes: Targets that go through the model together.
    """

    rooms: Mapping[int, int]
    passes: Sequence[Sequence[Place]]


def plan_waves(
    prefixes: Sequence[int], targets: Mapping[Place, int], tokens: int
) -> Iterator[Wave]:
    """Pack targets so that no pass and no store of prefixes has more than ``tokens`` tokens.

    Only a prefix or a target that is longer than that goes alone.

    Args:
        prefixes: ``(n_groups,)`` tokens of each prefix.
        targets: Tokens of each target that is to be done; groups in order.
        tokens: Most tokens at once.
    """
    groups: dict[int, list[Place]] = {}
    for place in targets:
        groups.setdefault(place.group, []).append(place)
    rooms: dict[int, int] = {}
    stored = 0
    for group, places in groups.items():
        # Neighbours of equal length share a mask.
        places.sort(key=lambda place: targets[place])
        room = targets[places[-1]]
        if rooms and stored + prefixes[group] + room > tokens:
            yield _wave(rooms, groups, targets, tokens)
            rooms, stored = {}, 0
        rooms[group] = room
        stored += prefixes[group] + room
    if rooms:
        yield _wave(rooms, groups, targets, tokens)


def _wave(
    rooms: dict[int, int],
    groups: Mapping[int, Sequence[Place]],
    targets: Mapping[Place, int],
    tokens: int,
) -> Wave:
    passes: list[list[Place]] = []
    filled = tokens
    for group in rooms:
        for place in groups[group]:
            if not passes or filled + targets[place] > tokens:
                passes.append([])
                filled = 0
            passes[-1].append(place)
            filled += targets[place]
    return Wave(dict(rooms), passes)
