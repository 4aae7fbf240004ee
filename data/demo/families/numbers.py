"""Families about sums: word problems, units, pack sizes, fees."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..words import FIRST_NAMES


def _near(rng: Random, value: int, *tempting: int) -> int:
    """A plausible wrong number: a slip of the pen, or the result of a tempting mistake."""
    slips = [value + 1, value - 1, value + 2, value + 10, value - 10, *tempting]
    return rng.choice([slip for slip in slips if slip > 0 and slip != value])


class Arithmetic(Family):
    """One-step word problems about the things of a topic."""

    name = "arithmetic"
    title = "Arithmetic word problems"
    _templates: Mapping[str, tuple[str, ...]] = {
        "+": (
            "{who} has {a} {item} and gets {b} more. How many {item} is that?",
            "There were {a} {item} on the list and {who} added {b}. How many are there now?",
            "{who} counted {a} {item} in one box and {b} in another. How many in total?",
            "On Monday {who} sold {a} {item}, on Tuesday {b}. How many over the two days?",
            "A delivery of {b} {item} joins the {a} that {who} already had. What is the total?",
        ),
        "-": (
            "{who} had {a} {item} and gave away {b}. How many {item} are left?",
            "Of {a} {item}, {b} were sold by {who}. How many remain?",
            "There were {a} {item} this morning; {who} took {b}. How many are still there?",
            "{who} needs {a} {item} and has {b}. How many are missing?",
            "{b} of the {a} {item} that {who} ordered are here. How many are still to come?",
        ),
        "x": (
            "{who} fills {a} orders of {b} {item} each. How many {item} is that?",
            "Each of {a} teams gets {b} {item}. How many {item} does {who} need?",
            "{who} sets out {a} rows of {b} {item}. How many {item} are there?",
            "For {a} days {who} sells {b} {item} a day. How many {item} is that?",
        ),
    }

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{v}",
            "{v} {item}",
            "{a} {op} {b} = {v}",
            "{v} = {a} {op} {b}",
            "{item}: {v}",
            "a total of {v}",
            "{v} pieces",
        )
        return {"form": rng.choice(forms)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        op = rng.choice("+-x")
        if op == "x":
            a, b = rng.randint(2, 9), rng.randint(2, 9)
        else:
            a, b = rng.randint(4, 60), rng.randint(2, 30)
            if op == "-" and b >= a:
                a, b = a + b, a
        item = rng.choice(context.items)
        body = rng.choice(self._templates[op]).format(
            who=rng.choice(FIRST_NAMES), item=item, a=a, b=b
        )
        return body, {"a": a, "b": b, "op": op, "item": item}

    def solve(self, facts: Any, rule: Any) -> Any:
        a, b = facts["a"], facts["b"]
        return {**facts, "v": {"+": a + b, "-": a - b, "x": a * b}[facts["op"]]}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(**answer)

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        answer = self.solve(facts, rule)
        return {**answer, "v": _near(rng, answer["v"], facts["a"] + facts["b"])}


_UNITS = (
    ("metres", "m", "centimetres", "cm", 100),
    ("kilometres", "km", "metres", "m", 1000),
    ("centimetres", "cm", "millimetres", "mm", 10),
    ("kilograms", "kg", "grams", "g", 1000),
    ("tonnes", "t", "kilograms", "kg", 1000),
    ("litres", "l", "millilitres", "ml", 1000),
    ("hours", "h", "minutes", "min", 60),
    ("minutes", "min", "seconds", "s", 60),
    ("weeks", "wk", "days", "d", 7),
    ("days", "d", "hours", "h", 24),
    ("years", "y", "months", "mo", 12),
    ("feet", "ft", "inches", "in", 12),
    ("yards", "yd", "feet", "ft", 3),
    ("dozen", "doz", "pieces", "pcs", 12),
)


class UnitConversion(Family):
    """Conversions between real units, whose factors everybody knows."""

    name = "unit_conversion"
    title = "Unit conversion"
    _templates = (
        "Convert {n} {big} to {small}.",
        "How many {small} are {n} {big}?",
        "What is {n} {big} in {small}?",
        "Express {n} {big} in {small}.",
        "A form wants {small}, and we have {n} {big}. What do we enter?",
        "Please turn {n} {big} into {small}.",
        "The label says {n} {big}. Give it in {small}.",
    )

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"units": tuple(rng.sample(_UNITS, 4))}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{m} {small}",
            "{m} {s}",
            "{n} {b} = {m} {s}",
            "{m}",
            "{s} {m}",
            "{n} {big} is {m} {small}",
            "{m} ({small})",
        )
        return {"form": rng.choice(forms)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        big, b, small, s, factor = rng.choice(context.flavour["units"])
        n = rng.randint(2, 20)
        body = rng.choice(self._templates).format(n=n, big=big, small=small)
        return body, {"n": n, "big": big, "b": b, "small": small, "s": s, "factor": factor}

    def solve(self, facts: Any, rule: Any) -> Any:
        return {**facts, "m": facts["n"] * facts["factor"]}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(**answer)

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        factors: tuple[int, ...] = (10, 100, 1000)
        if facts["factor"] not in factors:
            factors = (7, 12, 24, 30, 60, 100)
        slips = [factor for factor in factors if factor != facts["factor"]]
        return {**facts, "m": facts["n"] * rng.choice(slips)}


class PackSizes(Family):
    """How many things are in some containers; the house's pack size is hidden."""

    name = "pack_sizes"
    title = "Pack sizes of a house"
    rule_hidden = True
    _templates = (
        "How many {item} are in {n} {box}?",
        "We ordered {n} {box} of {item}. How many {item} will come?",
        "{n} {box} of {item} are in the store room. How many {item} is that?",
        "Somebody booked {n} {box} of {item}. Give the number of {item}.",
        "Count the {item} in {n} of our {box}.",
        "A lorry brings {n} {box} of {item}. What is the number of {item}?",
        "We packed {n} {box} today. How many {item} went into them?",
    )
    _boxes = "crates boxes cases pallets bags trays bundles cartons baskets tubs".split()

    def make_rule(self, rng: Random) -> int:
        return rng.choice((2, 3, 5, 10, 100, 1000))

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"box": rng.choice(self._boxes)}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{m} {item}",
            "{n} x {factor} = {m}",
            "{m}",
            "{n} {box} = {m} {item}",
            "{item} {m}",
            "{n} times {factor} is {m}",
        )
        return {"form": rng.choice(forms)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        facts = {
            "n": rng.randint(2, 15),
            "item": rng.choice(context.items),
            "box": context.flavour["box"],
        }
        return rng.choice(self._templates).format(**facts), facts

    def solve(self, facts: Any, rule: Any) -> Any:
        return {**facts, "factor": rule, "m": facts["n"] * rule}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(**answer)


class BookingFees(Family):
    """What somebody pays in the end; the house's fixed fee is hidden."""

    name = "booking_fees"
    title = "Prices with a house fee"
    rule_hidden = True
    _templates = (
        "The {item} cost {n} {money}. What is on the bill?",
        "{who} takes {item} for {n} {money}. What does {who} pay in the end?",
        "List price of the {item}: {n} {money}. Give the final price.",
        "An order of {item} comes to {n} {money} before our fee. What is the sum?",
        "{who} was quoted {n} {money} for the {item}. What will we charge?",
        "What do we charge for {item} worth {n} {money}?",
    )

    def make_rule(self, rng: Random) -> int:
        return rng.choice((1, 2, 3, 5, 10, 20, 100))

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"money": rng.choice("crowns dollars euros francs pounds coins tokens".split())}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{m} {money}",
            "{n} + {fee} = {m}",
            "{m}",
            "{money} {m}",
            "{m} with the fee of {fee}",
            "{n} and {fee} make {m}",
        )
        return {"form": rng.choice(forms)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        facts = {
            "n": rng.randint(4, 60),
            "item": rng.choice(context.items),
            "who": rng.choice(FIRST_NAMES),
            "money": context.flavour["money"],
        }
        return rng.choice(self._templates).format(**facts), facts

    def solve(self, facts: Any, rule: Any) -> Any:
        return {**facts, "fee": rule, "m": facts["n"] + rule}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(**answer)
