"""Selection from a run's influence: demands, the choice, and what is stored of both.

Knows how a selection becomes a record; objectives and optimizers live in ``selection``, matrices
in ``scaled_matrices``, demands in ``demands``.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from nncift_core.config import Budget
from nncift_core.errors import ConfigError
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.demands import Demands, build_demands, left_out_counts
from nncift_core.pipeline.estimates import Estimates
from nncift_core.pipeline.facts import pool_facts
from nncift_core.pipeline.kept_matrices import KeptMatrices
from nncift_core.pipeline.kept_orders import KeptOrders
from nncift_core.pipeline.pick_words import PickWords
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.scaled_matrices import RunMatrices
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress, WhereWork
from nncift_core.selection import SelectionResult, maximise
from nncift_core.selection_config import SelectionConfig, join_ids
from nncift_core.store import SelectedRow, SelectionRecord, Workspace


def select(
    workspace: Workspace,
    run_id: str,
    selection_id: str | None,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    estimates: Estimates,
    progress: Progress,
    *,
    name: str = "Run",
    seed: int | None = None,
) -> SelectionRecord:
    """Choose rows by objective, budget and selection settings of ``spec``; store the selection.

    Args:
        workspace: Where the selection is stored.
        run_id: The run whose influence is used.
        selection_id: Its id, None for a new one.
        spec: The run, with the objective, budget and settings to use.
        roles: The run's rows.
        files: The run's artifacts.
        estimates: The run's influence.
        progress: Told of stage ``select`` in rows; warned where fewer rows than the budget can be
            chosen.
        name: What people call the selection.
        seed: Of the optimizer's draws, None for the run's.

    Raises:
        ConfigError: The budget is larger than the pool, demands contradict each other, or a
            matrix does not fit in memory, or no row could be chosen.
        Cancelled: Between picks.
    """
    config, settings = spec.config, spec.config.selection
    seed = config.seed if seed is None else seed
    budget = Budget(config.budget).rows(len(roles.pool))
    settings = settings.settled(whole_pool=budget == len(roles.pool))
    matrices = RunMatrices(workspace, spec, roles, files, estimates)
    optimizer = matrices.optimizer(config.objective, settings.optimizer)
    # Rows that were embedded before are found, and need no stage of their own.
    quiet = WhereWork(progress)
    facts = pool_facts(workspace, spec, roles, files, quiet)
    demands = build_demands(workspace, spec, roles, files, settings, budget, facts, quiet)
    progress.stage("select", budget, "rows")

    def find() -> SelectionResult:
        return maximise(
            config.objective,
            matrices.matrices(config.objective, optimizer),
            budget,
            row_ids=[row.id for row in roles.pool],
            progress=progress,
            quality_weight=settings.quality_weight,
            optimizer=optimizer,
            constraints=demands.constraints,
            seed=seed,
        )

    # The page that chooses from this run begins with the same order.
    orders = KeptOrders(files.folder, KeptMatrices(files).state)
    result = orders.found(
        config.objective,
        settings,
        budget,
        seed,
        len(roles.pool),
        find,
        optimizer=optimizer,
        constraints=demands.constraints,
    )
    if not len(result) and result.ended == "tokens":
        raise ConfigError(
            "Nothing was chosen, since the row that comes first does not fit into the token budget "
            f"of {settings.token_budget:,}.",
            "Raise the token budget, or leave long rows out with --most-tokens.",
        )
    if not len(result):
        raise ConfigError(
            fewer_words(result, demands, budget, len(roles.pool)), "Take back some of the demands."
        )
    if len(result) < budget:
        progress.warn(fewer_words(result, demands, budget, len(roles.pool)))
    return store(
        workspace,
        run_id,
        selection_id,
        result,
        demands,
        roles,
        estimates,
        budget=config.budget,
        settings=settings,
        seed=seed,
        name=name,
    )


def store(
    workspace: Workspace,
    run_id: str,
    selection_id: str | None,
    result: SelectionResult,
    demands: Demands,
    roles: Roles,
    estimates: Estimates,
    *,
    budget: str,
    settings: SelectionConfig,
    seed: int,
    name: str,
) -> SelectionRecord:
    """Store chosen rows with their reasons and the request that chooses them again.

    Args:
        workspace: Where they are stored.
        run_id: The run whose influence was used.
        selection_id: Their id, None for one of their content.
        result: The choice.
        demands: What it had to obey.
        roles: The run's rows.
        estimates: The run's influence.
        budget: As given: a share or a row count.
        settings: As given; the request names the optimizer that was used.
        seed: Of the optimizer's draws.
        name: What people call the selection.
    """
    words = PickWords(result, roles)
    chosen = [
        SelectedRow(rank, roles.pool[position].id, float(gain), int(round_), reason)
        for rank, (position, gain, round_, reason) in enumerate(
            zip(result.order, result.gain, result.round, words, strict=True), start=1
        )
    ]
    meta = _meta(result, demands, roles, estimates) | {
        "request": request(result, budget, settings, seed)
    }
    return workspace.catalog.add_selection(
        run_id, name, result.objective, budget, chosen, meta, selection_id=selection_id
    )


def request(
    result: SelectionResult, budget: str, settings: SelectionConfig, seed: int
) -> dict[str, Any]:
    """What chooses the same rows again, on any machine: ``auto`` is replaced by what it meant."""
    asked = replace(
        settings,
        optimizer=result.optimizer,
        pin=join_ids(settings.pinned),
        ban=join_ids(settings.banned),
    )
    return {"objective": result.objective, "budget": budget, "seed": seed, **asdict(asked)}


def fewer_words(result: SelectionResult, demands: Demands, budget: int, n_train: int) -> str:
    """Why fewer rows were chosen than the budget allows, in one sentence."""
    start = f"Only {len(result):,} of {budget:,} rows were chosen"
    if result.ended == "tokens" and demands.tokens is not None:
        spent = int(demands.tokens[result.order].sum())
        return (
            f"{start}: they have {spent:,} of {demands.constraints.token_budget:,} tokens, and "
            "the next row would not fit."
        )
    counts = left_out_counts(demands, result.order, n_train)
    words = {
        "by hand": ("is banned by hand", "are banned by hand"),
        "rule": ("is banned by a rule", "are banned by a rule"),
        "length": ("is too short or too long", "are too short or too long"),
        "duplicates": ("is a duplicate of a chosen row", "are duplicates of chosen rows"),
        "quota": ("is in a group whose quota is full", "are in a group whose quota is full"),
    }
    parts = [
        f"{counts[reason]:,} {one if counts[reason] == 1 else many}"
        for reason, (one, many) in words.items()
        if reason in counts
    ]
    return f"{start}, since no other may be: {', '.join(parts)}."


def _meta(
    result: SelectionResult, demands: Demands, roles: Roles, estimates: Estimates
) -> dict[str, Any]:
    labelled = (
        np.unique(estimates.labels.everything.helper)
        if estimates.labels is not None
        else np.arange(len(roles.pool))
    )
    left_out = left_out_counts(demands, result.order, len(roles.pool))
    duplicates = None
    if demands.groups is not None:
        counts = dict(demands.groups.counts())
        duplicates = counts | {"left_out": left_out.get("duplicates", 0)}
    constraints = demands.constraints
    return {
        "value": result.value,
        "exact": result.exact,
        "ratio": result.ratio,
        "ended": result.ended,
        "optimizer": result.optimizer,
        "saturated_at": result.saturated_at,
        "order_length": len(result),
        "labelled_share_chosen": (
            float(np.isin(result.order, labelled).mean()) if len(result) else None
        ),
        "labelled_share_pool": len(labelled) / len(roles.pool),
        "duplicates": duplicates,
        "tokens": None if demands.tokens is None else int(demands.tokens[result.order].sum()),
        "left_out": left_out,
        "constraints": {
            "pinned": len(constraints.pinned),
            "banned": len(constraints.banned),
            "quotas": [
                {
                    "name": quota.name,
                    "rows": len(quota.members),
                    "least": quota.least,
                    "most": quota.most,
                    "chosen": int(np.isin(quota.members, result.order).sum()),
                }
                for quota in constraints.quotas
            ],
            "token_budget": constraints.token_budget,
        },
    }
