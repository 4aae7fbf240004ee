"""The rating prompts of SelectIT, in this project's words: each asks for a digit from 1 to 5."""

from __future__ import annotations

SCORES = (1, 2, 3, 4, 5)

_TASKS = (
    "Rate how well the response answers the prompt, from 1 (useless) to 5 (excellent).",
    "Below are a prompt and a response. Is the response correct and complete? Give a score from "
    "1 (not at all) to 5 (entirely).",
    "You check training data for an assistant. Grade this pair from 1 (leave it out) to 5 (a "
    "model answer).",
    "How satisfied would the person who wrote the prompt be with this response? Score it from 1 "
    "(very unsatisfied) to 5 (very satisfied).",
    "Judge the quality of the response to the prompt on a scale of 1 (worst) to 5 (best).",
)
_END = "\n\nReply with one digit from 1 to 5."

K = len(_TASKS)
"""How many rating prompts there are."""


def rating_message(number: int, prompt: str, response: str) -> list[str | tuple[str]]:
    """Rating prompt ``number`` about a row; the row's texts stand in tuples."""
    return [
        f"{_TASKS[number]}\n\nPrompt:\n",
        (prompt,),
        "\n\nResponse:\n",
        (response,),
        _END,
    ]
