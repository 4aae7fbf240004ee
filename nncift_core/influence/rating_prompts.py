"""The rating prompts of SelectIT, in this project's words: each asks for a digit from 1 to 5.

The row stands first and the question last, so that the five prompts of a row share a prefix that
is encoded once.
"""

from __future__ import annotations

SCORES = (1, 2, 3, 4, 5)

_TASKS = (
    "Rate how well the response answers the prompt, from 1 (useless) to 5 (excellent).",
    "Is the response correct and complete? Give a score from 1 (not at all) to 5 (entirely).",
    "You check training data for an assistant. Grade this pair from 1 (leave it out) to 5 (a "
    "model answer).",
    "How satisfied would the person who wrote the prompt be with this response? Score it from 1 "
    "(very unsatisfied) to 5 (very satisfied).",
    "Judge the quality of the response to the prompt on a scale of 1 (worst) to 5 (best).",
)
_END = " Reply with one digit from 1 to 5."

RATING_PROMPTS = tuple(task + _END for task in _TASKS)
"""The questions about a row."""

K = len(_TASKS)
"""How many rating prompts there are."""


def rating_message(number: int, prompt: str, response: str) -> list[str | tuple[str]]:
    """Rating prompt ``number`` about a row; the row's texts stand in tuples."""
    return [
        "Prompt:\n",
        (prompt,),
        "\n\nResponse:\n",
        (response,),
        f"\n\n{RATING_PROMPTS[number]}",
    ]
