"""The schemas of JSON lines. UTF-8, one object a line, newline as line end.

Checked against what trainers read: TRL (https://huggingface.co/docs/trl/dataset_formats) takes
``messages`` and ``prompt`` with ``completion``; Axolotl (docs/dataset-formats in its repository)
``alpaca`` and, through ``chat_template``, messages and ShareGPT turns; LLaMA-Factory
(data/README.md in its repository) Alpaca columns and ShareGPT turns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from nncift_core.export.conversations import as_messages, as_sharegpt
from nncift_core.export.exportable import ExportRow, ExportRows
from nncift_core.export.score_columns import raw_with_scores


def write_raw(handle: IO[bytes], rows: ExportRows) -> None:
    """Each row's own JSON text, unchanged; scores come behind its fields."""
    for item in rows:
        if "\n" in item.raw or "\r" in item.raw:
            raise ValueError(f"A raw row spans several lines: {item.raw[:80]!r}")
        raw = item.raw if item.scores is None else raw_with_scores(item.raw, item.scores)
        handle.write(raw.encode("utf-8") + b"\n")


def write_alpaca(handle: IO[bytes], rows: ExportRows) -> None:
    """``instruction`` holds the whole prompt, so ``input`` is empty."""
    for item in rows:
        _write(
            handle,
            item,
            {"instruction": item.row.prompt, "input": "", "output": item.row.response},
        )


def write_messages(handle: IO[bytes], rows: ExportRows) -> None:
    """``messages``: the turns of the row, or the prompt and the response as two turns."""
    for item in rows:
        _write(handle, item, {"messages": as_messages(item)})


def write_sharegpt(handle: IO[bytes], rows: ExportRows) -> None:
    """``conversations``: the same turns with ``from`` and ``value``."""
    for item in rows:
        _write(handle, item, {"conversations": as_sharegpt(item)})


def write_prompt_completion(handle: IO[bytes], rows: ExportRows) -> None:
    """``prompt`` and ``completion`` as plain text."""
    for item in rows:
        _write(handle, item, {"prompt": item.row.prompt, "completion": item.row.response})


def _write(handle: IO[bytes], item: ExportRow, content: Mapping[str, Any]) -> None:
    # Lone surrogates, which UTF-8 cannot hold, leave as the escapes that JSON has for them.
    text = json.dumps({**content, **(item.scores or {})}, ensure_ascii=False, allow_nan=False)
    handle.write(text.encode("utf-8", "backslashreplace") + b"\n")
