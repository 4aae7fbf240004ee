"""Row ids on the command line: listed, or in a file with one id a line. Knows no dataset."""

from __future__ import annotations

import re
from pathlib import Path

from nncift_core.errors import ConfigError
from nncift_core.selection_config import join_ids, split_ids

_ID = re.compile(r"[0-9a-f]{16}-[0-9]{1,18}")
MOST_BYTES = 256 * 2**20
"""A file of ids that is larger is none."""


def lasting_ids(option: str, text: str) -> str:
    """The ids that an option gives, separated by commas: they mean the same in another folder.

    Args:
        option: Its name, for sentences.
        text: Ids separated by commas, or the name of a file.

    Raises:
        ConfigError: It is neither, or the file cannot be read or holds something else.
    """
    ids = split_ids(text)
    if not ids:
        raise ConfigError(
            f"The option {option} names no row.", "Give ids separated by commas, or a file of them."
        )
    if all(_ID.fullmatch(row_id) for row_id in ids):
        return join_ids(ids)
    return join_ids(_from_file(option, text))


def _from_file(option: str, text: str) -> list[str]:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    try:
        path = Path(text).expanduser()
        size = path.stat().st_size if path.is_file() else -1
    except (OSError, ValueError, RuntimeError):
        size = -1
    if size < 0:
        raise ConfigError(
            f"The option {option} is {shown!r}, which is neither a list of row ids nor a file.",
            "A row id looks like 0123456789abcdef-0; exports and nncift select show them.",
        )
    if size > MOST_BYTES:
        raise ConfigError(f"The file {shown!r} is too large to hold row ids.")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file {shown!r} of option {option} cannot be read as text.",
            "Give a UTF-8 file with one row id a line.",
        ) from error
    ids = []
    for number, line in enumerate(lines, start=1):
        found = line.strip()
        if not found:
            continue
        if not _ID.fullmatch(found):
            raise ConfigError(
                f"Line {number} of {shown!r} is {found[:40]!r}, which is no row id.",
                "Write one id such as 0123456789abcdef-0 a line.",
            )
        ids.append(found)
    if not ids:
        raise ConfigError(f"The file {shown!r} of option {option} holds no row id.")
    return ids
