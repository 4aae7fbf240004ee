"""The catalog: every record of a workspace in one DuckDB file.

Each method is one short session of its own, so that the app, the worker and the command line
can use one workspace at once. It knows no files but its own and runs no computation.
"""

from __future__ import annotations

from pathlib import Path

from nncift_core.store.action_tables import ActionTables
from nncift_core.store.database import Database, first_row
from nncift_core.store.dataset_tables import DatasetTables, find_dataset
from nncift_core.store.export_tables import ExportTables
from nncift_core.store.label_tables import LabelTables
from nncift_core.store.records import Glance
from nncift_core.store.run_tables import RunTables, all_projects, project_of, runs_of
from nncift_core.store.selection_tables import SelectionTables


class Catalog(DatasetTables, RunTables, LabelTables, SelectionTables, ExportTables, ActionTables):
    """Datasets, projects, runs, labels, selections, exports and curation of a workspace.

    Args:
        path: The DuckDB file; created by the first call that needs it.
        patience: Seconds to wait for other processes before giving up.
    """

    def __init__(self, path: Path, *, patience: float = 20.0) -> None:
        self.path = path
        self._database = Database(path, patience=patience)

    def glance(self, project_id: str | None = None, run_id: str | None = None) -> Glance:
        """What every page needs, in one session: opening the file takes longer than reading it.

        Args:
            project_id: The project to look at; what is no id, or of no project, finds none.
            run_id: Without a project, the run whose project is meant.
        """
        with self._database.session() as connection:
            projects = all_projects(connection)
            if project_id is None and run_id is not None:
                project_id = project_of(connection, run_id)
            project = next((one for one in projects if one.id == project_id), None)
            if project is None:
                return Glance(tuple(projects))
            return Glance(
                tuple(projects),
                project,
                tuple(runs_of(connection, project.id)),
                find_dataset(connection, project.pool_id),
                find_dataset(connection, project.target_id) if project.target_id else None,
            )

    def used_bytes(self) -> int:
        """Bytes of the catalog that hold records; the file may be larger by what is reusable."""
        with self._database.session() as connection:
            sizes = first_row(
                connection, "SELECT block_size * used_blocks FROM pragma_database_size()"
            )
        return int(sizes[0])

    def check(self) -> None:
        """Open the catalog once, bringing it to the newest schema. Raises: WorkspaceError."""
        with self._database.session():
            pass
