"""Projects at a glance: the cards of the home page and the five steps of an open project.

Reads the catalog in a handful of sessions, whatever the number of projects. Draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from nncift_core.store import ExportRecord, ProjectRecord, RunRecord, Workspace
from pages._ui.format import ago, coefficient, counted, plain
from pages._ui.quadrants import kind_of
from pages._ui.runs import is_pointwise, run_status, settings_words, state_words
from pages._ui.shell import Context


@dataclass(frozen=True)
class Card:
    """What a project's card shows.

    Attributes:
        project: The project.
        n_train: Pool rows to choose from.
        n_target: Target rows.
        last_run: Its newest run, if any.
        last_status: The state of that run, or empty.
        last_export: Its newest export, if any.
    """

    project: ProjectRecord
    n_train: int
    n_target: int
    last_run: RunRecord | None
    last_status: str
    last_export: ExportRecord | None

    @property
    def rows_words(self) -> str:
        """``1,998 pool rows, 400 target rows``."""
        pool = counted(self.n_train, "pool row")
        return f"{pool}, {counted(self.n_target, 'target row')}"

    @property
    def run_words(self) -> str:
        """The last run and its state, safe for markdown."""
        if self.last_run is None:
            return "no run yet"
        when = ago(self.last_run.created_at)
        return f"{settings_words(self.last_run)}, {state_words(self.last_status)}, {when}"

    @property
    def export_words(self) -> str:
        """The last export."""
        if self.last_export is None:
            return "no export yet"
        return f"{counted(self.last_export.rows, 'row')}, {ago(self.last_export.created_at)}"


@dataclass(frozen=True)
class Step:
    """One of the five steps of a project.

    Attributes:
        page: Name of its page.
        done: Whether it is behind us.
        words: How it stands, safe for markdown.
    """

    page: str
    done: bool
    words: str


@dataclass(frozen=True)
class NextStep:
    """Where the one primary button leads, and what it says.

    Attributes:
        page: The page it leads to.
        label: What it says.
        short_cut: A page further on for who is in a hurry, or empty.
        short_cut_label: What its link says.
    """

    page: str
    label: str
    short_cut: str = ""
    short_cut_label: str = ""


def cards(workspace: Workspace) -> list[Card]:
    """A card for each project, the newest project first."""
    catalog = workspace.catalog
    rows = {dataset.id: dataset.accepted for dataset in catalog.datasets()}
    runs = catalog.runs()
    project_of_run = {run.run_id: run.project_id for run in runs}
    run_of_selection = {selection.id: selection.run_id for selection in catalog.selections()}
    last_run: dict[str, RunRecord] = {}
    for run in runs:
        last_run.setdefault(run.project_id, run)
    last_export: dict[str, ExportRecord] = {}
    for export in catalog.exports():
        run_id = run_of_selection.get(export.selection_id, "")
        last_export.setdefault(project_of_run.get(run_id, ""), export)
    return [
        Card(
            project,
            rows.get(project.pool_id, 0) - (project.target_sample or 0),
            rows.get(project.target_id, 0) if project.target_id else project.target_sample or 0,
            last_run.get(project.id),
            run_status(workspace, last_run[project.id]) if project.id in last_run else "",
            last_export.get(project.id),
        )
        for project in catalog.projects()
    ]


def steps(context: Context) -> tuple[list[Step], NextStep]:
    """The five steps of the project in view, and the one to take next."""
    workspace, project, run = context.workspace, context.project, context.found_run
    data = f"{counted(context.n_train, 'pool row')}, {counted(context.n_target, 'target row')}"
    if run is None:
        return [
            Step("data", True, data),
            Step("run", False, "not started"),
            *(Step(page, False, "needs a run") for page in ("trust", "select", "export")),
        ], NextStep("run", "Set up the first run")
    status = run_status(workspace, run)
    done = status == "done"
    selections = workspace.catalog.selections(run.run_id) if done else []
    exports = workspace.catalog.exports(project_id=project.id)
    return [
        Step("data", True, data),
        Step("run", done, f"{settings_words(run)}, {state_words(status)}"),
        Step("trust", done, _trust_words(run) if done else "needs a finished run"),
        Step("select", bool(selections), _select_words(len(selections), done)),
        Step("export", bool(exports), _export_words(exports)),
    ], _next_step(status, bool(exports), exact=_is_exact(run))


def _next_step(status: str, exported: bool, *, exact: bool) -> NextStep:
    if status in ("queued", "running"):
        return NextStep("run", "Watch the run")
    if status != "done":
        return NextStep("run", "Go on with the run")
    if not exported and exact:
        return NextStep("influence", "See which rows help", "export", "Export the subset")
    if not exported:
        return NextStep(
            "trust", "See whether to trust the estimates", "export", "Export the subset"
        )
    return NextStep("export", "Go to the exports")


def _is_exact(run: RunRecord) -> bool:
    return bool(run.config.get("config", {}).get("exact"))


def _trust_words(run: RunRecord) -> str:
    result = run.result or {}
    if _is_exact(run):
        return "exact, nothing to estimate"
    unseen = (result.get("quadrants") or {}).get("q4") or {}
    if unseen.get("r2") is None:
        return "not measured on unseen rows"
    pointwise = is_pointwise(str(run.config.get("config", {}).get("method", "")))
    return f"R² {coefficient(unseen['r2'])} on {kind_of(pointwise=pointwise).unseen}"


def _select_words(amount: int, done: bool) -> str:
    if not done:
        return "needs a finished run"
    return counted(amount, "selection") if amount else "nothing selected"


def _export_words(exports: list[ExportRecord]) -> str:
    if not exports:
        return "nothing exported"
    return plain(f"{counted(exports[0].rows, 'row')}, {ago(exports[0].created_at)}")
