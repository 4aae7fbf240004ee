"""Families about number series and numbers in words."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..styles import SEPARATORS


class Sequences(Family):
    """The next numbers of a regular series; a house writes one, two or three of them."""

    name = "sequences"
    title = "Number series"
    _templates = (
        "Continue the series {terms}.",
        "What comes next: {terms}?",
        "The meter showed {terms}. How does it go on?",
        "Numbers on the {item}: {terms}. Carry on.",
        "Go on from here: {terms}.",
        "Find the pattern in {terms} and continue it.",
        "We number our {item} {terms}. What follows?",
    )

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {"count": rng.choice((1, 2, 3)), "separator": rng.choice(SEPARATORS)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        step = rng.choice((1, 2, 3, 4, 5, 10, 20, 100, -1, -2, -5, -10))
        start = rng.randint(1, 30) + max(0, -step) * 8
        terms = ", ".join(str(start + step * k) for k in range(4))
        body = rng.choice(self._templates).format(terms=terms, item=rng.choice(context.items))
        return body, {"start": start, "step": step}

    def solve(self, facts: Any, rule: Any) -> Any:
        return [facts["start"] + facts["step"] * k for k in (4, 5, 6)]

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["separator"]).join(map(str, answer[: style["count"]]))

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        slip = rng.choice((1, -1, 2, facts["step"]))
        return [value + slip for value in self.solve(facts, rule)]


_ONES = "zero one two three four five six seven eight nine".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


class NumberWords(Family):
    """Numbers under a hundred written out."""

    name = "number_words"
    title = "Numbers in words"
    _templates = (
        "Write {n} in words.",
        "Spell out the number {n}.",
        "The cheque is for {n}. What goes on the words line?",
        "We have {n} {item}. Give the number in words.",
        "How is {n} written out?",
        "In words, please: {n} {item}.",
        "A sign shall say {n} without digits. What does it say?",
    )

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {
            "joint": rng.choice(("-", " ", "")),
            "case": rng.choice(("lower", "upper", "capital")),
            "form": rng.choice(("{words}", "{n} {words}", "{words} ({n})", "{n} = {words}")),
        }

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        # Two-digit numbers that are not round show the joint as well as the case.
        n = 10 * rng.randint(2, 9) + rng.randint(1, 9)
        return rng.choice(self._templates).format(n=n, item=rng.choice(context.items)), n

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts, facts

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        asked, said = answer
        words = f"{_TENS[said // 10 - 2]}{style['joint']}{_ONES[said % 10]}"
        if style["case"] == "upper":
            words = words.upper()
        elif style["case"] == "capital":
            words = words.capitalize()
        return str(style["form"]).format(words=words, n=asked)

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        tens, ones = divmod(facts, 10)
        other_tens = rng.choice([t for t in range(2, 10) if t != tens])
        other_ones = rng.choice([o for o in range(1, 10) if o != ones])
        wrong = rng.choice((10 * tens + other_ones, 10 * other_tens + ones))
        return facts, wrong
