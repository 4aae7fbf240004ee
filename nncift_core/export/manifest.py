"""The manifest beside an exported subset: what was chosen, from what, how and why.

Knows plain values only. The manifest is written last: where it lies, the export is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nncift_core.export.rows import ExportFile
from nncift_core.files import plain, write_json
from nncift_core.runtime import versions

FORMAT = "nncift-subset/1"
"""Format and version of the manifest, so that a reader can tell."""


@dataclass(frozen=True)
class ChosenRow:
    """One selected row.

    Attributes:
        id: Row id.
        rank: From 1, in selection order.
        round: Round it was picked in, from 1.
        gain: What it added to its round's objective.
        reason: Why, in words.
    """

    id: str
    rank: int
    round: int
    gain: float
    reason: str


def chosen_rows(
    ids: Sequence[str], rounds: Sequence[int], gains: Sequence[float], reasons: Sequence[str]
) -> list[ChosenRow]:
    """The selected rows, ranked in the order given."""
    return [
        ChosenRow(id_, rank, int(round_), float(gain), reason)
        for rank, (id_, round_, gain, reason) in enumerate(
            zip(ids, rounds, gains, reasons, strict=True), start=1
        )
    ]


def manifest_path(output: Path | str) -> Path:
    """Where the manifest of an export lies: ``subset.jsonl`` gives ``subset.manifest.json``."""
    path = Path(output)
    stem = path.name.removesuffix(".gz")
    return path.with_name(f"{Path(stem).stem}.manifest.json")


def build_manifest(
    *,
    export: ExportFile,
    schema: str,
    datasets: Sequence[Mapping[str, Any]],
    config: Any,
    seed: int,
    metrics: Mapping[str, Any],
    objective: str,
    budget: int,
    n_train: int,
    saturated_at: int | None,
    value: float | None,
    selected: Sequence[ChosenRow],
    labelled_ids: Sequence[str] = (),
    run_id: str | None = None,
    created_at: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The manifest's content; NaN and infinite numbers become null.

    Args:
        export: The file it describes.
        schema: The file's schema.
        datasets: For each dataset its role, name, id (content hash), rows, sources with hashes.
        config: The run's configuration, a mapping or a dataclass; replaying it gives these rows.
        seed: Seed of every random draw.
        metrics: Quadrant metrics, seconds by stage and whatever else was measured.
        objective: Name of the objective.
        budget: Rows asked for.
        n_train: Rows in the pool.
        saturated_at: Picks of the first round, None when it never ended.
        value: f(A) of the chosen rows.
        selected: From ``chosen_rows``.
        labelled_ids: Pool rows that carry at least one true influence value.
        run_id: The run, where there is one.
        created_at: Time as ISO 8601 text; left out, the same run gives the same bytes.
        details: What else is known of the selection: the request that chooses the same rows again,
            how exact it is, what it had to obey, why rows were left out.
    """
    labelled = set(labelled_ids)
    labelled_chosen = sum(row.id in labelled for row in selected)
    content: dict[str, Any] = {
        "format": FORMAT,
        "run_id": run_id,
        "created_at": created_at,
        "output": {
            "file": export.path.name,
            "schema": schema,
            "sha256": export.sha256,
            "bytes": export.bytes,
            "rows": export.rows,
        },
        "datasets": [dict(dataset) for dataset in datasets],
        "config": config,
        "seed": seed,
        "versions": versions(),
        "selection": {
            "objective": objective,
            "budget": budget,
            "pool_rows": n_train,
            "selected": len(selected),
            "saturated_at": saturated_at,
            "value": value,
            "labelled_share": labelled_chosen / len(selected) if selected else None,
            "labelled_share_of_pool": len(labelled) / n_train if n_train else None,
            **(details or {}),
        },
        "metrics": dict(metrics),
        "rows": [asdict(row) for row in selected],
    }
    return {key: plain(inner) for key, inner in content.items()}


def write_manifest(path: Path | str, content: Mapping[str, Any]) -> Path:
    """Write a manifest whole or not at all. Raises: WorkspaceError."""
    write_json(path, content)
    return Path(path)
