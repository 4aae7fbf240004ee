"""A finished run with more rows in its pool: nothing is labelled again, nothing trained again.

Makes the new run; the stages it goes through are in ``inheriting``. Knows the store and nothing
of networks.
"""

from __future__ import annotations

from dataclasses import replace

from nncift_core.config import Budget
from nncift_core.pipeline.finished import extendable
from nncift_core.pipeline.importing import append_rows, ensure_project
from nncift_core.pipeline.runs import create_run
from nncift_core.pipeline.spec import DataSource
from nncift_core.store import Workspace


def extend_run(
    workspace: Workspace, run_id: str, added: DataSource, budget: str | None = None
) -> str:
    """Record a run on the pool of a finished one with more rows; nothing is computed yet.

    The new run has the target, labels and network of the finished one. It belongs to a project
    of its own, whose pool are the rows of both: a new run there labels some of the added rows.

    Args:
        workspace: Where both runs are.
        run_id: A finished run.
        added: A stored dataset, from ``import_files``. Rows that the pool holds are left out.
        budget: Rows to keep, None for the finished run's: a share then means a share of all.

    Returns:
        The new run's id.

    Raises:
        ConfigError: There is no such run, it has not finished, it computed every influence with
            a language model, or the budget cannot be used.
        DataError: No row is new.
        WorkspaceError: Something cannot be written.
    """
    spec = extendable(workspace, run_id)
    budget = budget or spec.config.budget
    Budget(budget)
    before = workspace.catalog.dataset(spec.train.id).accepted
    grown = append_rows(workspace, spec.train, added)
    Budget(budget).rows(grown.record.accepted - (spec.target_sample or 0))
    project = workspace.catalog.project(workspace.catalog.run(run_id).project_id)
    longer = replace(
        spec,
        config=replace(spec.config, budget=budget),
        train=grown.source,
        extends=run_id,
        added=added,
        grown_from=(*spec.grown_from, before),
    )
    home = ensure_project(
        workspace,
        f"{project.name} + {added.name}",
        grown.record.id,
        spec.target.id if spec.target else None,
        spec.target_sample,
    )
    return create_run(workspace, home.id, longer)
