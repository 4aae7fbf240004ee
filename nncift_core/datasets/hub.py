"""Loads a split of a Hugging Face dataset by id. Imports ``datasets`` only when it is called.

Code of a dataset's repository is never run: ``datasets`` loads data files only, and
``trust_remote_code`` is never passed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from nncift_core.datasets.load import Dataset, Source, assemble, collect
from nncift_core.datasets.parquet_reader import read_batches
from nncift_core.datasets.records import Broken, Record
from nncift_core.datasets.report import Limits
from nncift_core.errors import ConfigError, DataError

PREFIX = "hf:"
BATCH_ROWS = 1_000

_NAME = re.compile(
    r"hf:(?P<dataset>\w[\w.-]*/\w[\w.-]*)(:(?P<config>[\w.-]+))?"
    r":(?P<split>[\w.-]+(\[[\d%]*:[\d%]*\])?)",
    re.ASCII,
)

# A token, what a header says of one, and name and password in an address.
_SECRET = re.compile(r"hf_\w+|(?<=Bearer )[^\s'\"]+|(?<=://)[^/@\s]+(?=@)")


class HubName(NamedTuple):
    """The parts of ``hf:owner/name:split`` or ``hf:owner/name:config:split``."""

    dataset: str
    config: str | None
    split: str


def is_hub_name(text: str) -> bool:
    """Whether a source is a Hugging Face dataset id rather than a file."""
    return text.startswith(PREFIX)


def parse_hub_name(text: str) -> HubName:
    """The parts of a Hugging Face dataset id.

    Raises:
        ConfigError: It has not the form ``hf:owner/name:split``.
    """
    match = _NAME.fullmatch(text)
    if not match:
        raise ConfigError(
            f"{text!r} is not a Hugging Face dataset id.",
            "Write hf:owner/name:split, or hf:owner/name:config:split.",
        )
    return HubName(*match.group("dataset", "config", "split"))


def load_hub(
    name: str, *, overrides: Mapping[str, str] | None = None, limits: Limits | None = None
) -> Dataset:
    """Read one split of a Hugging Face dataset, from the network or its local cache.

    Args:
        name: ``hf:owner/name:split`` or ``hf:owner/name:config:split``.
        overrides: As for ``load_files``.
        limits: How large rows may be.

    Raises:
        ConfigError: The name is malformed, or an override cannot be followed.
        DataError: It cannot be had, or fewer than 2 rows were accepted.
    """
    parts = parse_hub_name(name)
    limits = limits or Limits()
    try:
        import datasets as hub
    except ImportError as error:
        raise DataError(
            f"{name} needs the package datasets, which is not installed.",
            "Install it: pip install datasets.",
        ) from error
    try:
        split = hub.load_dataset(parts.dataset, parts.config, split=parts.split)
        batches = (
            batch
            for table in split.with_format("arrow").iter(batch_size=BATCH_ROWS)
            for batch in table.to_batches()
        )
    # The package raises whatever its storage and network layers raise.
    except Exception as error:
        # Its own words stay behind, since tracebacks are kept with jobs: they may quote the token.
        raise _unavailable(name, error) from None
    warnings: list[str] = []
    digest = hashlib.sha256()
    size = 0

    def read() -> list[Record | Broken]:
        nonlocal size
        found = []
        for item in read_batches(batches, name, warnings):
            text = (item.raw if isinstance(item, Record) else item.reason).encode("utf-8")
            digest.update(text + b"\n")
            size += len(text) + 1
            found.append(item)
        return found

    part = collect(read(), name, overrides, limits)
    source = Source(name, digest.hexdigest(), size, "hf", len(part.accepted), part.mapping)
    return assemble([source], [part], warnings, limits)


def _unavailable(name: str, error: Exception) -> DataError:
    detail = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    detail = _SECRET.sub("***", detail)
    words = f"{type(error).__name__} {detail}".lower()
    if "connection" in words or "offline" in words or "reach" in words or "timeout" in words:
        return DataError(
            f"{name} cannot be loaded: the Hugging Face hub cannot be reached.",
            "Download the rows where there is a network and give them as a file, "
            "or check the connection.",
        )
    return DataError(
        f"{name} cannot be loaded ({detail[:200]}).",
        "Check owner, name and split; for a dataset with configurations write "
        "hf:owner/name:config:split.",
    )
