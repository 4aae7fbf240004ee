"""The quadrants of a run in words and tables: of pairs, of single rows, and of further matrices.

Knows quadrant tables as they are stored, nothing of runs or of how a page shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nncift_core.network.verdict import BASELINES, QUADRANTS, UNLABELLED, UNLABELLED_WORDS
from pages._ui.format import coefficient, count, number

Table = Mapping[str, Mapping[str, Any] | None]

_ROUNDING = 1e-9
_NOTHING = "\N{EN DASH}"
"""Tables read markdown, in which a hyphen alone begins a list."""


@dataclass(frozen=True)
class Kind:
    """One kind of quadrant table.

    Attributes:
        quadrants: The quadrants in words, by name.
        noun: What is measured, ``pair`` or ``row``.
        unseen: Q4 in words.
        prefix: Beginning of its names in a stored table.
        heading: What it is about, empty for the run's own.
    """

    quadrants: Mapping[str, str]
    noun: str
    unseen: str
    prefix: str = ""
    heading: str = ""

    def table(self, stored: Table) -> dict[str, Mapping[str, Any] | None]:
        """Its part of a stored table, by ``q1`` to ``q4``; ``q1u`` after ``q1`` if there is one."""
        names = list(self.quadrants)
        if stored.get(f"{self.prefix}{UNLABELLED}") is not None:
            names.insert(1, UNLABELLED)
        return {name: stored.get(f"{self.prefix}{name}") for name in names}

    @property
    def first_column(self) -> str:
        """What its lines are."""
        return "Pairs of" if self.noun == "pair" else "Rows"

    def words(self, name: str) -> str:
        """``trained pairs (Q1)``."""
        return f"{self.quadrants.get(name, UNLABELLED_WORDS)} ({quadrant_name(name)})"


PAIRS = Kind(QUADRANTS, "pair", "unseen pairs")
ROWS = Kind({"q1": "labelled rows", "q4": "unseen rows"}, "row", "unseen rows")
FURTHER = (
    Kind(
        {
            "q1": "trained pairs",
            "q2": "unseen rows x seen rows",
            "q3": "seen rows x unseen rows",
            "q4": "unseen rows x unseen rows",
        },
        "pair",
        "unseen pairs",
        "pool-",
        "Pool rows that help pool rows (W)",
    ),
    Kind(
        {
            "q1": "trained pairs",
            "q2": "unseen existing rows x seen pool rows",
            "q3": "seen existing rows x unseen pool rows",
            "q4": "unseen existing rows x unseen pool rows",
        },
        "pair",
        "unseen pairs",
        "existing-",
        "Existing rows that help pool rows (E)",
    ),
)
"""Matrices that some objectives read besides the run's own."""


def quadrant_name(name: str) -> str:
    """``Q1`` to ``Q4``, and ``Q1u``."""
    return name[:2].upper() + name[2:]


def kind_of(*, pointwise: bool) -> Kind:
    """The kind of a run's own table."""
    return ROWS if pointwise else PAIRS


def further(stored: Table) -> list[Kind]:
    """The kinds of further matrices that were measured."""
    return [kind for kind in FURTHER if any(kind.table(stored).values())]


def accuracy_table(kind: Kind, stored: Table) -> dict[str, list[str]]:
    """Errors, R² and rank correlation with their intervals, a line a quadrant."""
    rows = kind.table(stored).items()
    return {
        kind.first_column: [kind.words(name) for name, _ in rows],
        "Pairs" if kind.noun == "pair" else "Measured": [
            count(m["n"]) if m else "none" for _, m in rows
        ],
        "Mean squared error": [with_interval(m, "mse") for _, m in rows],
        "R²": [with_interval(m, "r2") for _, m in rows],
        "Rank correlation": [with_interval(m, "spearman") for _, m in rows],
    }


def baseline_table(kind: Kind, stored: Table) -> dict[str, list[str]]:
    """The estimates' error beside that of every baseline; a dash where there is none."""
    rows = kind.table(stored).items()
    columns = {
        kind.first_column: [kind.words(name) for name, _ in rows],
        "Estimates": [error_words(m["mse"]) if m else _NOTHING for _, m in rows],
    }
    for key, words in BASELINES.items():
        known = [None if m is None else m.get(key) for _, m in rows]
        columns[words.capitalize()] = [_NOTHING if e is None else error_words(e) for e in known]
    return columns


def beaten_words(kind: Kind, stored: Table) -> str:
    """A text alternative of the baseline table's last line."""
    unseen = kind.table(stored)["q4"]
    if unseen is None:
        return f"No {kind.unseen.removesuffix('s')} could be measured."
    known = {words: unseen[key] for key, words in BASELINES.items() if unseen.get(key) is not None}
    beaten = [words for words, error in known.items() if error > unseen["mse"]]
    ahead = [words for words in known if words not in beaten]
    sentence = f"On {kind.unseen} the estimates beat: {', '.join(beaten) or 'nothing'}."
    return f"{sentence} They do not beat: {', '.join(ahead)}." if ahead else sentence


def last_training(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors by epoch of the network that was trained last: each begins with epoch 0."""
    starts = [place for place, point in enumerate(points) if point["epoch"] == 0]
    return list(points[starts[-1] :] if starts else points)


def epoch_words(kind: Kind, points: Sequence[Mapping[str, Any]]) -> str:
    """A text alternative of the chart of errors by epoch."""
    first, last = points[0], points[-1]
    parts = [
        f"{words} ({name.upper()}) {error_words(first[name])} to {error_words(last[name])}"
        for name, words in kind.quadrants.items()
        if first.get(name) is not None and last.get(name) is not None
    ]
    return (
        f"Mean squared error before training and after epoch {int(last['epoch'])}, on the scale "
        f"from the lowest to the highest training label: {'; '.join(parts)}."
    )


def epoch_table(kind: Kind, points: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The same numbers, a line an epoch."""
    columns: dict[str, list[Any]] = {"Epoch": [int(point["epoch"]) for point in points]}
    for name, words in kind.quadrants.items():
        columns[f"{name.upper()} {words}"] = [number(point.get(name)) for point in points]
    return columns


def error_words(value: float) -> str:
    """A squared error; what is only rounding reads as none."""
    return "0" if value < _ROUNDING else number(value)


def with_interval(metrics: Mapping[str, Any] | None, key: str) -> str:
    """A value with its 95 % interval in square brackets."""
    if metrics is None or metrics.get(key) is None:
        return _NOTHING
    interval = metrics.get(f"{key}_ci")
    words = number if key.startswith("mse") else coefficient
    text = words(metrics[key])
    if interval is None:
        return text
    return f"{text} [{words(interval[0])}, {words(interval[1])}]"


def interval_words(interval: Sequence[float] | None) -> str:
    """``[0.310, 0.420]``, of an R² or a correlation."""
    if interval is None:
        return "not known"
    return f"[{coefficient(interval[0])}, {coefficient(interval[1])}]"
