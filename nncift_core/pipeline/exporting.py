"""Chosen rows, or the rest, as files with a manifest. Knows the store and the export formats."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.callers import require_change
from nncift_core.config import Budget
from nncift_core.export import (
    SCHEMAS,
    SCORE_COLUMNS,
    ExportFile,
    ExportRow,
    Layout,
    Losses,
    build_manifest,
    chosen_rows,
    guard_inputs,
    losses,
    manifest_path,
    suffix_for,
    write_manifest,
    write_rows,
)
from nncift_core.export.snippets import SnippetPart, snippet
from nncift_core.files import read_json
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.export_rows import (
    StoredRows,
    Which,
    export_positions,
    pool_positions,
)
from nncift_core.pipeline.export_scores import SelectionScores, labelled_places
from nncift_core.pipeline.spec import DataSource, RunSpec
from nncift_core.store import SelectionRecord, Workspace

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

_LOOKED_AT = 200
"""First rows that a preview looks at for what the format cannot hold."""

_CHARACTERS_LOOKED_AT, _FEWEST_LOOKED_AT = 5_000_000, 10


@dataclass(frozen=True)
class Exported:
    """An export with its manifest beside it, and what the format could not hold."""

    file: ExportFile
    manifest: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportPreview:
    """An export before it is made.

    Attributes:
        lines: The first rows as JSON texts; of a Parquet file, its rows as objects.
        notes: What the format cannot hold of the first 200 rows, in sentences.
        rows: Rows that the file will have.
    """

    lines: tuple[str, ...]
    notes: tuple[str, ...]
    rows: int


def export_selection(
    workspace: Workspace,
    selection_id: str,
    output: Path,
    *,
    schema: str = "raw",
    which: Which = "selected",
    scores: bool = False,
) -> Exported:
    """Write the rows of a selection, or the pool rows it left out.

    Args:
        workspace: Where the selection is stored.
        selection_id: The selection.
        output: The file to write; its manifest goes beside it.
        schema: A name of the export schemas.
        which: ``selected`` in selection order, ``rest`` in input order.
        scores: Whether each row carries the columns of ``SCORE_COLUMNS``.

    Raises:
        ConfigError: Unknown selection or schema, the output is an input file, or the caller may
            change nothing.
        WorkspaceError: It cannot be written.
    """
    require_change()
    record = workspace.catalog.selection(selection_id)
    files = RunFiles(workspace.run_dir(record.run_id))
    spec = RunSpec.read(files.config)
    inputs = [
        path
        for source in (spec.train, spec.target, spec.existing)
        if source is not None
        for path in source.files
    ]
    # The manifest must not take the place of an input either.
    guard_inputs(output, inputs)
    guard_inputs(manifest_path(output), inputs)
    rows = _rows(workspace, spec, selection_id, which, scores=scores)
    lost = Losses(schema, rows.layouts)
    file = write_rows(output, schema, rows, inputs=inputs, seen=lost.see)
    notes = tuple(lost.sentences())
    manifest = manifest_path(output)
    content = _manifest(workspace, record, spec, files, file, schema) | {"which": which}
    if scores:
        content["columns"] = dict(SCORE_COLUMNS)
    if notes:
        content["notes"] = list(notes)
    write_manifest(manifest, content)
    workspace.catalog.add_export(selection_id, schema, str(file.path), file.sha256, file.rows)
    return Exported(file, manifest, notes)


def preview_selection(
    workspace: Workspace,
    selection_id: str,
    *,
    schema: str = "raw",
    which: Which = "selected",
    scores: bool = False,
    count: int = 3,
) -> ExportPreview:
    """What ``export_selection`` with these arguments would write, as far as its first rows go.

    Raises:
        ConfigError: Unknown selection or schema.
        WorkspaceError: The run cannot be read.
    """
    record = workspace.catalog.selection(selection_id)
    spec = RunSpec.read(RunFiles(workspace.run_dir(record.run_id)).config)
    rows = _rows(workspace, spec, selection_id, which, scores=scores, preview=True)
    looked_at = _beginning(rows)
    shown = looked_at[:count]
    buffer = io.BytesIO()
    SCHEMAS[schema].load()(buffer, shown)
    if suffix_for(schema) == ".parquet":
        import pyarrow.parquet as pq

        buffer.seek(0)
        table = pq.read_table(buffer).to_pylist()
        lines = [json.dumps(row, ensure_ascii=False, default=str) for row in table]
    else:
        lines = buffer.getvalue().decode("utf-8").split("\n")[: len(shown)]
    notes = losses(schema, looked_at, rows.layouts)
    return ExportPreview(tuple(lines), tuple(notes), len(rows))


def export_snippet(
    workspace: Workspace, selection_id: str, trainer: str, path: Path, schema: str
) -> list[SnippetPart]:
    """What loads an exported file into a trainer.

    Args:
        workspace: Where the selection is stored.
        selection_id: The selection that the file holds.
        trainer: A name of ``snippets.TRAINERS``.
        path: The file, already written or about to be.
        schema: Its schema.

    Raises:
        ConfigError: Unknown selection, schema or trainer, or the trainer cannot read such a file.
    """
    record = workspace.catalog.selection(selection_id)
    spec = RunSpec.read(RunFiles(workspace.run_dir(record.run_id)).config)
    layouts = Layout.of_sources(workspace.catalog.dataset(spec.train.id).sources)
    return snippet(trainer, path.name, schema, layouts)


def _beginning(rows: StoredRows) -> list[ExportRow]:
    """The first rows, fewer where they are very long."""
    found: list[ExportRow] = []
    characters = 0
    for item in rows.first(_LOOKED_AT):
        found.append(item)
        characters += len(item.raw)
        if characters > _CHARACTERS_LOOKED_AT and len(found) >= _FEWEST_LOOKED_AT:
            break
    return found


def _rows(
    workspace: Workspace,
    spec: RunSpec,
    selection_id: str,
    which: Which,
    *,
    scores: bool,
    preview: bool = False,
) -> StoredRows:
    dataset, pool, positions = export_positions(workspace, spec, selection_id, which)
    found = None
    if scores:
        places = np.searchsorted(pool, positions)
        found = SelectionScores(
            workspace, spec, selection_id, which, places, len(pool), preview=preview
        )
    layouts = Layout.of_sources(dataset.sources)
    return StoredRows(workspace, dataset, positions, found, layouts)


def _manifest(
    workspace: Workspace,
    record: SelectionRecord,
    spec: RunSpec,
    files: RunFiles,
    file: ExportFile,
    schema: str,
) -> dict[str, Any]:
    result = read_json(files.result) if files.result.is_file() else {}
    chosen = workspace.catalog.selection_rows(record.id)
    n_rows = workspace.catalog.dataset(spec.train.id).accepted
    pool = pool_positions(spec, n_rows)
    ids = workspace.catalog.row_ids(spec.train.id)
    labelled = [ids[i] for i in pool[labelled_places(files, spec, len(pool))].tolist()]
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
        budget=Budget(record.budget).rows(len(pool)),
        n_train=len(pool),
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
