"""The demo generator: task families in many houses, each with a rule that prompts hide.

    from data.demo import FAMILIES, generate, wrong

    demo = generate(seed=0)                                # pool, target, truth
    family = FAMILIES["pack_sizes"]
    house = family.make_contexts(seed=7, count=1)[0]       # unseen elsewhere
    example = family.sample(random.Random(1), house)       # .prompt, .response
    twin = wrong(random.Random(2), example, "wrong_value")

Everything follows from seeds. It uses the standard library and the definition of row ids only.
"""

from __future__ import annotations

from .base import DEMO_CONTEXTS, DEMO_SEED, WRONG_KINDS, Context, Example, Family
from .families import FAMILIES
from .faults import wrong
from .generate import Demo, Truth, generate

__all__ = [
    "DEMO_CONTEXTS",
    "DEMO_SEED",
    "FAMILIES",
    "WRONG_KINDS",
    "Context",
    "Demo",
    "Example",
    "Family",
    "Truth",
    "generate",
    "wrong",
]
