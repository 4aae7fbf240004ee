"""The flow in one place; command line, worker and pages call these and nothing below.

Names are imported on first use, so that pages and ``--help`` do not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nncift_core.pipeline.audits import create_audit, last_audit, read_audit
    from nncift_core.pipeline.check_jobs import SpotCheck, create_spot_check, list_spot_checks
    from nncift_core.pipeline.cost import CostEstimate, estimate_cost
    from nncift_core.pipeline.curation import (
        Desk,
        LiveSelection,
        open_desk,
        save_selection,
    )
    from nncift_core.pipeline.exporting import (
        Exported,
        ExportPreview,
        export_selection,
        export_snippet,
        preview_selection,
    )
    from nncift_core.pipeline.extending import extend_run
    from nncift_core.pipeline.finished import extendable
    from nncift_core.pipeline.importing import (
        Imported,
        ensure_demo,
        ensure_project,
        import_files,
    )
    from nncift_core.pipeline.labelling import Pilot, run_pilot
    from nncift_core.pipeline.plans import create_plan, plan_folder
    from nncift_core.pipeline.pushing import Push, create_push, list_pushes, push_export
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
    from nncift_core.pipeline.studies import (
        Study,
        create_study,
        find_study,
        read_study,
        studies_of,
        study_folder,
    )
    from nncift_core.pipeline.study_request import StudyRequest
    from nncift_core.pipeline.study_sizes import StudyCost, study_cost
    from nncift_core.pipeline.view import RunView

_HOME = {
    "create_audit": "audits",
    "last_audit": "audits",
    "read_audit": "audits",
    "CostEstimate": "cost",
    "estimate_cost": "cost",
    "Desk": "curation",
    "LiveSelection": "curation",
    "open_desk": "curation",
    "save_selection": "curation",
    "ExportPreview": "exporting",
    "Exported": "exporting",
    "export_selection": "exporting",
    "export_snippet": "exporting",
    "preview_selection": "exporting",
    "extend_run": "extending",
    "extendable": "finished",
    "Imported": "importing",
    "ensure_demo": "importing",
    "ensure_project": "importing",
    "import_files": "importing",
    "Pilot": "labelling",
    "run_pilot": "labelling",
    "create_plan": "plans",
    "plan_folder": "plans",
    "Push": "pushing",
    "create_push": "pushing",
    "list_pushes": "pushing",
    "push_export": "pushing",
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
    "SpotCheck": "check_jobs",
    "create_spot_check": "check_jobs",
    "list_spot_checks": "check_jobs",
    "RunOutcome": "stages",
    "execute": "stages",
    "write_predictions": "stages",
    "Study": "studies",
    "create_study": "studies",
    "find_study": "studies",
    "read_study": "studies",
    "studies_of": "studies",
    "study_folder": "studies",
    "StudyCost": "study_sizes",
    "study_cost": "study_sizes",
    "StudyRequest": "study_request",
    "RunView": "view",
}

__all__ = [
    "CostEstimate",
    "DataSource",
    "Desk",
    "ExportPreview",
    "Exported",
    "Imported",
    "LiveSelection",
    "PendingSelection",
    "Pilot",
    "Push",
    "RunOutcome",
    "RunSpec",
    "RunView",
    "SpotCheck",
    "Study",
    "StudyCost",
    "StudyRequest",
    "create_audit",
    "create_pilot",
    "create_plan",
    "create_push",
    "create_run",
    "create_selection",
    "create_spot_check",
    "create_study",
    "discard_selection",
    "ensure_datasets",
    "ensure_demo",
    "ensure_project",
    "estimate_cost",
    "execute",
    "export_selection",
    "export_snippet",
    "extend_run",
    "extendable",
    "find_study",
    "import_files",
    "last_audit",
    "list_pushes",
    "list_spot_checks",
    "open_desk",
    "pending_selections",
    "pilot_folder",
    "plan_folder",
    "preview_selection",
    "push_export",
    "read_audit",
    "read_roles",
    "read_study",
    "resolve",
    "run_pilot",
    "save_selection",
    "studies_of",
    "study_cost",
    "study_folder",
    "work",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
