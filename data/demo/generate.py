"""The demo: a pool, a target and the planted truth, drawn from the families under fixed shares.

A quarter of the families, and of the remaining ones two contexts in five, are absent from the
target. The pool holds all of them, with wrong and cut-off answers and near duplicates planted at
the shares below; the target is clean. Nothing of that is written into the rows. It knows how to
turn the parts into lines of JSON, and nothing of where files stand.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from random import Random

from nncift_core.datasets.identity import assign_ids

from .base import DEMO_CONTEXTS, DEMO_SEED, Context, Example
from .families import FAMILIES
from .faults import wrong

SHARE_WRONG = 0.10
SHARE_TRUNCATED = 0.02
SHARE_NEAR_DUPLICATE = 0.10
SHARE_ABSENT_FAMILIES = 0.25
"""Of the pool's rows; also the share of the families that the target lacks."""
TARGET_CONTEXTS = 3
"""How many of a family's `DEMO_CONTEXTS` contexts the target holds."""

_WRONG_ANSWERS = ("wrong_value", "other_answer", "wrong_format")


@dataclass(frozen=True)
class Truth:
    """What is planted in one row.

    Attributes:
        split: ``pool`` or ``target``.
        line: Position in its file, from 0.
        id: Content-addressed row id, as the datasets package gives it to the row of that file.
        family: Name of the family.
        context: Name of the context.
        in_target_family: Whether the target holds rows of the family.
        in_target_context: Whether the target holds rows of the context.
        fault: ``wrong_value``, ``other_answer``, ``wrong_format``, ``truncated`` or None.
        near_duplicate_of: Pool line of the row that this one rewords, or None.
    """

    split: str
    line: int
    id: str
    family: str
    context: str
    in_target_family: bool
    in_target_context: bool
    fault: str | None
    near_duplicate_of: int | None


@dataclass(frozen=True)
class Demo:
    """Pool, target and truth; `truth` lists the pool's rows and then the target's."""

    pool: tuple[Example, ...]
    target: tuple[Example, ...]
    truth: tuple[Truth, ...]

    def files(self) -> dict[str, str]:
        """File name to content: one JSON object a line."""
        return {
            "demo_pool.jsonl": _lines(map(_row, self.pool)),
            "demo_target.jsonl": _lines(map(_row, self.target)),
            "demo_truth.jsonl": _lines(asdict(truth) for truth in self.truth),
        }


def _row(example: Example) -> dict[str, str]:
    return {
        "prompt": example.prompt,
        "response": example.response,
        "subtask": example.family,
    }


def _lines(objects: Iterable[dict[str, object] | dict[str, str]]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)


def generate(seed: int = DEMO_SEED, n_pool: int = 2000, n_target: int = 400) -> Demo:
    """Draw a demo. The same arguments give the same bytes.

    Args:
        seed: Decides contexts, which of them the target holds, rows and faults.
        n_pool: Rows of the pool, at least 20.
        n_target: Rows of the target, at least 1.

    Raises:
        ValueError: A size is too small.
    """
    if n_pool < 20 or n_target < 1:
        raise ValueError(f"needs n_pool >= 20 and n_target >= 1, got {n_pool} and {n_target}")
    rng = Random(f"demo/{seed}")
    absent = _absent_families(rng)
    contexts = {
        name: family.make_contexts(seed, DEMO_CONTEXTS) for name, family in FAMILIES.items()
    }
    wanted = {
        context.name
        for name in FAMILIES
        if name not in absent
        for context in rng.sample(contexts[name], TARGET_CONTEXTS)
    }
    every = [context for name in FAMILIES for context in contexts[name]]
    on_target = [context for context in every if context.name in wanted]
    known = [context for context in every if context.family not in absent]
    foreign = [context for context in every if context.family in absent]

    draw = _Draw(rng)
    target = draw.examples(on_target, n_target)
    rng.shuffle(target)

    n_duplicates = round(SHARE_NEAR_DUPLICATE * n_pool)
    n_originals = n_pool - n_duplicates
    n_foreign = round(SHARE_ABSENT_FAMILIES * n_originals)
    originals = draw.examples(known, n_originals - n_foreign) + draw.examples(foreign, n_foreign)
    n_foreign_duplicates = round(SHARE_ABSENT_FAMILIES * n_duplicates)
    sources = sorted(
        rng.sample(range(n_originals - n_foreign), n_duplicates - n_foreign_duplicates)
        + rng.sample(range(n_originals - n_foreign, n_originals), n_foreign_duplicates)
    )
    duplicates = draw.duplicates([originals[source] for source in sources])
    _spoil(rng, originals, spared=set(sources), n_pool=n_pool)

    rows = [*originals, *duplicates]
    order = list(range(n_pool))
    rng.shuffle(order)
    line_of = {row: line for line, row in enumerate(order)}
    pool = [rows[row] for row in order]
    duplicate_of = {line_of[n_originals + k]: line_of[source] for k, source in enumerate(sources)}
    truth = [
        *_truth("pool", pool, absent, wanted, duplicate_of),
        *_truth("target", target, absent, wanted, {}),
    ]
    return Demo(tuple(pool), tuple(target), tuple(truth))


