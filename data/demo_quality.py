"""What the demo language model learnt, measured on contexts and rows that it never saw.

For each family it draws targets of fresh contexts and, for each, examples of the same context,
their wrong twins, examples of other families and of other houses. All values are DELIFT: how much
nearer the model comes to the target's response with the example than without.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from data.demo import FAMILIES, Example, Family, wrong
from nncift_core.lm.prompts import Prompter, flatten
from nncift_core.lm.scoring import ScoringEngine, Target

QUALITY_SEED = 500_000
"""Contexts of this seed are used here only; training uses seeds from 1,000,000 on."""

SAME, TWIN, OTHER, HOUSE = "same", "twin", "other family", "other house"


@dataclass(frozen=True)
class Quality:
    """What was measured; shares are between 0 and 1.

    Attributes:
        targets: Target rows.
        pairs: Pairs of an example and a target.
        auc: Chance that an example of the same family and context helps a target more than one
            of another family: within each target, then the mean over targets.
        auc_by_family: The same for the targets of each family.
        right_over_wrong: Chance that an example with the right answer helps more than its twin
            with a wrong value, by family of the target.
        right_over_wrong_hidden: Mean of that over the families whose rule only an example shows.
        right_over_wrong_rest: Mean over the other families.
        loss_without: Mean loss of a response token without an example, in nats.
        loss_with: The same with a right example of the same context.
        loss_other: The same with an example of another family.
        spread: Standard deviation of all DELIFT values but the twins'.
        mean: Mean DELIFT value by kind of example.
    """

    targets: int
    pairs: int
    auc: float
    auc_by_family: Mapping[str, float]
    right_over_wrong: Mapping[str, float]
    right_over_wrong_hidden: float
    right_over_wrong_rest: float
    loss_without: float
    loss_with: float
    loss_other: float
    spread: float
    mean: Mapping[str, float]


def _wins(better: Sequence[float], worse: Sequence[float]) -> float:
    """Share of (better, worse) pairs in the right order; ties count half."""
    first, second = np.asarray(better)[:, None], np.asarray(worse)[None, :]
    return float(((first > second) + 0.5 * (first == second)).mean())


def draw(
    rng: Random, family: Family, contexts: Mapping[str, Sequence[Any]], same: int, other: int
) -> tuple[Example, list[tuple[str, Example]]]:
    """A target of a family and its (kind, example) candidates; each twin follows its example."""
    own = contexts[family.name]
    house = rng.choice(own)
    target = family.sample(rng, house)
    candidates: list[tuple[str, Example]] = []
    while len(candidates) < 2 * same:
        example = family.sample(rng, house)
        if example.body != target.body:
            candidates += [(SAME, example), (TWIN, wrong(rng, example, "wrong_value"))]
    for _ in range(other):
        stranger = rng.choice([f for f in FAMILIES.values() if f.name != family.name])
        candidates.append((OTHER, stranger.sample(rng, rng.choice(contexts[stranger.name]))))
    elsewhere = rng.choice([context for context in own if context.name != house.name])
    candidates.append((HOUSE, family.sample(rng, elsewhere)))
    return target, candidates


def measure(
    engine: ScoringEngine,
    prompter: Prompter,
    *,
    targets: int = 10,
    same: int = 4,
    other: int = 8,
    seed: int = QUALITY_SEED,
) -> Quality:
    """Measure a model.

    Args:
        engine: Scores with the model.
        prompter: Its prompts.
        targets: Target rows of each family.
        same: Examples of the same context, each with a wrong twin, of each target.
        other: Examples of other families of each target.
        seed: Of contexts and rows.
    """
    rng = Random(f"quality/{seed}")
    contexts = {name: family.make_contexts(seed, 6) for name, family in FAMILIES.items()}

    def score(target: Example, examples: Sequence[Example | None]) -> list[tuple[float, float]]:
        """Distance and loss of a target after each example."""
        item = Target(
            tuple(flatten(prompter.query(target.prompt))),
            tuple(prompter.response(target.response)),
        )
        shown = [[] if each is None else [(each.prompt, each.response)] for each in examples]
        groups = [(flatten(prompter.example_prefix(pairs)), [item]) for pairs in shown]
        found = [logs[0].astype(np.float64) for logs in engine.log_probs_of_groups(groups)]
        return [
            (float(np.sqrt(np.mean((np.exp(logs) - 1) ** 2))), float(-logs.mean()))
            for logs in found
        ]

    losses: dict[str, list[float]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    auc: dict[str, list[float]] = defaultdict(list)
    right: dict[str, list[float]] = defaultdict(list)
    for family in FAMILIES.values():
        for _ in range(targets):
            target, candidates = draw(rng, family, contexts, same, other)
            (without, loss), *scored = score(target, [None, *(some for _, some in candidates)])
            losses["none"].append(loss)
            found: dict[str, list[float]] = defaultdict(list)
            for (kind, _), (distance, loss) in zip(candidates, scored, strict=True):
                losses[kind].append(loss)
                found[kind].append(without - distance)
            for kind, some in found.items():
                values[kind] += some
            auc[family.name].append(_wins(found[SAME], found[OTHER]))
            right[family.name] += [
                float(a > b) + 0.5 * float(a == b)
                for a, b in zip(found[SAME], found[TWIN], strict=True)
            ]
    by_family = {name: float(np.mean(right[name])) for name in FAMILIES}
    hidden = [name for name, family in FAMILIES.items() if family.rule_hidden]
    rest = [name for name in FAMILIES if name not in hidden]
    real = [value for kind, some in values.items() if kind != TWIN for value in some]
    return Quality(
        targets=len(losses["none"]),
        pairs=sum(map(len, values.values())),
        auc=float(np.mean([value for some in auc.values() for value in some])),
        auc_by_family={name: float(np.mean(some)) for name, some in auc.items()},
        right_over_wrong=by_family,
        right_over_wrong_hidden=float(np.mean([by_family[name] for name in hidden])),
        right_over_wrong_rest=float(np.mean([by_family[name] for name in rest])),
        loss_without=float(np.mean(losses["none"])),
        loss_with=float(np.mean(losses[SAME])),
        loss_other=float(np.mean(losses[OTHER])),
        spread=float(np.std(real)),
        mean={kind: float(np.mean(some)) for kind, some in values.items()},
    )
