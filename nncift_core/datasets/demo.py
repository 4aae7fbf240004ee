"""Where the bundled demo data stands. Knows nothing of its content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from nncift_core.errors import DataError

FOLDER_VARIABLE = "NNCIFT_DEMO_DIR"
"""Environment variable that names the folder when it is not ``data`` of the repository."""


class DemoPaths(NamedTuple):
    """The files of the demo."""

    pool: Path
    target: Path

    @property
    def truth(self) -> Path:
        """The side file with what was planted where; may be absent."""
        return self.pool.with_name("demo_truth.jsonl")


def demo_paths() -> DemoPaths:
    """The demo's files.

    Raises:
        DataError: They are not there.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "data"
    paths = DemoPaths(folder / "demo_pool.jsonl", folder / "demo_target.jsonl")
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"The demo data {path} does not exist.",
                f"Run `make demo` in the repository, or name its folder in {FOLDER_VARIABLE}.",
            )
    return paths
