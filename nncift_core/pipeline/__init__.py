"""The flow in one place; command line, worker and pages call these and nothing below.

Names are imported on first use, so that pages and ``--help`` do not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nncift_core.pipeline.cost import CostEstimate, estimate_cost
    from nncift_core.pipeline.exporting import Exported, export_selection, preview_selection
    from nncift_core.pipeline.importing import (
        Imported,
        ensure_demo,
        ensure_project,
        import_files,
    )
    from nncift_core.pipeline.labelling import Pilot, run_pilot
    from nncift_core.pipeline.roles import ensure_datasets, read_roles
    from nncift_core.pipeline.runs import (
        PendingSelection,
        create_pilot,
        create_run,
        create_selection,
        discard_selection,
        pending_selections,
        pilot_folder,
        work,
    )
    from nncift_core.pipeline.spec import DataSource, RunSpec, resolve
    from nncift_core.pipeline.stages import RunOutcome, execute, write_predictions
    from nncift_core.pipeline.view import RunView

_HOME = {
    "CostEstimate": "cost",
    "estimate_cost": "cost",
    "Exported": "exporting",
    "export_selection": "exporting",
    "preview_selection": "exporting",
    "Imported": "importing",
    "ensure_demo": "importing",
    "ensure_project": "importing",
    "import_files": "importing",
    "Pilot": "labelling",
    "run_pilot": "labelling",
    "ensure_datasets": "roles",
    "read_roles": "roles",
    "PendingSelection": "runs",
    "create_pilot": "runs",
    "create_run": "runs",
    "create_selection": "runs",
    "discard_selection": "runs",
    "pending_selections": "runs",
    "pilot_folder": "runs",
    "work": "runs",
    "DataSource": "spec",
    "RunSpec": "spec",
    "resolve": "spec",
    "RunOutcome": "stages",
    "execute": "stages",
    "write_predictions": "stages",
    "RunView": "view",
}

__all__ = [
    "CostEstimate",
    "DataSource",
    "Exported",
    "Imported",
    "PendingSelection",
    "Pilot",
    "RunOutcome",
    "RunSpec",
    "RunView",
    "create_pilot",
    "create_run",
    "create_selection",
    "discard_selection",
    "ensure_datasets",
    "ensure_demo",
    "ensure_project",
    "estimate_cost",
    "execute",
    "export_selection",
    "import_files",
    "pending_selections",
    "pilot_folder",
    "preview_selection",
    "read_roles",
    "resolve",
    "run_pilot",
    "work",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
