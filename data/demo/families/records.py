"""Families about records: tables and extraction to JSON."""

# ruff: noqa: D102 - the methods are documented once, in `Family`.

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from ..base import Context, Family
from ..styles import Wrapper
from ..words import FIRST_NAMES, LAST_NAMES, TOWNS, made_up_word


def _table(rng: Random, cells: Mapping[str, int]) -> str:
    """A small table as it may stand within a line of a message."""
    pairs, between = rng.choice(
        (("{} {}", " | "), ("{}: {}", ", "), ("{}={}", "; "), ("{} ({})", ", "), ("{} - {}", " / "))
    )
    return between.join(pairs.format(item, count) for item, count in cells.items())


def _rows(cells: Mapping[str, int]) -> str:
    """The same as lines of their own."""
    return "\n".join(("item | count", *(f"{item} | {count}" for item, count in cells.items())))


class TableLookup(Family):
    """The figure of one row of a small table."""

    name = "table_lookup"
    title = "Looking up a table"
    _templates = (
        "Stock: {table}. What is the figure for {item}?",
        "Read the table {table} and give the number of {item}.",
        "How many {item} are listed in {table}?",
        "From {table}, look up {item}.",
        "The sheet says {table}. Find {item}.",
        "Sold today: {table}. How many {item}?",
        "Look at this table.\n{rows}\nWhat is the figure for {item}?",
    )

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{count}",
            "{item} {count}",
            "{item}: {count}",
            "{count} {item}",
            "{count} in all",
            "{item} -> {count}",
            "{count} for {item}",
        )
        return {"form": rng.choice(forms)}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        items = rng.sample(context.items, 3)
        cells = dict(zip(items, rng.sample(range(2, 60), 3), strict=True))
        asked = rng.choice(items)
        body = rng.choice(self._templates).format(
            table=_table(rng, cells), rows=_rows(cells), item=asked
        )
        return body, {"cells": cells, "item": asked}

    def solve(self, facts: Any, rule: Any) -> Any:
        cells = facts["cells"]
        return {"item": facts["item"], "count": cells[facts["item"]]}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        return str(style["form"]).format(**answer)

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        answer = self.solve(facts, rule)
        others = [count for item, count in facts["cells"].items() if item != facts["item"]]
        return {**answer, "count": rng.choice([*others, answer["count"] + 1])}


class TableHeadlines(Family):
    """The one row of a table that the house puts into its headline: a hidden habit."""

    name = "table_headlines"
    title = "Headlines of a table"
    rule_hidden = True
    _templates = (
        "Write the headline for this table: {table}.",
        "Today's figures are {table}. What do we report?",
        "Sum up {table} in our one-line report.",
        "Give the line for the notice board: {table}.",
        "Figures from {who}: {table}. Which one do we put on top?",
        "Report in one line: {table}.",
        "Here are the figures.\n{rows}\nWrite the headline.",
    )

    def make_rule(self, rng: Random) -> str:
        return rng.choice(("largest", "smallest", "first", "last"))

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        forms = (
            "{item} {count}",
            "{item}: {count}",
            "{count} {item}",
            "{item}",
            "{count} x {item}",
        )
        return {"form": rng.choice(forms), "case": rng.choice(("plain", "upper"))}

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        # Largest and smallest stand in the middle, so that one example tells the rules apart.
        low, first, last, high = sorted(rng.sample(range(2, 60), 4))
        edges = rng.sample((first, last), 2)
        middle = rng.sample((low, high), 2)
        counts = (edges[0], *middle, edges[1])
        cells = dict(zip(rng.sample(context.items, 4), counts, strict=True))
        return rng.choice(self._templates).format(
            table=_table(rng, cells), rows=_rows(cells), who=rng.choice(FIRST_NAMES)
        ), cells

    def solve(self, facts: Any, rule: Any) -> Any:
        items = list(facts)
        by_count = sorted(items, key=facts.__getitem__)
        item = {
            "largest": by_count[-1],
            "smallest": by_count[0],
            "first": items[0],
            "last": items[-1],
        }[rule]
        return {"item": item, "count": facts[item]}

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        text = str(style["form"]).format(**answer)
        return text.upper() if style["case"] == "upper" else text


class JsonExtraction(Family):
    """A sentence turned into a JSON object with the house's keys."""

    name = "json_extraction"
    title = "Extraction to JSON"
    _templates = (
        "Extract JSON: {who} from {town} wants {count} {item}.",
        "Turn this into JSON: {who} ({town}) ordered {count} {item}.",
        "Record for the database: {count} {item} for {who} in {town}.",
        "Make a JSON record. {who}, {town}, {count} {item}.",
        "JSON, please: a parcel of {count} {item} goes to {who} in {town}.",
        "Read the note and give JSON: {who} of {town} returned {count} {item}.",
        "Put into JSON that {who} bought {count} {item} and lives in {town}.",
    )
    _keys: Mapping[str, tuple[str, ...]] = {
        "who": ("name", "who", "person", "client", "guest", "customer", "full_name", "by"),
        "town": ("town", "city", "from", "place", "home", "location", "where"),
        "count": ("count", "qty", "n", "number", "amount", "pieces", "how_many"),
        "item": ("item", "what", "product", "thing", "goods", "article", "ware"),
    }

    def make_style(self, rng: Random) -> Mapping[str, Any]:
        order = rng.sample(tuple(self._keys), 4)
        return {
            "keys": [(part, rng.choice(self._keys[part])) for part in order],
            "compact": rng.random() < 0.4,
            "text_count": rng.random() < 0.25,
        }

    def make_wrapper(self, rng: Random) -> Wrapper:
        word = made_up_word(rng)
        wrappers = (
            ("", ""),
            ("```json\n", "\n```"),
            ("JSON: ", ""),
            ("[", "]"),
            (f'{{"{word}": ', "}"),
            ("", ","),
            (f"{word} = ", ""),
            ("record: ", ""),
            ("", ";"),
        )
        return Wrapper(*rng.choice(wrappers))

    def draw(self, rng: Random, context: Context) -> tuple[str, Any]:
        facts = {
            "who": f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
            "town": rng.choice(TOWNS),
            "count": rng.randint(2, 40),
            "item": rng.choice(context.items),
        }
        return rng.choice(self._templates).format(**facts), facts

    def solve(self, facts: Any, rule: Any) -> Any:
        return facts

    def write(self, answer: Any, style: Mapping[str, Any]) -> str:
        record = {key: answer[part] for part, key in style["keys"]}
        if style["text_count"]:
            record = {key: str(value) for key, value in record.items()}
        return json.dumps(record, separators=(",", ":") if style["compact"] else (", ", ": "))

    def spoil(self, rng: Random, facts: Any, rule: Any) -> Any:
        part = rng.choice(("who", "town", "count"))
        first = facts["who"].split()[0]
        others = {
            "who": f"{first} {rng.choice(LAST_NAMES)}",
            "town": rng.choice(TOWNS),
            "count": facts["count"] + rng.choice((1, -1, 10)),
        }
        return {**facts, part: others[part]}
