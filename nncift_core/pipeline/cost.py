"""What a run will cost before it starts, from rates measured on this machine where there are any.

Knows counts and rates, no model. Until a run has finished here, rates of a 2-core machine
without a GPU stand in, and the estimate says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nncift_core.config import RunConfig
from nncift_core.influence.label_plan import plan_block
from nncift_core.store import Workspace

# Measured by benchmarks/pipeline.py on 2 cores of an Intel Xeon at 2.8 GHz, without a GPU.
ROWS_EMBEDDED_PER_SECOND = 35.0
PAIRS_TRAINED_PER_SECOND = 20_000.0
PAIRS_PREDICTED_PER_SECOND = 40_000_000.0
TRAINING_EPOCHS = 20


@dataclass(frozen=True)
class CostEstimate:
    """What a run will do and about how long it will take.

    Attributes:
        training_pairs: Pairs labelled and trained on; 0 for an exact run.
        evaluation_pairs: Pairs labelled only to measure.
        all_pairs: Every pair of pool and target.
        rows_to_embed: Rows, at most; rows embedded before cost nothing.
        seconds: About how long the run takes, embedding included.
        measured_here: Whether the rates come from runs in this workspace.
    """

    training_pairs: int
    evaluation_pairs: int
    all_pairs: int
    rows_to_embed: int
    seconds: float
    measured_here: bool


def estimate_cost(
    workspace: Workspace,
    config: RunConfig,
    n_train: int,
    n_target: int,
    *,
    embedded: bool = False,
) -> CostEstimate:
    """The cost of a run on ``n_train`` x ``n_target`` rows.

    Args:
        workspace: Whose finished runs tell the rates.
        config: The run's settings.
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        embedded: Whether an earlier run embedded these rows with this encoder.

    Raises:
        ConfigError: The run would train on fewer than 16 pairs.
    """
    training = evaluation = 0
    if not config.exact:
        plan = plan_block(n_train, n_target, config.label_fraction, config.seed)
        training, evaluation = plan.training_pairs, plan.evaluation_pairs
    finished = [run.result for run in workspace.catalog.runs() if run.result]
    embed_rate = _rate(finished, "embed", lambda run: run["n_train"] + run["n_target"])
    train_rate = _rate(finished, "train", lambda run: run["labelled_pairs"] * TRAINING_EPOCHS)
    predict_rate = _rate(finished, "predict", lambda run: run["n_train"] * run["n_target"])
    pairs = n_train * n_target
    rows = 0 if embedded else n_train + n_target
    seconds = (
        rows / (embed_rate or ROWS_EMBEDDED_PER_SECOND)
        + training * TRAINING_EPOCHS / (train_rate or PAIRS_TRAINED_PER_SECOND)
        + pairs / (predict_rate or PAIRS_PREDICTED_PER_SECOND)
    )
    return CostEstimate(training, evaluation, pairs, rows, seconds, embed_rate is not None)


def _rate(finished: Sequence[Mapping[str, Any]], stage: str, units: Any) -> float | None:
    """Median units per second of a stage over finished runs that took a second or more.

    A stage that took less was answered from the cache or is too short to tell.
    """
    rates = sorted(
        units(run) / run["seconds"][stage]
        for run in finished
        if run["seconds"].get(stage, 0.0) >= 1.0 and units(run) > 0
    )
    return rates[len(rates) // 2] if rates else None
