"""Ids as they come from callers, checked before they become part of a path or a record."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from datetime import UTC, datetime

from nncift_core.errors import ConfigError

_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")


def checked_id(kind: str, value: str) -> str:
    """``value`` if it is lower-case letters, digits and inner hyphens, at most 100.

    Raises:
        ConfigError: It is anything else, such as a path.
    """
    if not isinstance(value, str) or not _PATTERN.fullmatch(value):
        raise ConfigError(
            f"{value!r} is not a {kind} id.",
            "Ids are lower-case letters, digits and hyphens; copy one from a list.",
        )
    return value


def absent(kind: str, value: str) -> ConfigError:
    """The error for an id that is well formed and unknown."""
    return ConfigError(
        f"There is no {kind} {value!r} in this workspace.",
        "It may have been deleted, or belongs to another workspace.",
    )


def slug(name: str, fallback: str) -> str:
    """``name`` as at most 40 lower-case ASCII letters, digits and hyphens."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name)[:40].strip("-") or fallback


def short_hash(*parts: str, digits: int = 16) -> str:
    """The first hex digits of the hash of ``parts``."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:digits]


def time_ordered_id() -> str:
    """A new id that sorts by the second it was made in, such as ``20260131-235959-1a2b3c``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
