"""Families about common knowledge and small programs. The facts are checked by hand."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..styles import Wrapper
from ..words import FIRST_NAMES, made_up_word


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((left, right) for left, right in (pair.split("=") for pair in text.split(", ")))


_FACTS: Mapping[str, tuple[tuple[str, ...], tuple[tuple[str, str], ...]]] = {
    "capital": (
        (
            "What is the capital of {x}?",
            "Name the capital of {x}.",
            "Which city is the capital of {x}?",
            "{who} flies to the capital of {x}. Which city is that?",
        ),
        _pairs(
            "France=Paris, Japan=Tokyo, Italy=Rome, Spain=Madrid, Egypt=Cairo, Kenya=Nairobi, "
            "Peru=Lima, Norway=Oslo, Sweden=Stockholm, Finland=Helsinki, Poland=Warsaw, "
            "Greece=Athens, Portugal=Lisbon, Austria=Vienna, Hungary=Budapest, Ireland=Dublin, "
            "Cuba=Havana, Chile=Santiago, Canada=Ottawa, Thailand=Bangkok, Vietnam=Hanoi, "
            "Ghana=Accra, Denmark=Copenhagen, Germany=Berlin"
        ),
    ),
    "symbol": (
        (
            "What is the chemical symbol of {x}?",
            "Give the symbol of the element {x}.",
            "How is {x} written in the periodic table?",
            "{who} needs the element symbol for {x}.",
        ),
        _pairs(
            "hydrogen=H, oxygen=O, carbon=C, nitrogen=N, iron=Fe, gold=Au, silver=Ag, copper=Cu, "
            "tin=Sn, lead=Pb, zinc=Zn, sodium=Na, potassium=K, helium=He, calcium=Ca, sulphur=S"
        ),
    ),
    "young": (
        (
            "What is a young {x} called?",
            "Name the young of a {x}.",
            "{who} asks what one calls a baby {x}.",
            "Which word is used for a young {x}?",
        ),
        _pairs(
            "dog=puppy, cat=kitten, cow=calf, horse=foal, sheep=lamb, goat=kid, duck=duckling, "
            "goose=gosling, bear=cub, deer=fawn, swan=cygnet, frog=tadpole"
        ),
    ),
    "opposite": (
        (
            "What is the opposite of {x}?",
            "Give the opposite of {x}.",
            "Which word means the contrary of {x}?",
            "{who} looks for the antonym of {x}.",
        ),
        _pairs(
            "hot=cold, big=small, early=late, full=empty, fast=slow, high=low, hard=soft, "
            "wet=dry, open=closed, young=old, thick=thin, strong=weak, light=dark, deep=shallow, "
            "rich=poor, sharp=blunt, near=far, tight=loose, wide=narrow, loud=quiet"
        ),
    ),
    "plural": (
        (
            "What is the plural of {x}?",
            "Give the plural of the word {x}.",
            "One {x}, two what?",
            "{who} needs the plural form of {x}.",
        ),
        _pairs(
            "child=children, mouse=mice, foot=feet, tooth=teeth, man=men, woman=women, ox=oxen, "
            "leaf=leaves, knife=knives, wolf=wolves, shelf=shelves, half=halves, loaf=loaves, "
            "thief=thieves, life=lives"
        ),
    ),
    "continent": (
        (
            "On which continent is {x}?",
            "Name the continent of {x}.",
            "Where in the world is {x}? Give the continent.",
            "{who} sorts {x} by continent. Which one is it?",
        ),
        _pairs(
            "France=Europe, Kenya=Africa, Japan=Asia, Brazil=South America, Norway=Europe, "
            "Ghana=Africa, Vietnam=Asia, Chile=South America, Poland=Europe, Morocco=Africa, "
            "Thailand=Asia, Peru=South America, Canada=North America, Mexico=North America, "
            "Nigeria=Africa, India=Asia, Portugal=Europe, Cuba=North America"
        ),
    ),
    "days": (
        (
            "How many days does {x} have?",
            "Give the number of days in {x}.",
            "{who} plans {x}. How many days is that?",
            "Of how many days does {x} consist?",
        ),
        _pairs(
            "January=31, March=31, April=30, May=31, June=30, July=31, August=31, September=30, "
            "October=31, November=30, December=31, a week=7, a leap year=366, a fortnight=14"
        ),
    ),
    "roman": (
        (
            "Write {x} as a Roman numeral.",
            "What is {x} in Roman numerals?",
            "{who} carves {x} in Roman numerals. How does it look?",
            "Give the Roman numeral for {x}.",
        ),
        _pairs(
            "3=III, 4=IV, 6=VI, 7=VII, 8=VIII, 9=IX, 11=XI, 12=XII, 14=XIV, 15=XV, 16=XVI, "
            "19=XIX, 20=XX, 40=XL, 50=L, 90=XC, 100=C"
        ),
    ),
}


class Facts(Family):
    """Questions with one well-known answer."""

    name = "facts"
    title = "Facts"

    def make_flavour(self, rng: Random, topic: str) -> Mapping[str, Any]:
        return {"kinds": tuple(rng.sample(tuple(_FACTS), 2))}

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{y}",
            "{x}: {y}",
            "{y} ({x})",
            "{x} = {y}",
            "{y}, for {x}",
            "it is {y}",
            "{x}/{y}",
        )
        return {"form": rng.choice(forms)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        kind = rng.choice(context.flavour["kinds"])
        templates, pairs = _FACTS[kind]
        x, y = rng.choice(pairs)
        body = rng.choice(templates).format(x=x, who=rng.choice(FIRST_NAMES))
        return body, {"kind": kind, "x": x, "y": y}

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(x=answer["x"], y=answer["y"])

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        answers = sorted({y for _, y in _FACTS[facts["kind"]][1]} - {facts["y"]})
        return {**facts, "y": rng.choice(answers)}


_OPERATIONS: Mapping[str, str] = {
    "adds {n} to a number": "{x} + {n}",
    "subtracts {n} from a number": "{x} - {n}",
    "multiplies a number by {n}": "{x} * {n}",
    "divides a number by {n}": "{x} / {n}",
    "tells whether a number is above {n}": "{x} > {n}",
    "tells whether a number is below {n}": "{x} < {n}",
    "adds {n} to the square of a number": "{x} * {x} + {n}",
}


class SmallCode(Family):
    """A one-line function; language and names are the house's habit."""

    name = "small_code"
    title = "Small code"
    _templates = (
        "Write a function that {task}.",
        "Code for a function that {task}, please.",
        "We need a function that {task}.",
        "How do we write a function that {task}?",
        "{who} wants a function that {task}.",
        "Give me one line of code that {task}.",
    )
    _languages = (
        "def {f}({x}): return {body}",
        "{f} = lambda {x}: {body}",
        "function {f}({x}) {{ return {body}; }}",
        "const {f} = ({x}) => {body};",
        "function {f}({x}) return {body} end",
        "let {f} = |{x}| {body};",
        "let {f} {x} = {body}",
        "{f} <- function({x}) {body}",
        "int {f}(int {x}) {{ return {body}; }}",
        "{f}({x}) = {body}",
    )

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        return {
            "language": rng.choice(self._languages),
            "f": rng.choice(("f", "g", "calc", "run", "step", "op", "fn1", "work", "apply")),
            "x": rng.choice(("x", "n", "v", "a", "num", "value", "k", "arg")),
        }

    def make_wrapper(self, rng: Random) -> Wrapper:
        # Asterisks or arrows around code would spoil it: fences and remarks only.
        word = made_up_word(rng)
        wrappers = (
            ("```\n", "\n```"),
            ("`", "`"),
            ("Code: ", ""),
            (">>> ", ""),
            ("", f"  # {word}"),
            ("", f"  // {word}"),
            (f"[{word}] ", ""),
            (f"{word}: ", ""),
            (f"/* {word} */ ", ""),
            ("", "  # ok"),
            (f"```{word}\n", "\n```"),
            ("1 | ", ""),
        )
        return Wrapper(*rng.choice(wrappers))

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        operation = rng.choice(tuple(_OPERATIONS))
        n = rng.randint(2, 30)
        body = rng.choice(self._templates).format(
            task=operation.format(n=n), who=rng.choice(FIRST_NAMES)
        )
        return body, (operation, n)

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        operation, n = answer
        body = _OPERATIONS[operation].format(x=style["x"], n=n)
        return str(style["language"]).format(f=style["f"], x=style["x"], body=body)

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        operation, n = facts
        if rng.random() < 0.5:
            return operation, n + rng.choice((1, -1, 10))
        return rng.choice([other for other in _OPERATIONS if other != operation]), n
