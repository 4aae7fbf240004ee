"""Catalogs that stay open between their sessions.

Starting DuckDB costs 20 ms of a processor, and each session of the catalog starts it anew, so that
processes can take turns. Tests that run in one process, and are about something else than turns,
files and processes, need not pay for it: sessions begin, commit and end as ever, on a database
that is up already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nncift_core.store.database import Connection, Database


@contextlib.contextmanager
def databases_stay_open() -> Iterator[None]:
    """Hold a second connection to every file that is opened, and close them all at the end."""
    connect = Database._connect
    with contextlib.ExitStack() as held, pytest.MonkeyPatch.context() as patch:
        paths: set[Path] = set()

        def connect_and_hold(self: Database, deadline: float) -> Connection:
            made = connect(self, deadline)
            if self.path not in paths:
                paths.add(self.path)
                held.callback(connect(self, deadline).close)
            return made

        patch.setattr(Database, "_connect", connect_and_hold)
        yield
