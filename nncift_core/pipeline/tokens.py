"""Lengths of rows in tokens: by the run's language model, or by its encoder where it has none.

Knows tokenizers and loads no weights where a language model counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nncift_core.embeddings import open_encoder
from nncift_core.files import load_array, save_array
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress, SilentProgress
from nncift_core.store import Workspace
from nncift_core.types import IndexArray, Row

_ROWS = 1_024
"""Rows that are counted between two calls of progress."""


def row_tokens(
    workspace: Workspace,
    spec: RunSpec,
    rows: Sequence[Row],
    files: RunFiles | None = None,
    progress: Progress | None = None,
) -> IndexArray:
    """``(n,)`` tokens of prompt and response together, without any template.

    Args:
        workspace: The run's workspace.
        spec: The run: its language model's tokenizer counts, or its encoder's.
        rows: The rows; with ``files`` the whole pool.
        files: Where lengths of the pool are kept, and read the next time; None keeps nothing.
        progress: Told of stage ``count`` in rows.

    Raises:
        EncoderError, ModelError: The tokenizer cannot be loaded.
        WorkspaceError: What is kept cannot be read or written.
        Cancelled: Between parts.
    """
    del workspace
    if files is not None and files.row_tokens.is_file():
        return np.asarray(load_array(files.row_tokens), dtype=np.int64)
    progress = progress or SilentProgress()
    progress.stage("count", len(rows), "rows")
    count = _by_model if needs_model(spec.config) else _by_encoder
    found = count(spec, rows, progress)
    if files is not None:
        save_array(files.row_tokens, found)
    return found


def _by_encoder(spec: RunSpec, rows: Sequence[Row], progress: Progress) -> IndexArray:
    encoder = open_encoder(spec.config.encoder)
    counts: list[int] = []
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        counts += encoder.token_counts([row.text for row in part])
        progress.advance(len(part))
    return np.array(counts, dtype=np.int64)


def _by_model(spec: RunSpec, rows: Sequence[Row], progress: Progress) -> IndexArray:
    # Late, since they import the model libraries.
    from nncift_core.lm.loading import load_tokenizer
    from nncift_core.lm.sources import find_model

    tokenizer = load_tokenizer(find_model(spec.config.lm.model), spec.config.lm)
    counts: list[int] = []
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        # Control tokens that a row spells are text, as where the model reads it.
        ids = tokenizer(
            [text for row in part for text in (row.prompt, row.response)],
            add_special_tokens=False,
            split_special_tokens=True,
            verbose=False,
        )["input_ids"]
        counts += [len(ids[i]) + len(ids[i + 1]) for i in range(0, len(ids), 2)]
        progress.advance(len(part))
    return np.array(counts, dtype=np.int64)
