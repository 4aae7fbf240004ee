"""How good estimates are at equal cost: networks, rivals and designs on fully known influence.

    python benchmarks/fidelity.py --data NAME [--real POOL ... TARGET] [--seeds 5] [--share 0.05]

Every entry spends what the paper's block of labels costs (``--share`` of the pairs of a block):
tokens that the language model reads forward, plus twice those read backward; reading rows for
hidden states is paid for with labels. Measured on every pair without a label, by R², by R² of
pairs whose row and target are both unlabelled (Q4), by rank correlation of pairs and of row
scores (labels standing in), and by the share of the gap that 10 % and 30 % subsets close between
chance and true influence. ``auto`` is what one draw of labels kept out would have picked.
Ceilings: how far a second labelling agrees, and the process on half of all pairs. Writes
``benchmarks/results/fidelity-NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fidelity_truth as truths
import numpy as np
import torch
from scipy.stats import spearmanr

from nncift_core.influence.designs import DESIGNS
from nncift_core.influence.draws import Clusters
from nncift_core.influence.label import together
from nncift_core.influence.label_blocks import LabelBlock, LabelPlan, PairCost
from nncift_core.influence.label_plan import plan_rows
from nncift_core.influence.second_round import second_round_plan
from nncift_core.network import NETWORKS, RIVALS, fitting
from nncift_core.network.disagreement import Disagreement
from nncift_core.network.fitting import Fitted, fit
from nncift_core.network.predict import Predictor
from nncift_core.network.scale import LabelScale
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import Vectors
from nncift_core.progress import SilentProgress
from nncift_core.runtime import versions
from nncift_core.selection.matrices import Matrices
from nncift_core.studies.audit_subsets import gap_closed
from nncift_core.types import FloatArray, Pairs

RESULTS = Path(__file__).parent / "results"
STATES_COST = 0.5
"""Passes of a row that its hidden states cost: half of the layers."""
EPOCHS = 4
"""Checkpoints of LESS; a gradient reads a row three times as much as a forward pass."""
QUESTIONS = 5 * 28
"""Tokens of SelectIT's five questions behind a row, about."""
SECOND_SHARE = 0.3
MOST_CEILING_PAIRS = 400_000
"""Of larger matrices half of the pairs are too many to learn from here."""
TEXT_ONLY = ("paper", "cosine", "additive")


@dataclass(frozen=True)
class Rules:
    """What entries share.

    Attributes:
        method: The influence function.
        equal_labels: Whether entries get as many labels, whatever these and states cost.
    """

    method: str
    equal_labels: bool = False


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    network: str
    design: str
    inputs: str


def entries(truth: truths.Truth, method: str) -> Iterator[Entry]:
    """What is compared: every estimator, with each design and what it may see."""
    names = [*NETWORKS.names, *RIVALS.names]
    if truth.pointwise:
        yield from (Entry(n, "rows", "text") for n in names if n not in ("cosine", "additive"))
        return
    better = "balanced" if method == "less" else "spread"
    for design in ("block", better):
        yield from (Entry(name, design, "text") for name in names)
    if truth.states is not None:
        yield from (Entry(name, better, "states") for name in names if name not in TEXT_ONLY)
    if method == "delift":
        yield Entry("process", "two rounds", "states")


@cache
def alike(truth: truths.Truth) -> Clusters:
    """Clusters of both sides by their embeddings."""
    helped = truth.helpers[:1] if truth.pointwise else truth.helped
    return cluster_rows(Vectors(truth.helpers, helped, helped[:0]))


def plan(truth: truths.Truth, entry: Entry, fraction: float, seed: int) -> LabelPlan:
    """The labels of an entry."""
    n, m = truth.values.shape
    clusters = alike(truth)
    if truth.pointwise:
        return plan_rows(n, fraction, seed, clusters=clusters)
    ratio = 0.0
    if truth.tokens is not None:
        ratio = float(truth.tokens[0].mean() / truth.tokens[1].mean())
    made: LabelPlan = DESIGNS[entry.design].load()(
        n,
        m,
        fraction,
        seed,
        clusters=clusters if entry.design != "block" or entry.network != "paper" else None,
        costs=PairCost(ratio),
    )
    return made


