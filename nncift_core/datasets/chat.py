"""Turns a conversation into one prompt and one response. Knows nothing of files or columns.

The last assistant turn is the response and everything before it the prompt. A prompt of one
user turn is that turn's text; a longer one names the speaker of each turn.
"""

from __future__ import annotations

import json
from typing import Any

from nncift_core.datasets import report
from nncift_core.datasets.records import RowProblem, type_name

_SPEAKERS = {
    "user": "User",
    "human": "User",
    "prompter": "User",
    "assistant": "Assistant",
    "gpt": "Assistant",
    "chatgpt": "Assistant",
    "bot": "Assistant",
    "model": "Assistant",
    "system": "System",
    "tool": "Tool",
    "function": "Tool",
    "observation": "Tool",
}


def is_turn(value: Any) -> bool:
    """Whether a value looks like one turn: a role (or from) and a content (or value)."""
    return isinstance(value, dict) and (
        ("role" in value and "content" in value) or ("from" in value and "value" in value)
    )


def turns_in(value: Any) -> list[Any] | None:
    """The list of turns in a value: a list, or text that holds one, as in a CSV field."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None


def prompt_and_response(value: Any, column: str) -> tuple[str, str]:
    """The prompt and the response of a conversation.

    Args:
        value: What the column holds.
        column: Its name, for the reason of a rejection.

    Raises:
        RowProblem: There is no prompt or no response, or a turn is malformed.
    """
    if value is None:
        raise RowProblem(f"{report.NO_PROMPT}: {column!r} is missing or null")
    turns = turns_in(value)
    if turns is None:
        raise RowProblem(
            f"{report.WRONG_TYPE}: {column!r} holds {type_name(value)}, not a list of turns"
        )
    spoken = [_turn(turn, number, column) for number, turn in enumerate(turns, 1)]
    answers = [i for i, (speaker, _) in enumerate(spoken) if speaker == "Assistant"]
    if not spoken:
        raise RowProblem(f"{report.NO_PROMPT}: {column!r} has no turns")
    if not answers:
        raise RowProblem(f"{report.NULL_RESPONSE}: {column!r} has no assistant turn")
    response = spoken[answers[-1]][1]
    if response is None:
        raise RowProblem(f"{report.NULL_RESPONSE}: the last assistant turn of {column!r} is null")
    before = [(speaker, text) for speaker, text in spoken[: answers[-1]] if text]
    if len(before) == 1 and before[0][0] == "User":
        return before[0][1] or "", response
    return "\n\n".join(f"{speaker}: {text}" for speaker, text in before), response


def _turn(turn: Any, number: int, column: str) -> tuple[str, str | None]:
    if not isinstance(turn, dict):
        raise RowProblem(
            f"{report.WRONG_TYPE}: turn {number} of {column!r} is {type_name(turn)}, not an object"
        )
    role = turn.get("role", turn.get("from"))
    if not isinstance(role, str) or not role.strip():
        raise RowProblem(f"{report.WRONG_TYPE}: turn {number} of {column!r} has no role")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        content = _joined_parts(content, number, column)
    if content is not None and not isinstance(content, str):
        raise RowProblem(
            f"{report.WRONG_TYPE}: turn {number} of {column!r} holds {type_name(content)}, not text"
        )
    key = role.strip().lower()
    return _SPEAKERS.get(key, key.capitalize()), content


def _joined_parts(parts: list[Any], number: int, column: str) -> str:
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            raise RowProblem(
                f"{report.WRONG_TYPE}: turn {number} of {column!r} has a part that is not text"
            )
        texts.append(text)
    return "\n".join(texts)
