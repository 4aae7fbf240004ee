"""The catalog's tables of labels and quadrant metrics: what a run measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from nncift_core.files import json_text
from nncift_core.store.database import Database, first_row, insert_columns
from nncift_core.store.ids import checked_id
from nncift_core.store.records import LabelSet
from nncift_core.store.run_tables import require_run


class LabelledIds(Protocol):
    """Pairs by row ids: ``Pairs`` with ids in place of positions, or a ``LabelSet``."""

    @property
    def helper(self) -> Any:
        """``(n,)`` ids of pool rows."""

    @property
    def helped(self) -> Any:
        """``(n,)`` ids of target rows."""

    @property
    def value(self) -> ArrayLike:
        """``(n,)`` true influence, higher is more helpful."""


class LabelTables:
    """Labels and metrics of runs: ``Catalog`` inherits these methods."""

    _database: Database

    def add_labels(self, run_id: str, role: str, pairs: LabelledIds) -> None:
        """Store the labels of one role; labels of that role stored before are replaced.

        Raises:
            ConfigError: There is no such run.
            ValueError: Ids and values differ in number.
        """
        checked_id("run", run_id)
        value = np.asarray(pairs.value, dtype=np.float32)
        helper, helped = [str(i) for i in pairs.helper], [str(i) for i in pairs.helped]
        with self._database.session() as connection:
            require_run(connection, run_id)
            connection.execute("DELETE FROM labels WHERE run_id = ? AND role = ?", [run_id, role])
            if not len(value) == len(helper) == len(helped):
                raise ValueError(
                    f"{len(helper)} helpers, {len(helped)} helped, {len(value)} values"
                )
            if len(value):
                insert_columns(
                    connection,
                    "labels",
                    {
                        "run_id": [run_id] * len(value),
                        "role": [role] * len(value),
                        "ordinal": np.arange(len(value), dtype=np.int32),
                        "helper": helper,
                        "helped": helped,
                        "value": value,
                    },
                )

    def labels(self, run_id: str) -> list[LabelSet]:
        """The labels of a run, one set a role, in the order given. Raises: ConfigError."""
        checked_id("run", run_id)
        with self._database.session() as connection:
            require_run(connection, run_id)
            found = connection.execute(
                "SELECT role, helper, helped, value FROM labels"
                " WHERE run_id = ? ORDER BY role, ordinal",
                [run_id],
            ).fetchall()
        by_role: dict[str, list[tuple[str, str, float]]] = {}
        for role, *rest in found:
            by_role.setdefault(role, []).append(tuple(rest))
        return [
            LabelSet(
                role,
                tuple(helper for helper, _, _ in triples),
                tuple(helped for _, helped, _ in triples),
                np.array([value for _, _, value in triples], dtype=np.float32),
            )
            for role, triples in by_role.items()
        ]

    def label(self, run_id: str, helper: str, helped: str) -> float | None:
        """The true influence of one pair of row ids, None where it was not labelled."""
        checked_id("run", run_id)
        with self._database.session() as connection:
            found = first_row(
                connection,
                "SELECT value FROM labels WHERE run_id = ? AND helper = ? AND helped = ? LIMIT 1",
                [run_id, helper, helped],
            )
        return None if found is None else float(found[0])

    def add_quadrant_metrics(self, run_id: str, quadrants: Mapping[str, Any]) -> None:
        """Store metrics by quadrant (null where a quadrant does not exist), replacing older ones.

        Raises:
            ConfigError: There is no such run.
        """
        checked_id("run", run_id)
        with self._database.session() as connection:
            require_run(connection, run_id)
            connection.execute("DELETE FROM quadrant_metrics WHERE run_id = ?", [run_id])
            for ordinal, (quadrant, metrics) in enumerate(quadrants.items()):
                connection.execute(
                    "INSERT INTO quadrant_metrics (run_id, ordinal, quadrant, metrics)"
                    " VALUES (?, ?, ?, ?)",
                    [run_id, ordinal, quadrant, json_text(metrics)],
                )

    def quadrant_metrics(self, run_id: str) -> dict[str, dict[str, Any] | None]:
        """Metrics by quadrant in the order stored; empty before they exist. Raises: ConfigError."""
        checked_id("run", run_id)
        with self._database.session() as connection:
            require_run(connection, run_id)
            found = connection.execute(
                "SELECT quadrant, metrics FROM quadrant_metrics WHERE run_id = ? ORDER BY ordinal",
                [run_id],
            ).fetchall()
        return {quadrant: json.loads(metrics) for quadrant, metrics in found}