def cost(truth: truths.Truth, rules: Rules, entry: Entry, pairs: Pairs) -> float:
    """What the labels and states of an entry cost, in tokens read; labels where no model reads."""
    if truth.tokens is None or rules.equal_labels:
        return float(len(pairs))
    as_prefix, as_target = truth.tokens
    rows, columns = np.unique(pairs.helper), np.unique(pairs.helped)
    read = 0.0
    if entry.inputs == "states":
        read = STATES_COST * float(as_prefix.sum() + (0 if truth.pointwise else as_target.sum()))
    if truth.pointwise:
        return read + float(as_prefix[rows].sum() + QUESTIONS * len(rows))
    if rules.method == "less":
        gradients = float(as_prefix[rows].sum() + as_target[columns].sum())
        return read + 3 * EPOCHS * gradients
    return read + float(as_prefix[rows].sum() + as_target[pairs.helped].sum())


def labels_at(
    truth: truths.Truth, rules: Rules, entry: Entry, fraction: float, seed: int
) -> tuple[Pairs, float]:
    """The most labels that cost no more than the paper's block of this fraction."""
    if entry.design == "two rounds":
        return two_rounds(truth, rules, entry, fraction, seed)
    whole = "rows" if truth.pointwise else "block"
    paper = Entry("paper", whole, "text")
    most = cost(truth, rules, paper, training(truth, plan(truth, paper, fraction, seed)))
    low, high = 0.02, fraction
    if rules.equal_labels:
        high = min(1.0, 1.6 * fraction)
    best = None
    for step in range(12):
        middle = high if step == 0 else (low + high) / 2
        pairs = training(truth, plan(truth, entry, middle, seed))
        spent = cost(truth, rules, entry, pairs)
        if spent <= most * 1.001:
            best, low = (pairs, spent), middle
            if step == 0:
                break
        else:
            high = middle
    assert best is not None, f"{entry} cannot be had for {most:,.0f}"
    return best


def two_rounds(
    truth: truths.Truth, rules: Rules, entry: Entry, fraction: float, seed: int
) -> tuple[Pairs, float]:
    """Spread labels of which 30 % are placed where an ensemble disagrees, at the same cost."""
    once = Entry(entry.network, "spread", entry.inputs)
    whole, most = labels_at(truth, rules, once, fraction, seed)
    share = (1 - SECOND_SHARE) * len(whole) / truth.values.size
    first = share**0.5
    made = plan(truth, once, first, seed)
    pairs = training(truth, made)
    assert truth.states is not None
    doubt = Disagreement.of(pairs, truth.states[0], truth.states[1], truth.helpers.shape[1], seed)
    left = len(whole) - len(pairs)
    while left > 0:
        block = second_round_plan(made, doubt, left, seed)
        assert block is not None
        both = together([pairs, of_block(truth, block)])
        spent = cost(truth, rules, once, both)
        if spent <= most * 1.005:
            return both, spent
        left = int(0.97 * left)
    return pairs, cost(truth, rules, once, pairs)


def training(truth: truths.Truth, made: LabelPlan) -> Pairs:
    """The pairs that are trained on, with their true values."""
    block = made.block("q1")
    assert block is not None
    return of_block(truth, block)


def of_block(truth: truths.Truth, block: LabelBlock) -> Pairs:
    """The pairs of a block with their true values."""
    places = block.columns
    if places is None:
        places = np.tile(np.arange(len(block.helped)), (len(block.helpers), 1))
    i = np.repeat(block.helpers, places.shape[1])
    j = block.helped[places.ravel()]
    values = truth.values[i, j]
    keep = np.isfinite(values)
    return Pairs(i[keep], j[keep], values[keep].astype(np.float32))


def measure(
    truth: truths.Truth, predicted: FloatArray, pairs: Pairs, method: str
) -> dict[str, Any]:
    """All columns of the table but cost and time."""
    values = truth.values.astype(np.float64)
    unlabelled = np.isfinite(values)
    unlabelled[pairs.helper, pairs.helped] = False
    rows, columns = (np.ones(size, dtype=bool) for size in values.shape)
    rows[pairs.helper] = False
    columns[pairs.helped] = truth.pointwise
    q4 = unlabelled & rows[:, None] & columns[None]
    best = predicted.astype(np.float64).copy()
    best[pairs.helper, pairs.helped] = pairs.value
    found: dict[str, Any] = {
        "r2": r_squared(values[unlabelled], predicted[unlabelled]),
        "mse": float(np.mean((values[unlabelled] - predicted[unlabelled]) ** 2)),
        "q4_r2": r_squared(values[q4], predicted[q4]) if q4.sum() >= 30 else None,
        "spearman": float(spearmanr(values[unlabelled], predicted[unlabelled])[0]),
        "row_spearman": float(spearmanr(values.mean(axis=1), best.mean(axis=1))[0]),
    }
    objective = "topk" if method in ("less", "selectit") else "fl"
    scale = LabelScale.of(pairs)
    for share in (0.1, 0.3):
        sides = [matrices(side, scale, truth, objective) for side in (values, best)]
        ids = [row.id for row in truth.rows[0]]
        closed = gap_closed(objective, sides[0], sides[1], int(share * len(ids)), ids, 0)
        found[f"gap_{share}"] = closed["share"]
    return found


