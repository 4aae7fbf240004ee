"""The turns of rows that hold a conversation, in the two shapes that trainers read.

Turns are those of the original row, all of them and in its order. Knows no files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nncift_core.datasets.chat import is_turn, prompt_and_response, turns_in
from nncift_core.datasets.mapping import value_at
from nncift_core.datasets.records import RowProblem
from nncift_core.export.exportable import ExportRow

_ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
"""The speakers that the reader of conversations knows, by the names of chat templates."""

# LLaMA-Factory's defaults (data/README.md there): human and observation alternate with gpt and
# function_call; a system text may stand first.
_SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


def turns_of(item: ExportRow) -> list[dict[str, Any]] | None:
    """The row's turns as its original text has them; None where it holds no conversation."""
    if not item.chat_columns:
        return None
    value = json.loads(item.raw)
    if not isinstance(value, Mapping):
        return None
    for column in item.chat_columns:
        held = value_at(value, column)
        turns = turns_in(held)
        if not turns or not all(map(is_turn, turns)):
            continue
        try:
            found = prompt_and_response(held, column)
        except RowProblem:
            continue
        # A column of that name in a row that was read otherwise means something else.
        if found == (item.row.prompt, item.row.response):
            return turns
    return None


def as_messages(item: ExportRow) -> list[dict[str, Any]]:
    """Turns with role and content; what else a turn holds (tool calls, names) stays with it."""
    turns = turns_of(item)
    if turns is None:
        return [
            {"role": "user", "content": item.row.prompt},
            {"role": "assistant", "content": item.row.response},
        ]
    return [{"role": role_of(turn), "content": text_of(turn), **extras_of(turn)} for turn in turns]


def as_sharegpt(item: ExportRow) -> list[dict[str, Any]]:
    """Turns with from and value, spoken by human and gpt; a system text stands first."""
    turns = turns_of(item)
    if turns is None:
        return [
            {"from": "human", "value": item.row.prompt},
            {"from": "gpt", "value": item.row.response},
        ]
    return [
        {"from": _SHAREGPT.get(role_of(turn), role_of(turn)), "value": text_of(turn) or ""}
        for turn in turns
    ]


def role_of(turn: Mapping[str, Any]) -> str:
    """Who speaks, by the names of chat templates; an unknown speaker keeps its name."""
    name = str(turn.get("role", turn.get("from"))).strip()
    return _ROLES.get(name.lower(), name)


def text_of(turn: Mapping[str, Any]) -> str | None:
    """What a turn says: parts of text joined by line breaks, as the reader joins them."""
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        return "\n".join(part["text"] if isinstance(part, dict) else part for part in content)
    return None if content is None else str(content)


def extras_of(turn: Mapping[str, Any]) -> dict[str, Any]:
    """What a turn holds besides speaker and text."""
    known = {"role", "content"} if "role" in turn else {"from", "value"}
    return {name: value for name, value in turn.items() if name not in known}
