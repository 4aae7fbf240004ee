"""What a run will cost before it starts, from rates measured on this machine where there are any.

Knows counts and rates, no model. Until a run has finished here, rates of a 2-core machine
without a GPU stand in for everything but labels, and the estimate says so. The rate of labels
depends on the language model, so it is known after a pilot or a run only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nncift_core.config import RunConfig
from nncift_core.influence import METHODS
from nncift_core.network import AUTO
from nncift_core.pipeline.inputs import state_rows
from nncift_core.pipeline.label_counts import count_labels
from nncift_core.pipeline.labelling import known_rate
from nncift_core.pipeline.planning import full_units, label_unit, needs_model
from nncift_core.store import Workspace

# Measured by benchmarks/pipeline.py on 2 cores of an Intel Xeon at 2.8 GHz, without a GPU.
ROWS_EMBEDDED_PER_SECOND = 35.0
PAIRS_TRAINED_PER_SECOND = 20_000.0
PAIRS_PREDICTED_PER_SECOND = 40_000_000.0
TRAINING_EPOCHS = 20
AUTO_FACTOR = 10.0
"""How much longer it takes to fit and compare every estimator than to train the paper's network at
the rate above: about 45 s for 6,000 labels on 2 cores of an AMD EPYC."""
READINGS_A_GRADIENT = 3.0
"""A gradient reads a row forward once and backward, which counts twice."""


@dataclass(frozen=True)
class CostEstimate:
    """What a run will do and about how long it will take.

    Attributes:
        training_pairs: Pairs labelled and trained on; 0 for an exact run. Rows for a pointwise
            method, likewise below.
        evaluation_pairs: Pairs labelled only to measure.
        all_pairs: Every pair of pool and target.
        rows_to_embed: Rows, at most; rows embedded before cost nothing.
        seconds: About how long the run takes, embedding included, and labelling where its rate
            is known.
        measured_here: Whether the rates come from runs in this workspace.
        unit: What labels are counted in: ``pairs``, ``gradients`` or ``rows``.
        label_units: Units that the run labels.
        full_units: Units of labelling everything, without NN-CIFT.
        label_rate: Units a second, None where nothing measured it yet.
        label_seconds: How long labelling takes, None likewise; 0 where it costs no model.
        full_seconds: How long labelling everything would take, None likewise.
    """

    training_pairs: int
    evaluation_pairs: int
    all_pairs: int
    rows_to_embed: int
    seconds: float
    measured_here: bool
    unit: str
    label_units: int
    full_units: int
    label_rate: float | None
    label_seconds: float | None
    full_seconds: float | None


def estimate_cost(
    workspace: Workspace,
    config: RunConfig,
    n_train: int,
    n_target: int,
    n_existing: int = 0,
    *,
    embedded: bool = False,
) -> CostEstimate:
    """The cost of a run on ``n_train`` x ``n_target`` rows.

    Args:
        workspace: Whose finished runs and pilots tell the rates.
        config: The run's settings, its objective filled in (see ``resolve``).
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        n_existing: Rows of the existing set.
        embedded: Whether an earlier run embedded these rows with this encoder.

    Raises:
        ConfigError: The run would train on fewer than 16 pairs.
    """
    entry = METHODS[config.method]
    pairs = n_train if entry.pointwise else n_train * n_target
    training = evaluation = 0
    everything = label_units = full_units(config, n_train, n_target, n_existing)
    if not config.exact:
        counts = count_labels(config, n_train, n_target, n_existing)
        training, evaluation, label_units = counts.training, counts.evaluation, counts.units
    # A run that extends another embeds the added rows only and trains nothing.
    done = [run for run in workspace.catalog.runs() if run.result and "extension" not in run.result]
    finished = [run.result for run in done if run.result]
    alike = [
        run.result
        for run in done
        if run.result and run.config.get("config", {}).get("network") == config.network
    ]
    embed_rate = _rate(finished, "embed", lambda run: run["n_train"] + run["n_target"])
    train_rate = _rate(alike, "train", lambda run: run["labelled_pairs"] * TRAINING_EPOCHS)
    predict_rate = _rate(finished, "predict", lambda run: run["n_train"] * run["n_target"])
    embeds = not (config.exact and needs_model(config))
    rows = 0 if embedded or not embeds else n_train + n_target
    rate = known_rate(workspace, config) if needs_model(config) else None
    label_seconds = full_seconds = None if needs_model(config) else 0.0
    reading = 0.0
    if rate:
        label_seconds, full_seconds = label_units / rate, everything / rate
        read_rate = rate * (READINGS_A_GRADIENT if "gradients" in entry.needs else 1.0)
        reading = state_rows(config, n_train, n_target, n_existing) / read_rate
    usual_rate = PAIRS_TRAINED_PER_SECOND / (AUTO_FACTOR if config.network == AUTO else 1.0)
    seconds = (
        rows / (embed_rate or ROWS_EMBEDDED_PER_SECOND)
        + reading
        + training * TRAINING_EPOCHS / (train_rate or usual_rate)
        + pairs / (predict_rate or PAIRS_PREDICTED_PER_SECOND)
        + (label_seconds or 0.0)
    )
    return CostEstimate(
        training_pairs=training,
        evaluation_pairs=evaluation,
        all_pairs=pairs,
        rows_to_embed=rows,
        seconds=seconds,
        measured_here=embed_rate is not None,
        unit=label_unit(config),
        label_units=label_units,
        full_units=everything,
        label_rate=rate,
        label_seconds=label_seconds,
        full_seconds=full_seconds,
    )


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
