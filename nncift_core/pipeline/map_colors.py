"""What the points of a map are colored by, as one byte a row: scores, groups, choices, labels.

Knows a run's rows and what is stored of its selections; which color a byte has is the page's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncift_core.datasets.lazy_rows import ids_of, subtasks_of
from nncift_core.files import load_array
from nncift_core.pipeline.heatmap import ColorRange, color_range
from nncift_core.types import FloatArray, Row

if TYPE_CHECKING:
    from nncift_core.pipeline.maps import EmbeddingMap
    from nncift_core.pipeline.view import RunView
    from nncift_core.store import Workspace

Codes = NDArray[np.uint8]
"""``(n_train,)``: the number of each row's kind, or of its shade."""

UNKNOWN = 255
"""The code of a row that has no value."""

SHADES = 254
"""The code of the highest shade."""

MOST_NAMES = 8
"""Names that get a color of their own, the most frequent ones; the others share one."""


@dataclass(frozen=True, eq=False)
class Kinds:
    """Rows by kind.

    Attributes:
        codes: ``(n_train,)`` the place of each row's kind in ``names``.
        names: What the kinds are called; names of subtasks are the user's words.
        counts: Rows of each kind.
        quiet: Places in ``names`` of kinds that stand back: the others, the unlabelled.
    """

    codes: Codes
    names: tuple[str, ...]
    counts: tuple[int, ...]
    quiet: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Shades:
    """Rows by a number.

    Attributes:
        codes: ``(n_train,)`` 0 for the lowest shade to 254 for the highest, 255 without a value.
        range: What the ends stand for.
    """

    codes: Codes
    range: ColorRange


def score_shades(values: FloatArray) -> Shades:
    """Shades of ``(n_train,)`` mean influence or scores, on the scale of the heatmap."""
    scale = color_range(values)
    share = (values.astype(np.float64) - scale.lo) / (scale.hi - scale.lo)
    known = np.isfinite(share)
    codes = np.full(len(values), UNKNOWN, dtype=np.uint8)
    codes[known] = np.rint(np.clip(share[known], 0, 1) * SHADES).astype(np.uint8)
    return Shades(codes, scale)


def value_codes(values: FloatArray) -> tuple[NDArray[np.uint16], float, float]:
    """Values as 16-bit numbers, to be read under the pointer: fine to 1/65,534 of their range.

    Returns:
        ``(n,)`` 0 for the lowest value to 65,534 for the highest, 65,535 without a value; the
        lowest and the highest value.
    """
    known = np.isfinite(values)
    codes = np.full(len(values), 65_535, dtype=np.uint16)
    if not known.any():
        return codes, 0.0, 1.0
    low, high = float(values[known].min()), float(values[known].max())
    share = (values[known].astype(np.float64) - low) / ((high - low) or 1.0)
    codes[known] = np.rint(share * 65_534).astype(np.uint16)
    return codes, low, high


def group_kinds(found: EmbeddingMap) -> Kinds:
    """The map's groups of like rows, the largest first."""
    groups = int(found.clusters.max(initial=0)) + 1
    return _kinds(found.clusters, [f"Group {number + 1}" for number in range(groups)])


def subtask_kinds(rows: Sequence[Row]) -> Kinds | None:
    """Rows by subtask, the most frequent first; None where no row has one."""
    of_rows = subtasks_of(rows)
    counted = Counter(name for name in of_rows if name is not None)
    if not counted:
        return None
    # Frequent ones first, then by name, so that the colors stay.
    ordered = sorted(counted, key=lambda name: (-counted[name], name))
    names, others = ordered[:MOST_NAMES], ordered[MOST_NAMES:]
    place: dict[str | None, int] = {name: at for at, name in enumerate(names)}
    quiet = set()
    if others:
        quiet.add(len(names))
        place |= dict.fromkeys(others, len(names))
        names = [*names, f"{len(others):,} more subtasks" if len(others) > 1 else others[0]]
    if any(name is None for name in of_rows):
        quiet.add(len(names))
        place[None] = len(names)
        names = [*names, "no subtask"]
    codes = np.fromiter((place[name] for name in of_rows), dtype=np.uint8, count=len(rows))
    return _kinds(codes, names, frozenset(quiet))


def label_kinds(view: RunView) -> Kinds | None:
    """Rows by what was measured of them; None where every value was computed."""
    labels = view.estimates.labels
    if labels is None:
        return None
    codes = np.full(len(view.roles.pool), 2, dtype=np.uint8)
    codes[np.unique(labels.everything.helper)] = 1
    codes[np.unique(labels.training.helper)] = 0
    names = ("labelled and learned from", "labelled to measure only", "not labelled")
    return _kinds(codes, names, frozenset({2}))


def selection_kinds(workspace: Workspace, view: RunView, selection_id: str) -> Kinds:
    """Rows in a stored selection, and those that were left out because one like them is in it.

    Raises:
        ConfigError: There is no such selection.
    """
    chosen_ids = {row.row_id for row in workspace.catalog.selection_rows(selection_id)}
    ids = ids_of(view.roles.pool)
    chosen = np.fromiter((name in chosen_ids for name in ids), dtype=np.bool_, count=len(ids))
    codes = np.where(chosen, 0, 2).astype(np.uint8)
    groups = _duplicate_groups(view)
    taken = np.unique(groups[chosen & (groups >= 0)])
    codes[~chosen & np.isin(groups, taken)] = 1
    names = ("in the selection", "left out, a row like it is in", "left out")
    return _kinds(codes, names, frozenset({2}))


def _duplicate_groups(view: RunView) -> NDArray[np.int64]:
    """``(n_train,)`` number of each row's group of duplicates, -1 for none.

    Near duplicates where the run looked for them, else rows of the same content.
    """
    from nncift_core.selection.duplicates import EXACT, duplicate_groups

    if view.files.duplicates.is_file():
        kept = load_array(view.files.duplicates)
        if kept.shape == (len(view.roles.pool),) and kept.dtype == np.int64:
            return kept
    return duplicate_groups(view.roles.pool, None, level=EXACT).group


def _kinds(codes: Codes, names: Sequence[str], quiet: frozenset[int] = frozenset()) -> Kinds:
    counts = np.bincount(codes, minlength=len(names)).tolist()
    return Kinds(codes, tuple(names), tuple(int(count) for count in counts), quiet)


def as_bytes(matches: NDArray[np.bool_] | None) -> Codes:
    """Which rows a filter leaves, as one byte a row; none where there is no filter."""
    return np.empty(0, dtype=np.uint8) if matches is None else matches.astype(np.uint8)
