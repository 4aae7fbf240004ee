"""JSON-lines schemas: raw, Alpaca, chat messages. UTF-8, one object a line, newline as line end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

from nncift_core.types import Row


def write_raw(handle: IO[bytes], raws: Sequence[str], rows: Sequence[Row]) -> None:
    """Each row's own JSON text, unchanged."""
    del rows
    for raw in raws:
        if "\n" in raw or "\r" in raw:
            raise ValueError(f"A raw row spans several lines: {raw[:80]!r}")
        handle.write(raw.encode("utf-8") + b"\n")


def write_alpaca(handle: IO[bytes], raws: Sequence[str], rows: Sequence[Row]) -> None:
    """``instruction`` holds the whole prompt, so ``input`` is empty."""
    del raws
    for row in rows:
        _write(handle, {"instruction": row.prompt, "input": "", "output": row.response})


def write_messages(handle: IO[bytes], raws: Sequence[str], rows: Sequence[Row]) -> None:
    """One user turn with the whole prompt, one assistant turn with the response."""
    del raws
    for row in rows:
        turns = [
            {"role": "user", "content": row.prompt},
            {"role": "assistant", "content": row.response},
        ]
        _write(handle, {"messages": turns})


def _write(handle: IO[bytes], content: Mapping[str, Any]) -> None:
    handle.write(json.dumps(content, ensure_ascii=False).encode("utf-8") + b"\n")
