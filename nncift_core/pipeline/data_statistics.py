"""What a curator should know of a stored dataset, computed once and kept beside the catalog.

Lengths in characters and what is noticed in rows come from all rows, by SQL; tokens and languages
from a seeded sample. A dataset never changes, so what was found is kept by its id for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.config import DEFAULT_ENCODER
from nncift_core.datasets.statistics import Spread, drawn_positions, language_codes, spread_of
from nncift_core.embeddings.token_lengths import token_lengths
from nncift_core.errors import WorkspaceError
from nncift_core.files import read_json, write_json
from nncift_core.progress import Progress
from nncift_core.selection.duplicates import duplicate_groups
from nncift_core.store import Workspace
from nncift_core.store.row_hints import RowHint
from nncift_core.types import IndexArray

SAMPLE = 2_000
"""Rows at most whose tokens are counted and whose languages are told."""

TOKENIZER = DEFAULT_ENCODER

_VERSION = 1


@dataclass(frozen=True)
class DataStatistics:
    """What is known of a dataset's rows.

    Attributes:
        rows: How many there are.
        sampled: How many of them tokens and languages are from.
        characters: Lengths of ``prompt`` and ``response`` of all rows.
        tokens: The same in tokens of ``TOKENIZER``, of the sample.
        languages: Sampled rows by code, the most frequent first; ``""`` where none is told.
        language_rows: Ascending positions of the sampled rows by code.
        hints: What is noticed in all rows.
    """

    rows: int
    sampled: int
    characters: Mapping[str, Spread]
    tokens: Mapping[str, Spread]
    languages: Mapping[str, int]
    language_rows: Mapping[str, tuple[int, ...]]
    hints: tuple[RowHint, ...]


@dataclass(frozen=True)
class NearDuplicates:
    """Rows that say the same as another one in other words.

    Attributes:
        near: How many there are, exact duplicates not counted.
        removable: Rows beyond one a group, exact duplicates included.
        positions: Ascending positions of all rows in groups.
    """

    near: int
    removable: int
    positions: tuple[int, ...]


def data_statistics(workspace: Workspace, dataset_id: str) -> DataStatistics:
    """The statistics of a stored dataset: read where they are kept, else computed and kept.

    Raises:
        ConfigError: There is no such dataset.
        WorkspaceError: They cannot be kept.
    """
    path = _path(workspace, dataset_id, "rows")
    kept = _kept(path)
    if kept is not None:
        return _read(kept)
    found = _compute(workspace, dataset_id)
    write_json(path, {"version": _VERSION, **asdict(found)})
    return found


def statistics_are_kept(workspace: Workspace, dataset_id: str) -> bool:
    """Whether ``data_statistics`` answers at once. Raises: ConfigError."""
    return _kept(_path(workspace, dataset_id, "rows")) is not None


def kept_near_duplicates(workspace: Workspace, dataset_id: str) -> NearDuplicates | None:
    """The near duplicates of a dataset where they were found before; None where not."""
    kept = _kept(_path(workspace, dataset_id, "near"))
    if kept is None:
        return None
    return NearDuplicates(kept["near"], kept["removable"], tuple(kept["positions"]))


def near_duplicates(
    workspace: Workspace, dataset_id: str, progress: Progress | None = None
) -> NearDuplicates:
    """The near duplicates of a dataset, told by the texts alone: a second for 10,000 rows.

    Raises:
        ConfigError: There is no such dataset.
        WorkspaceError: They cannot be kept.
        Cancelled: As ``progress`` says.
    """
    known = kept_near_duplicates(workspace, dataset_id)
    if known is not None:
        return known
    rows = workspace.catalog.dataset_rows(dataset_id)
    groups = duplicate_groups(rows, None, progress=progress)
    counts = groups.counts()
    inside = np.flatnonzero(groups.group >= 0)
    found = NearDuplicates(counts["near"], counts["removable"], tuple(inside.tolist()))
    write_json(_path(workspace, dataset_id, "near"), {"version": _VERSION, **asdict(found)})
    return found


def hinted_rows(workspace: Workspace, dataset_id: str, name: str, value: str = "") -> IndexArray:
    """Ascending positions of the rows that a hint is about.

    Args:
        workspace: Where the dataset is stored.
        dataset_id: The dataset.
        name: A name of ``row_hints.HINTS``, ``near``, or ``language`` for rows of the sample.
        value: Code of the language, or the words that responses begin with.

    Raises:
        ConfigError: There is no such dataset or hint.
        WorkspaceError: What is found cannot be kept.
    """
    if name == "near":
        found = near_duplicates(workspace, dataset_id).positions
    elif name == "language":
        found = data_statistics(workspace, dataset_id).language_rows.get(value, ())
    else:
        return workspace.catalog.hinted_positions(dataset_id, name, value)
    return np.array(found, dtype=np.int64)


def _compute(workspace: Workspace, dataset_id: str) -> DataStatistics:
    catalog = workspace.catalog
    prompts, responses = catalog.text_lengths(dataset_id)
    positions = drawn_positions(len(prompts), SAMPLE)
    rows = [record.row for record in catalog.rows_at(dataset_id, positions)]
    codes = language_codes(rows)
    return DataStatistics(
        rows=len(prompts),
        sampled=len(rows),
        characters={"prompt": spread_of(prompts), "response": spread_of(responses)},
        tokens={
            "prompt": spread_of(token_lengths([row.prompt for row in rows])),
            "response": spread_of(token_lengths([row.response for row in rows])),
        },
        languages=dict(Counter(codes).most_common()),
        language_rows=_by_language(codes, positions),
        hints=tuple(catalog.row_hints(dataset_id)),
    )


def _by_language(codes: list[str], positions: IndexArray) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for code, position in zip(codes, positions.tolist(), strict=True):
        found.setdefault(code, []).append(position)
    return {code: tuple(where) for code, where in found.items()}


def _path(workspace: Workspace, dataset_id: str, name: str) -> Path:
    # The catalog refuses ids that are no file names.
    workspace.catalog.dataset(dataset_id)
    return workspace.statistics_dir / f"{dataset_id}-{name}.json"


def _kept(path: Path) -> Mapping[str, Any] | None:
    """What an earlier call kept; None where there is nothing of this version."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
    except WorkspaceError:
        return None
    return content if isinstance(content, dict) and content.get("version") == _VERSION else None


def _read(kept: Mapping[str, Any]) -> DataStatistics:
    return DataStatistics(
        rows=kept["rows"],
        sampled=kept["sampled"],
        characters={name: _spread(part) for name, part in kept["characters"].items()},
        tokens={name: _spread(part) for name, part in kept["tokens"].items()},
        languages=kept["languages"],
        language_rows={code: tuple(where) for code, where in kept["language_rows"].items()},
        hints=tuple(RowHint(**hint) for hint in kept["hints"]),
    )


def _spread(kept: Mapping[str, Any]) -> Spread:
    return Spread(**{**kept, "edges": tuple(kept["edges"]), "counts": tuple(kept["counts"])})
