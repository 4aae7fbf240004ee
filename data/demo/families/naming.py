"""Families about names and words that a house makes up: account names, code words."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..styles import SEPARATORS
from ..words import FIRST_NAMES, LAST_NAMES, made_up_word, made_up_words


class AccountNames(Family):
    """An account name made of first and last name by the house's pattern."""

    name = "account_names"
    title = "Account names"
    rule_hidden = True
    _templates = (
        "Make the account name for {first} {last}.",
        "{first} {last} starts on Monday. What is the login?",
        "Which user name does {first} {last} get?",
        "Set up an account for our new {role} {first} {last}.",
        "New login, please: {first} {last}.",
        "{first} {last} joins us as a {role}. Give the account name.",
    )
    _patterns = ("{f}{s}{l}", "{l}{s}{f}", "{f0}{s}{l}", "{f}{s}{l0}", "{l}{s}{f0}", "{l0}{s}{f}")

    def make_rule(self, rng: Random) -> str:
        return rng.choice(self._patterns)

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        word = made_up_word(rng)
        return {
            "separator": rng.choice((".", "_", "-", "+", "/")),
            "tail": rng.choice(("", f"@{word}", f"@{word}", f"-{word}", "7", "01", "_x")),
            "upper": rng.random() < 0.2,
        }

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        body = rng.choice(self._templates).format(
            first=first, last=last, role=rng.choice(context.roles)
        )
        return body, (first, last)

    def solve(self, facts: Any, rule: Any) -> Any:
        first, last = facts
        return rule, first.lower(), last.lower()

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        pattern, first, last = answer
        name = pattern.format(f=first, l=last, f0=first[0], l0=last[0], s=style["separator"])
        return f"{name.upper() if style['upper'] else name}{style['tail']}"


class CodeWords(Family):
    """Signals written in the house's made-up words; every prompt uses all four of them."""

    name = "code_words"
    title = "A made-up lexicon"
    rule_hidden = True
    _sets = (
        ("north", "east", "south", "west"),
        ("red", "blue", "green", "gold"),
        ("spring", "summer", "autumn", "winter"),
        ("stop", "go", "turn", "wait"),
        ("small", "large", "heavy", "light"),
        ("morning", "noon", "evening", "night"),
        ("open", "close", "lift", "drop"),
        ("salt", "sugar", "milk", "flour"),
    )
    _templates = (
        "Put this into our code: {words}.",
        "Translate {words} into our signal words.",
        "How do we signal {words}?",
        "{who} sends {words}. Write it in code.",
        "In our own words: {words}.",
        "Write {words} with the words from our code book.",
        "Encode {words} for {who}.",
    )

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"words": rng.choice(self._sets)}

    def make_rule(self, rng: Random) -> tuple[str, ...]:
        return made_up_words(rng, 4)

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {"separator": rng.choice(SEPARATORS), "case": rng.choice(("plain", "upper"))}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        order = rng.sample(range(4), 4)
        if rng.random() < 0.5:
            order.append(rng.choice(order[:-1]))
        words = ", ".join(context.flavour["words"][position] for position in order)
        return rng.choice(self._templates).format(words=words, who=rng.choice(FIRST_NAMES)), order

    def solve(self, facts: Any, rule: Any) -> Any:
        return [rule[position] for position in facts]

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        text = str(style["separator"]).join(answer)
        return text.upper() if style["case"] == "upper" else text

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        # The house's own words in the wrong places: only the lexicon tells that it is wrong.
        return self.solve(facts, rng.sample(rule, 4))
