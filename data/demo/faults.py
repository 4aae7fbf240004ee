"""Wrong twins: the same prompt with an answer that is wrong in a stated way.

It knows nothing of how many rows are spoilt; `generate.py` decides that.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from .base import WRONG_KINDS, Example, Family
from .families import FAMILIES

_TRIES = 200


def wrong(rng: Random, example: Example, kind: str, donor: Example | None = None) -> Example:
    """A copy of a right example with a wrong answer.

    Args:
        rng: Where the wrong answer is drawn from.
        example: A right example.
        kind: ``wrong_value`` (the house style is kept, the content is plausible and wrong; where
            the family hides a rule, it follows another rule), ``other_answer`` (the answer of
            another example of the same context), ``wrong_format`` (the right content in the style
            of another house), or ``truncated`` (the beginning of the right answer).
        donor: The example whose answer ``other_answer`` takes; drawn afresh when None.

    Returns:
        The twin, its `fault` set to `kind`; its response always differs from the right one.

    Raises:
        ValueError: The kind is unknown, the example is already wrong, or no answer of this kind
            differs from the right one.
    """
    if kind not in WRONG_KINDS:
        raise ValueError(f"unknown kind of wrong answer {kind!r}; known: {', '.join(WRONG_KINDS)}")
    if example.fault is not None:
        raise ValueError(f"the example is already wrong ({example.fault})")
    if kind == "other_answer" and donor is not None:
        candidates = iter([donor.response])
    else:
        family = FAMILIES[example.family]
        candidates = (_candidate(rng, family, example, kind) for _ in range(_TRIES))
    for response in candidates:
        if response not in ("", example.response):
            return replace(example, response=response, fault=kind)
    raise ValueError(f"no {kind} differs from the right answer {example.response!r}")


def _candidate(rng: Random, family: Family, example: Example, kind: str) -> str:
    context = example.context
    if kind == "wrong_value":
        return family.respond(family.spoil(rng, example.facts, context.rule), context)
    if kind == "other_answer":
        return family.sample(rng, context).response
    if kind == "wrong_format":
        house = family.make_contexts(rng.getrandbits(32), 1)[0]
        return family.respond(family.solve(example.facts, context.rule), house)
    length = len(example.response)
    return example.response[: rng.randint(max(1, length // 4), max(1, 3 * length // 5))].rstrip()
