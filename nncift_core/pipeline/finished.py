"""What may be done with a run once it has finished: rows added, estimates checked.

Costs no import of torch, so pages may ask it whenever they are drawn.
"""

from __future__ import annotations

from nncift_core.errors import ConfigError
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import Workspace


def extendable(workspace: Workspace, run_id: str) -> RunSpec:
    """The run that rows are to be added to.

    Raises:
        ConfigError: There is no such run, it has not finished, or it computed every influence
            with a language model.
    """
    spec = _finished(workspace, run_id, "no rows can be added to it")
    if spec.config.exact and needs_model(spec.config):
        raise ConfigError(
            f"Run {run_id} computed every influence with the language model, so it has no "
            "network that could predict added rows.",
            "Start a new run with all rows.",
        )
    return spec


def checkable(workspace: Workspace, run_id: str) -> RunSpec:
    """The run whose estimates are to be checked.

    Raises:
        ConfigError: There is no such run, it has not finished, or it has no estimates.
    """
    spec = _finished(workspace, run_id, "there are no estimates to check")
    if spec.config.exact:
        raise ConfigError(
            f"Run {run_id} computed every value itself, so there are no estimates to check.",
            "Check a run that has a network.",
        )
    return spec


def _finished(workspace: Workspace, run_id: str, so: str) -> RunSpec:
    workspace.catalog.run(run_id)
    files = RunFiles(workspace.run_dir(run_id))
    if not files.result.is_file():
        raise ConfigError(f"Run {run_id} has not finished, so {so}.", "Wait for it, or resume it.")
    return RunSpec.read(files.config)
