"""A heatmap's window as a table: one line a drawn cell, with the rows it holds.

Knows rows and values, nothing of pages.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from nncift_core.datasets.lazy_rows import rows_at
from nncift_core.pipeline.heatmap import Heatmap
from nncift_core.types import IndexArray, Row

HEADER = (
    "pool_place_first",
    "pool_place_last",
    "target_place_first",
    "target_place_last",
    "pool_row_id_first",
    "pool_row_id_last",
    "target_row_id_first",
    "target_row_id_last",
    "pairs",
    "value",
    "half_width",
)


def heatmap_csv(heatmap: Heatmap, pool: Sequence[Row], target: Sequence[Row]) -> bytes:
    """What is drawn, as CSV in UTF-8.

    Places count from 1 in the order drawn. A cell of one pair has the same first and last row. A
    value or half width that is not known stays empty.

    Args:
        heatmap: The window.
        pool: The run's pool rows, in input order.
        target: Its target rows, likewise.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    across = _ends(heatmap.pool_edges, heatmap.pool_positions, pool)
    down = _ends(heatmap.target_edges, heatmap.target_positions, target)
    values = heatmap.values.astype(np.float64)
    widths = heatmap.half_width
    for j, (top, bottom, first_target, last_target) in enumerate(down):
        for i, (left, right, first_pool, last_pool) in enumerate(across):
            width = None if widths is None else float(widths[j, i])
            writer.writerow(
                (
                    *(left, right, top, bottom),
                    *(first_pool, last_pool, first_target, last_target),
                    (right - left + 1) * (bottom - top + 1),
                    _known(float(values[j, i])),
                    _known(width),
                )
            )
    return text.getvalue().encode()


def _ends(
    edges: IndexArray, positions: IndexArray, rows: Sequence[Row]
) -> list[tuple[int, int, str, str]]:
    """First and last place, from 1, and first and last row of each cell of a side."""
    start = int(edges[0])
    first = rows_at(rows, positions[edges[:-1] - start].tolist())
    last = rows_at(rows, positions[edges[1:] - 1 - start].tolist())
    ends = zip(edges[:-1].tolist(), edges[1:].tolist(), first, last, strict=True)
    return [(a + 1, b, head.id, tail.id) for a, b, head, tail in ends]


def _known(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.7g}"
