"""Chosen rows, or the rest, as files with a manifest. Knows the store and the export formats."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nncift_core.config import Budget
from nncift_core.export import (
    SCHEMAS,
    ExportFile,
    build_manifest,
    chosen_rows,
    guard_inputs,
    manifest_path,
    suffix_for,
    write_manifest,
    write_rows,
)
from nncift_core.files import read_json
from nncift_core.influence.label import Labels
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.spec import DataSource, RunSpec
from nncift_core.store import SelectedRow, SelectionRecord, Workspace

_DETAILS = (
    "request",
    "optimizer",
    "exact",
    "ratio",
    "ended",
    "tokens",
    "duplicates",
    "constraints",
    "left_out",
)
"""What a manifest says of a selection besides objective, sizes and value."""

Which = Literal["selected", "rest"]


@dataclass(frozen=True)
class Exported:
    """An export with its manifest beside it."""

    file: ExportFile
    manifest: Path


def export_selection(
    workspace: Workspace,
    selection_id: str,
    output: Path,
    *,
    schema: str = "raw",
    which: Which = "selected",
) -> Exported:
    """Write the rows of a selection, or the pool rows it left out.

    Args:
        workspace: Where the selection is stored.
        selection_id: The selection.
        output: The file to write; its manifest goes beside it.
        schema: A name of the export schemas.
        which: ``selected`` in selection order, ``rest`` in input order.

    Raises:
        ConfigError: Unknown selection or schema, or the output is an input file.
        WorkspaceError: It cannot be written.
    """
    record = workspace.catalog.selection(selection_id)
    files = RunFiles(workspace.run_dir(record.run_id))
    spec = RunSpec.read(files.config)
    roles = read_roles(workspace, spec)
    chosen = workspace.catalog.selection_rows(selection_id)
    positions = _positions(roles, chosen, which)
    raws = workspace.catalog.dataset_raw(
        spec.train.id, [int(roles.pool_positions[i]) for i in positions]
    )
    inputs = [
        path
        for source in (spec.train, spec.target, spec.existing)
        if source is not None
        for path in source.files
    ]
    # The manifest must not take the place of an input either.
    guard_inputs(manifest_path(output), inputs)
    file = write_rows(output, schema, raws, [roles.pool[i] for i in positions], inputs=inputs)
    manifest = manifest_path(output)
    content = _manifest(workspace, record, chosen, spec, roles, files, file, schema)
    write_manifest(manifest, content | {"which": which})
    workspace.catalog.add_export(selection_id, schema, str(file.path), file.sha256, file.rows)
    return Exported(file, manifest)


def preview_selection(
    workspace: Workspace,
    selection_id: str,
    *,
    schema: str = "raw",
    which: Which = "selected",
    count: int = 3,
) -> list[str]:
    """The first rows of an export as JSON texts; of a Parquet file, its rows as objects.

    The arguments are those of ``export_selection``. Raises: ConfigError, WorkspaceError.
    """
    record = workspace.catalog.selection(selection_id)
    spec = RunSpec.read(RunFiles(workspace.run_dir(record.run_id)).config)
    roles = read_roles(workspace, spec)
    chosen = workspace.catalog.selection_rows(selection_id)
    positions = _positions(roles, chosen, which)[:count]
    raws = workspace.catalog.dataset_raw(
        spec.train.id, [int(roles.pool_positions[i]) for i in positions]
    )
    buffer = io.BytesIO()
    SCHEMAS[schema].load()(buffer, raws, [roles.pool[i] for i in positions])
    if suffix_for(schema) == ".parquet":
        import pyarrow.parquet as pq

        buffer.seek(0)
        rows = pq.read_table(buffer).to_pylist()
        return [json.dumps(row, ensure_ascii=False, default=str) for row in rows]
    return buffer.getvalue().decode("utf-8").split("\n")[: len(positions)]


def _positions(roles: Roles, chosen: Sequence[SelectedRow], which: Which) -> list[int]:
    """Positions in the pool of the rows to export."""
    place = {row.id: position for position, row in enumerate(roles.pool)}
    selected = [place[row.row_id] for row in chosen]
    if which == "selected":
        return selected
    taken = set(selected)
    return [i for i in range(len(roles.pool)) if i not in taken]


def _manifest(
    workspace: Workspace,
    record: SelectionRecord,
    chosen: Sequence[SelectedRow],
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    file: ExportFile,
    schema: str,
) -> dict[str, Any]:
    result = read_json(files.result) if files.result.is_file() else {}
    labelled: list[str] = []
    if files.labels.is_file():
        positions = sorted(set(Labels.load(files.labels).everything.helper.tolist()))
        labelled = [roles.pool[i].id for i in positions]
    elif spec.config.exact:
        labelled = [row.id for row in roles.pool]
    named = [
        ("train", spec.train),
        ("target", spec.target),
        ("existing", spec.existing),
        ("added", spec.added),
    ]
    measured = ["quadrants", "seconds", "labelled_pairs"]
    # What added rows changed, and how far they lie from what was labelled.
    measured += ["extension"] if "extension" in result else []
    return build_manifest(
        export=file,
        schema=schema,
        datasets=[_dataset(workspace, role, source) for role, source in named if source],
        config=spec.as_json(),
        seed=spec.config.seed,
        metrics={key: result.get(key) for key in measured},
        objective=record.objective,
        budget=Budget(record.budget).rows(len(roles.pool)),
        n_train=len(roles.pool),
        saturated_at=record.meta["saturated_at"],
        value=record.meta["value"],
        selected=chosen_rows(
            [row.row_id for row in chosen],
            [row.round for row in chosen],
            [row.gain if row.gain is not None else float("nan") for row in chosen],
            [row.reason for row in chosen],
        ),
        labelled_ids=labelled,
        run_id=record.run_id,
        # Selections of older versions say less.
        details={key: record.meta[key] for key in _DETAILS if key in record.meta},
    )


def _dataset(workspace: Workspace, role: str, source: DataSource) -> dict[str, Any]:
    record = workspace.catalog.dataset(source.id)
    return {
        "role": role,
        "id": record.id,
        "name": record.name,
        "accepted": record.accepted,
        "rejected": record.rejected,
        "sources": [dict(item) for item in record.sources],
    }
