"""The points of a map as a file: a line a row, with its place, group and score.

No text of a row is written, so a spreadsheet has nothing to run. Knows files and arrays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from nncift_core.embeddings.planar import unquantised
from nncift_core.files import load_array, replacing
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.maps import require_map
from nncift_core.pipeline.roles import read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import Workspace


def write_points(workspace: Workspace, run_id: str, path: Path) -> int:
    """Write where the rows of a run lie on its map.

    Columns: ``row_id``; ``side``, ``pool`` or ``target``; ``position`` in it, from 0; ``x`` and
    ``y`` in [0, 1]; ``group`` of like rows from 1, for pool rows; ``score``, the mean influence or
    score of a pool row where the run has it.

    Args:
        workspace: Where the run is.
        run_id: The run.
        path: ``.csv`` or ``.parquet``.

    Returns:
        Rows that were written.

    Raises:
        ConfigError: There is no such run, or no map of it.
        WorkspaceError: The file cannot be written.
    """
    found = require_map(workspace, run_id)
    files = RunFiles(workspace.run_dir(run_id))
    roles = read_roles(workspace, RunSpec.read(files.config))
    n_train, n_target = len(found.pool), len(found.target)
    places = unquantised(np.concatenate([found.pool, found.target]))
    scores = np.full(n_train, np.nan, dtype=np.float32)
    if files.row_mean.is_file():
        scores = load_array(files.row_mean)
    nothing = [None] * n_target
    groups = [*(found.clusters.astype(int) + 1).tolist(), *nothing]
    known = [value if np.isfinite(value) else None for value in scores.tolist()]
    table = pa.table(
        {
            "row_id": [row.id for row in (*roles.pool, *roles.target)],
            "side": ["pool"] * n_train + ["target"] * n_target,
            "position": [*range(n_train), *range(n_target)],
            "x": places[:, 0],
            "y": places[:, 1],
            "group": pa.array(groups, pa.int32()),
            "score": pa.array([*known, *nothing], pa.float32()),
        }
    )
    with replacing(path) as file:
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(table, file)
        else:
            pyarrow.parquet.write_table(table, file)
    return int(table.num_rows)
