"""Which mapping options go to which dataset: each goes where its column is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from nncift_core.datasets import FIELDS, is_hub_name, preview_file
from nncift_core.errors import ConfigError, unknown_name


def read_overrides(mapped: Sequence[str] | None, subtask_column: str | None) -> dict[str, str]:
    """Column by field, from ``FIELD=COLUMN`` texts and the subtask column.

    Raises:
        ConfigError: A text has another form, or a field is unknown or mapped twice.
    """
    overrides: dict[str, str] = {}
    for item in mapped or ():
        field, separator, column = item.partition("=")
        if not separator or not field or not column:
            raise ConfigError(
                f"The mapping {item!r} is not of the form FIELD=COLUMN.",
                "Write for example --map prompt=question.",
            )
        if field not in FIELDS:
            raise unknown_name("field", field, FIELDS)
        if field in overrides:
            raise ConfigError(f"The field {field!r} is mapped twice.", "Map it once.")
        overrides[field] = column
    if subtask_column is not None:
        if "subtask" in overrides:
            raise ConfigError(
                "The subtask column is given twice.", "Use --subtask-column or --map subtask=."
            )
        overrides["subtask"] = subtask_column
    return overrides


def overrides_by_dataset(
    datasets: Sequence[Sequence[str]], overrides: Mapping[str, str]
) -> list[dict[str, str]]:
    """For each dataset the overrides whose column it has.

    Pool and target may name their columns differently, so an option is an error only if no
    dataset has its column. A dataset of the hub takes them all: its columns are not known yet.

    Args:
        datasets: The files of each dataset.
        overrides: Column by field.

    Raises:
        ConfigError: No dataset has a column.
        DataError: A file cannot be read.
    """
    if not overrides:
        return [{} for _ in datasets]
    columns = [
        None
        if any(map(is_hub_name, files))
        else {column for file in files for column in preview_file(file, limit=1).columns}
        for files in datasets
    ]
    for field, column in overrides.items():
        if not any(known is None or _has(known, column) for known in columns):
            names = sorted(set().union(*(known or set() for known in columns)))
            near = difflib.get_close_matches(column, names, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"No file has the column {column!r} that is mapped to {field}.{guess}",
                f"Columns: {', '.join(names[:20])}.",
            )
    return [
        {
            field: column
            for field, column in overrides.items()
            if known is None or _has(known, column)
        }
        for known in columns
    ]


def _has(columns: set[str], column: str) -> bool:
    """Whether the column, or the start of its dotted path, is there."""
    return column in columns or column.split(".")[0] in columns
