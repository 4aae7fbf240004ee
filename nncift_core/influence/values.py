"""Values of an influence function part by part, each kept as a shard once it is computed.

A shard's name holds the texts of its rows. Knows nothing of plans and roles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import DataError
from nncift_core.influence.base import PairwiseInfluence, PointwiseInfluence, RowBlock, Rows
from nncift_core.influence.shards import Shards, digest
from nncift_core.types import FloatArray


def pairwise_values(
    method: PairwiseInfluence, helpers: Rows, helped: Rows, shards: Shards
) -> NDArray[np.float32]:
    """All pairs of a block, ``(len(helpers), len(helped))`` float32, shard by shard.

    Announces no stage. NaN where the method has no value.

    Raises:
        DataError: A value is infinite.
        Cancelled: Between shards.
    """
    values: NDArray[np.float32] = np.empty((len(helpers), len(helped)), dtype=np.float32)
    step = method.shard_rows(len(helped))
    source = method.source(helpers, helped, shards.progress)
    columns = digest(_texts(helped))
    for start in range(0, len(helpers), step):
        stop = min(start + step, len(helpers))
        part = helpers[start:stop]
        values[start:stop] = shards.get(
            digest(method.identity, _texts(part), columns),
            lambda start=start, stop=stop: source.block(start, stop),  # type: ignore[misc]
            units=(stop - start) * len(helped) if method.unit == "pairs" else 0,
        )
    _refuse_infinite(values, RowBlock(helpers, helped))
    return values


def sparse_values(method: PairwiseInfluence, rows: RowBlock, shards: Shards) -> NDArray[np.float32]:
    """The pairs of a block with columns, ``(a, k)`` float32, shard by shard.

    Announces no stage. NaN where the method has no value. A shard's name holds the texts of each
    helper and of its own targets.

    Raises:
        DataError: A value is infinite.
        Cancelled: Between shards.
    """
    helpers, helped, columns = rows
    assert columns is not None
    values: NDArray[np.float32] = np.empty(columns.shape, dtype=np.float32)
    step = method.shard_rows(columns.shape[1])
    source = method.pair_source(helpers, helped, columns, shards.progress)
    keys = [digest(_texts([row])) for row in helped]
    for start in range(0, len(helpers), step):
        stop = min(start + step, len(helpers))
        pairs = [
            [*_texts([helpers[i]]), *(keys[j] for j in columns[i])] for i in range(start, stop)
        ]
        values[start:stop] = shards.get(
            digest(method.identity, "pairs", *pairs),
            lambda start=start, stop=stop: source.block(start, stop),  # type: ignore[misc]
            units=values[start:stop].size if method.unit == "pairs" else 0,
        )
    _refuse_infinite(values, rows)
    return values


def _refuse_infinite(values: FloatArray, rows: RowBlock) -> None:
    if np.isinf(values).any():
        i, place = np.argwhere(np.isinf(values))[0]
        j = place if rows.columns is None else rows.columns[i, place]
        raise DataError(
            f"The influence of training row {rows.helpers[i].id} on row {rows.helped[j].id} is "
            f"{values[i, place]}.",
            "Check the model: it gives values that are not numbers.",
        )


def row_values(method: PointwiseInfluence, rows: Rows, shards: Shards) -> FloatArray:
    """The scores of rows, ``(len(rows),)`` float32, shard by shard. Announces no stage."""
    values = np.empty(len(rows), dtype=np.float32)
    step = method.shard_rows()
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        values[start : start + len(part)] = shards.get(
            digest(method.identity, _texts(part)),
            lambda part=part: method.scores(part, shards.progress),  # type: ignore[misc]
            units=len(part),
        )
    return values


def _texts(rows: Rows) -> list[str]:
    return [text for row in rows for text in (row.prompt, row.response)]
