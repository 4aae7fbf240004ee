"""The catalog's table of the curator's actions: a log that only grows, one for each run.

Row ids, rules and quotas are checked for their form. Whether they fit the data is the business of
callers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nncift_core.selection.action_forms import checked_value
from nncift_core.selection.actions import Action, ActionLog
from nncift_core.store.database import Connection, Database, insert_columns, utc_now
from nncift_core.store.ids import checked_id
from nncift_core.store.run_tables import require_run


class ActionTables:
    """The curator's logs: ``Catalog`` inherits these methods."""

    _database: Database

    def actions(self, run_id: str) -> list[Action]:
        """The log of a run in order, undone actions included. Raises: ConfigError."""
        checked_id("run", run_id)
        with self._database.session() as connection:
            require_run(connection, run_id)
            return _log(connection, run_id)

    def add_action(self, run_id: str, kind: str, value: str = "") -> Action:
        """Add one action to a run's log.

        Args:
            run_id: The run.
            kind: One of ``KINDS``.
            value: Row ids separated by commas, the text of a rule or a quota; empty for undo and
                redo. Rows that are named together are taken back together.

        Returns:
            The action with its place in the log; it names the rows that it changes. Two processes
            never get the same place.

        Raises:
            ConfigError: There is no such run or kind, the value is not of its form, or the action
                would change nothing, such as an undo with nothing to undo.
        """
        (action,) = self.add_actions(run_id, [(kind, value)])
        return action

    def add_actions(self, run_id: str, wanted: Iterable[tuple[str, str]]) -> list[Action]:
        """Add several actions to a run's log, all of them or, where one is refused, none.

        Each is an action of its own: as many undos take them back. Rows that should be taken back
        together go into the value of one.

        Args:
            run_id: The run.
            wanted: Kind and value of each, in order.

        Raises:
            ConfigError: As for ``add_action``.
        """
        checked_id("run", run_id)
        pairs = [(kind, checked_value(kind, value)) for kind, value in wanted]
        with self._database.session() as connection:
            require_run(connection, run_id)
            # One session at a time has the file, so the next ordinal is nobody else's.
            known = _log(connection, run_id)
            log, added = ActionLog(known), list[Action]()
            for ordinal, (kind, value) in enumerate(pairs, start=len(known) + 1):
                action = Action(ordinal, kind, log.check(kind, value), utc_now())
                log.append(action)
                added.append(action)
            _insert(connection, run_id, added)
        return added


def _log(connection: Connection, run_id: str) -> list[Action]:
    found = connection.execute(
        "SELECT ordinal, kind, value, created_at FROM curation_actions"
        " WHERE run_id = ? ORDER BY ordinal",
        [run_id],
    ).fetchall()
    return [Action(*values) for values in found]


def _insert(connection: Connection, run_id: str, actions: list[Action]) -> None:
    if actions:
        insert_columns(
            connection,
            "curation_actions",
            {
                "run_id": [run_id] * len(actions),
                "ordinal": np.array([action.ordinal for action in actions], dtype=np.int32),
                "kind": [action.kind for action in actions],
                "value": [action.value for action in actions],
                "created_at": [action.at for action in actions],
            },
        )
