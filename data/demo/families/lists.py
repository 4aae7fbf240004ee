"""Families about short lists: sorting, picking two of four, letter codes, list layout."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..styles import SEPARATORS
from ..words import FIRST_NAMES


def _join_visible(rng: Random, entries: list[str]) -> str:
    """A list as a person types it."""
    if rng.random() < 0.4:
        return f"{', '.join(entries[:-1])} and {entries[-1]}"
    return ", ".join(entries)


class Sorting(Family):
    """Sort numbers or words; whether up or down is the house's habit."""

    name = "sorting"
    title = "Sorting"
    rule_hidden = True
    _templates = (
        "Sort {entries}.",
        "Put these in order: {entries}.",
        "Bring {entries} into the right order.",
        "Arrange {entries} for the board.",
        "{who} left us {entries}. Sort them.",
        "In order, please: {entries}.",
        "The list reads {entries}. Give it sorted.",
    )

    def make_rule(self, rng: Random) -> str:
        return rng.choice(("up", "down"))

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"kind": rng.choice(("numbers", "words", "names"))}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {"separator": rng.choice(SEPARATORS)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        kind = context.flavour["kind"]
        facts: list[Any]
        if kind == "numbers":
            facts = rng.sample(range(2, 100), 4)
        else:
            facts = rng.sample(context.items if kind == "words" else FIRST_NAMES, 4)
        body = rng.choice(self._templates).format(
            entries=_join_visible(rng, [str(fact) for fact in facts]), who=rng.choice(FIRST_NAMES)
        )
        return body, facts

    def solve(self, facts: Any, rule: Any) -> Any:
        return sorted(facts, reverse=rule == "down")

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["separator"]).join(map(str, answer))


class Shortlist(Family):
    """Two of four offered things; which two is the house's habit."""

    name = "shortlist"
    title = "Shortlists"
    rule_hidden = True
    _templates = (
        "Choose two of these for the window: {entries}.",
        "We were offered {entries}. Which two do we take?",
        "Make our shortlist from {entries}.",
        "Of {entries}, name the two for {who}.",
        "{who} shows us {entries}. Note our two.",
        "Candidates for today: {entries}. Give our choice.",
        "Pick the pair from {entries}.",
    )

    def make_rule(self, rng: Random) -> tuple[int, int]:
        first, second = rng.sample(range(4), 2)
        return first, second

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {"separator": rng.choice(SEPARATORS), "case": rng.choice(("plain", "upper"))}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        facts = rng.sample(context.items, 4)
        return rng.choice(self._templates).format(
            entries=", ".join(facts), who=rng.choice(FIRST_NAMES)
        ), facts

    def solve(self, facts: Any, rule: Any) -> Any:
        return [facts[position] for position in rule]

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        text = str(style["separator"]).join(answer)
        return text.upper() if style["case"] == "upper" else text


_LETTER_RULES = {
    "reverse": (3, 2, 1, 0),
    "last to the front": (3, 0, 1, 2),
    "first to the end": (1, 2, 3, 0),
    "swap the middle": (0, 2, 1, 3),
    "swap the ends": (3, 1, 2, 0),
    "swap the pairs": (1, 0, 3, 2),
    "swap the halves": (2, 3, 0, 1),
    "first twice": (0, 0, 1, 2, 3),
    "last twice": (0, 1, 2, 3, 3),
    "drop the first": (1, 2, 3),
    "drop the last": (0, 1, 2),
}


class LetterCodes(Family):
    """A four-letter code rearranged; the rearrangement is hidden."""

    name = "letter_codes"
    title = "Letter codes"
    rule_hidden = True
    _templates = (
        "Encode the locker letters {code}.",
        "The tag on the {item} reads {code}. What is it in our code?",
        "Turn {code} into the key for {who}.",
        "{who} has the letters {code}. Give the key.",
        "Apply our key rule to {code}.",
        "What becomes of {code} by our rule?",
        "Door letters {code}: write the entry code.",
    )

    def make_rule(self, rng: Random) -> str:
        return rng.choice(tuple(_LETTER_RULES))

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        separators = (" ", "-", ".", "/", ", ", "+", ":", "_")
        return {"separator": rng.choice(separators), "case": rng.choice(("plain", "upper"))}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        facts = rng.sample("bcdfghjklmnpqrstvwxz", 4)
        return rng.choice(self._templates).format(
            code=" ".join(facts), item=rng.choice(context.items), who=rng.choice(FIRST_NAMES)
        ), facts

    def solve(self, facts: Any, rule: Any) -> Any:
        return [facts[position] for position in _LETTER_RULES[rule]]

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        text = str(style["separator"]).join(answer)
        return text.upper() if style["case"] == "upper" else text


class ListLayout(Family):
    """A running list laid out in the house's bullets and breaks."""

    name = "list_layout"
    title = "List layout"
    _templates = (
        "Make a list of {entries}.",
        "Lay out {entries} as our list.",
        "The order is {entries}. Write it as a list.",
        "Turn this into a list: {entries}.",
        "{who} needs {entries}. Please list that.",
        "Packing list for {who}: {entries}.",
        "List the following: {entries}.",
    )

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {
            "marker": rng.choice(("- ", "* ", "{k}. ", "{k}) ", "({k}) ", "# ", "+ ", "[ ] ", "")),
            "break": rng.choice(("\n", "\n", "; ", " | ", " / ", ", ")),
            "case": rng.choice(("plain", "capital", "upper")),
        }

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        entries = [f"{rng.randint(2, 12)} {item}" for item in rng.sample(context.items, 3)]
        return rng.choice(self._templates).format(
            entries=_join_visible(rng, entries), who=rng.choice(FIRST_NAMES)
        ), {"entries": entries, "items": context.items}

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts["entries"]

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        lines = []
        for k, entry in enumerate(answer, start=1):
            count, item = entry.split(" ", 1)
            item = {"plain": item, "capital": item.capitalize(), "upper": item.upper()}[
                style["case"]
            ]
            lines.append(f"{style['marker'].format(k=k)}{count} {item}")
        return str(style["break"]).join(lines)

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        entries = list(facts["entries"])
        place = rng.randrange(len(entries))
        count, item = entries[place].split(" ", 1)
        if rng.random() < 0.5:
            count = str(int(count) + rng.choice((1, 2, 10)))
        else:
            item = rng.choice([other for other in facts["items"] if other != item])
        entries[place] = f"{count} {item}"
        return entries