def matrices(
    values: FloatArray, scale: LabelScale, truth: truths.Truth, objective: str
) -> Matrices:
    """What the selection reads."""
    scaled = np.maximum((values - scale.lo) / scale.width, 0).astype(np.float32)
    mean = values.mean(axis=1).astype(np.float32)
    return Matrices(
        row_mean=mean,
        target=None if objective == "topk" else scaled,
        pool=None,
        existing=None,
        row_scores=mean,
        subtasks=[None] * values.shape[1],
    )


def r_squared(true: FloatArray, predicted: FloatArray) -> float:
    """1 is exact, 0 is the mean of these pairs."""
    return float(1 - np.mean((true - predicted) ** 2) / np.var(true))


def run(
    truth: truths.Truth, rules: Rules, entry: Entry, fraction: float, seed: int
) -> dict[str, Any]:
    """One entry with one seed."""
    pairs, spent = labels_at(truth, rules, entry, fraction, seed)
    helpers, helped = truth.helpers, truth.helped
    if entry.inputs == "states":
        assert truth.states is not None
        helpers, helped = truth.states
    start = time.perf_counter()
    fitted = fitted_to(entry.network, helpers, helped, pairs, seed, truth)
    seconds = time.perf_counter() - start
    predicted = Predictor(fitted.project(helpers, helped)).block(0, len(helpers))
    return {
        "labels": len(pairs),
        "cost": spent,
        "seconds": seconds,
        "parameters": fitted.parameters,
        "validation_mse": fitted.candidates[0].validation_mse,
        **measure(truth, predicted, pairs, rules.method),
    }


def fitted_to(
    name: str,
    helpers: FloatArray,
    helped: FloatArray,
    pairs: Pairs,
    seed: int,
    truth: truths.Truth,
) -> Fitted:
    """The estimator, fitted by the product's own code."""
    text = truth.helpers.shape[1]
    return fit(name, helpers, helped, {"q1": pairs}, seed, SilentProgress(), text=text)