def _absent_families(rng: Random) -> set[str]:
    """A quarter of the families, as many with a hidden rule as without."""
    count = round(SHARE_ABSENT_FAMILIES * len(FAMILIES))
    hidden = [name for name, family in FAMILIES.items() if family.rule_hidden]
    plain = [name for name, family in FAMILIES.items() if not family.rule_hidden]
    return {*rng.sample(hidden, count // 2), *rng.sample(plain, count - count // 2)}


class _Draw:
    """Draws rows so that no task of a context and no prompt occurs twice, pool or target."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._tasks: set[tuple[str, str]] = set()
        self._prompts: set[str] = set()

    def examples(self, contexts: Sequence[Context], count: int) -> list[Example]:
        """Equally many examples of each context, the remainder spread at random."""
        each, remainder = divmod(count, len(contexts))
        extra = set(self._rng.sample(range(len(contexts)), remainder))
        return [
            self._fresh(context)
            for position, context in enumerate(contexts)
            for _ in range(each + (position in extra))
        ]

    def _fresh(self, context: Context) -> Example:
        for _ in range(1000):
            example = FAMILIES[context.family].sample(self._rng, context)
            task = (context.name, example.body)
            if task not in self._tasks and example.prompt not in self._prompts:
                self._tasks.add(task)
                self._prompts.add(example.prompt)
                return example
        raise ValueError(f"the context {context.name} has too few different tasks")

    def duplicates(self, examples: Sequence[Example]) -> list[Example]:
        """A rewording of each, with a prompt of its own."""
        made = []
        for example in examples:
            copy = FAMILIES[example.family].reword(self._rng, example)
            while copy.prompt in self._prompts:
                copy = FAMILIES[example.family].reword(self._rng, copy)
            self._prompts.add(copy.prompt)
            made.append(copy)
        return made


def _spoil(rng: Random, originals: list[Example], spared: set[int], n_pool: int) -> None:
    """Plant wrong and cut-off answers in place; rows that have a near duplicate stay right."""
    n_wrong, n_truncated = round(SHARE_WRONG * n_pool), round(SHARE_TRUNCATED * n_pool)
    candidates = [row for row in range(len(originals)) if row not in spared]
    chosen = rng.sample(candidates, n_wrong + n_truncated)
    right = defaultdict(list)
    for row in sorted(set(candidates) - set(chosen)) + sorted(spared):
        right[originals[row].context.name].append(originals[row])
    for k, row in enumerate(chosen):
        kind = _WRONG_ANSWERS[k % 3] if k < n_wrong else "truncated"
        example = originals[row]
        donor = None
        if kind == "other_answer":
            others = [o for o in right[example.context.name] if o.response != example.response]
            donor = rng.choice(others) if others else None
        originals[row] = wrong(rng, example, kind, donor)


def _truth(
    split: str,
    examples: Sequence[Example],
    absent: set[str],
    wanted: set[str],
    duplicate_of: dict[int, int],
) -> list[Truth]:
    ids = assign_ids((example.prompt, example.response) for example in examples)
    return [
        Truth(
            split=split,
            line=line,
            id=ids[line],
            family=example.family,
            context=example.context.name,
            in_target_family=example.family not in absent,
            in_target_context=example.context.name in wanted,
            fault=example.fault,
            near_duplicate_of=duplicate_of.get(line),
        )
        for line, example in enumerate(examples)
    ]