def ceilings(truth: truths.Truth, method: str) -> dict[str, Any]:
    """What no estimator can be expected to pass."""
    found: dict[str, Any] = {}
    if truth.second is not None:
        rows, columns = truth.second.shape
        first = truth.values[:rows, :columns]
        found["second_labelling_r2"] = float(
            np.corrcoef(first.ravel(), truth.second.ravel())[0, 1] ** 2
        )
        if columns > 1:
            ranks = spearmanr(first.mean(axis=1), truth.second.mean(axis=1))[0]
            found["second_labelling_row_spearman"] = float(ranks)
    if truth.values.size > MOST_CEILING_PAIRS:
        return found
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.permutation(truth.values.size)[: truth.values.size // 2])
    i, j = np.divmod(chosen, truth.values.shape[1])
    pairs = Pairs(i, j, truth.values[i, j].astype(np.float32))
    helpers, helped = truth.states or (truth.helpers, truth.helped)
    if truth.pointwise:
        helpers = truth.helpers
    fitted = fitted_to("process", helpers, helped, pairs, 0, truth)
    predicted = Predictor(fitted.project(helpers, helped)).block(0, len(helpers))
    found["half_of_the_pairs"] = measure(truth, predicted, pairs, method)
    return found


def interval(values: Sequence[float]) -> list[float]:
    """95 % interval of a mean by the bootstrap over seeds."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(values, size=(2000, len(values))).mean(axis=1)
    return [float(end) for end in np.quantile(drawn, [0.025, 0.975])]


def picked(lines: dict[str, list[dict[str, Any]]]) -> None:
    """Add what ``auto`` would have taken: per seed the lowest error on labels kept out."""
    groups: dict[str, list[str]] = {}
    for name in lines:
        network, group = name.split("/", 1)
        if network != "paper":
            groups.setdefault(group, []).append(name)
    for group, names in groups.items():
        seeds = range(len(lines[names[0]]))
        best = [min(names, key=lambda name: lines[name][seed]["validation_mse"]) for seed in seeds]
        lines[f"auto/{group}"] = [
            {**lines[name][seed], "picked": name.split("/")[0]} for seed, name in enumerate(best)
        ]


def comparisons(lines: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The best estimator that is no rival, paired by seed with the paper's way and each rival."""
    means = {name: np.mean([one["r2"] for one in found]) for name, found in lines.items()}
    own = [name for name in means if name.split("/")[0] in NETWORKS.names]
    best = max(own, key=lambda name: means[name])
    found: dict[str, Any] = {"best": best, "against": {}}
    for other in lines:
        network = other.split("/")[0]
        if network in RIVALS.names or other in ("paper/block/text", "paper/rows/text"):
            pairs = list(zip(lines[best], lines[other], strict=True))
            gains = [ours["r2"] - theirs["r2"] for ours, theirs in pairs]
            found["against"][other] = {
                "r2_gain": float(np.mean(gains)),
                "interval": interval(gains),
                "error_ratio": float(np.mean([o["mse"] / t["mse"] for o, t in pairs])),
            }
    return found


def table(lines: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Markdown, the best first."""
    head = ["estimator", "design", "sees", "labels", "R²", "95 %", "Q4 R²", "rank", "row rank"]
    head += ["gap 10 %", "gap 30 %", "s", "parameters"]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    order = sorted(lines, key=lambda name: -np.mean([one["r2"] for one in lines[name]]))
    for name in order:
        found = lines[name]

        def mean(field: str, digits: int = 2, found: list[dict[str, Any]] = found) -> str:
            known = [one[field] for one in found if one[field] is not None]
            return f"{np.mean(known):.{digits}f}" if known else ""

        low, high = interval([one["r2"] for one in found])
        cells = [*name.split("/"), f"{np.mean([one['labels'] for one in found]):,.0f}", mean("r2")]
        cells += [f"{low:.2f} to {high:.2f}", mean("q4_r2"), mean("spearman"), mean("row_spearman")]
        cells += [mean("gap_0.1"), mean("gap_0.3"), mean("seconds", 1)]
        cells.append(f"{found[0]['parameters']:,}")
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        required=True,
        choices=["delift", "less", "selectit", "delift-se", "identity", "real"],
    )
    parser.add_argument("--real", nargs="+", metavar="FILE", help="pools, and last the target")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05, help="of the pairs, in the block")
    parser.add_argument("--equal", choices=["cost", "labels"], default="cost")
    parser.add_argument(
        "--only",
        default="",
        help="estimators, separated by commas; merged into the results that are there",
    )
    parser.add_argument("--cache", type=Path, default=truths.CACHE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    # One draw of what is kept out instead of three: every entry is fitted twice, not four times.
    fitting.DRAWS_OF_FEW = 1
    made: dict[str, Any] = {
        "delift": truths.delift,
        "less": truths.less,
        "selectit": truths.selectit,
        "identity": truths.delift_se_demo,
        "delift-se": lambda cache: truths.delift_se_prompts(
            cache, truths.demo_rows(*truths.DEMO_ROWS), "delift-se, demo, prompts"
        ),
        "real": lambda cache: truths.delift_se_prompts(
            cache, truths.real_rows(options.real), "delift-se, real, prompts"
        ),
    }
    truth: truths.Truth = made[options.data](options.cache)
    method = options.data if options.data in ("delift", "less", "selectit") else "delift-se"
    fraction = options.share if truth.pointwise else options.share**0.5
    rules = Rules(method, options.equal == "labels")
    only = set(options.only.split(",")) - {""}
    lines: dict[str, list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        for entry in entries(truth, method):
            if only and entry.network not in only:
                continue
            name = f"{entry.network}/{entry.design}/{entry.inputs}"
            lines.setdefault(name, []).append(run(truth, rules, entry, fraction, seed))
            last = lines[name][-1]
            print(seed, name, f"R² {last['r2']:.3f}, {last['seconds']:.0f} s", flush=True)
    share = f"-{100 * options.share:g}" if options.share != 0.05 else ""
    equal = "-equal-labels" if options.equal == "labels" else ""
    path = RESULTS / f"fidelity-{options.data}{share}{equal}.json"
    if only and path.is_file():
        # Lines of an earlier call with as many seeds stay.
        earlier = json.loads(path.read_text())["entries"]
        same = {name: found for name, found in earlier.items() if len(found) == options.seeds}
        lines = {name: found for name, found in same.items() if "auto/" not in name} | lines
    picked(lines)
    result = {
        "command": f"python benchmarks/fidelity.py --data {options.data} --seeds {options.seeds} "
        f"--share {options.share:g} --equal {options.equal}",
        "rows": truth.values.shape,
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "ceilings": ceilings(truth, method),
        "comparisons": comparisons(lines),
        "entries": lines,
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(table(lines)))
    print(json.dumps({name: result[name] for name in ("ceilings", "comparisons")}, indent=1))


if __name__ == "__main__":
    main()
