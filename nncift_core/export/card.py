"""The dataset card of a pushed export: what the file is, from its manifest. Makes no claims.

Texts of users and of methods go into code spans and tables only, so that no name becomes a link,
a picture or a field of the card's header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nncift_core.export.rows import SCHEMAS

_SHOWN_SETTINGS = (
    "method",
    "encoder",
    "label_fraction",
    "design",
    "network",
    "exact",
    "objective",
    "seed",
)


def dataset_card(manifest: Mapping[str, Any], manifest_name: str) -> str:
    """README.md for the repository of an exported file.

    Args:
        manifest: The manifest beside the file.
        manifest_name: Name of its file in the repository.
    """
    output, selection = manifest["output"], manifest["selection"]
    config = manifest.get("config") or {}
    settings = config.get("config", config) if isinstance(config, Mapping) else {}
    schema = str(output["schema"])
    title = SCHEMAS[schema].title if schema in SCHEMAS else schema
    rest = manifest.get("which") == "rest"
    kept = int(selection["selected"])
    what = (
        f"The {output['rows']:,} rows that a selection of {kept:,} rows left out of a pool of "
        f"{selection['pool_rows']:,}."
        if rest
        else f"{output['rows']:,} rows chosen from a pool of {selection['pool_rows']:,}."
    )
    # Only the data file is data; the hub would read the manifest's JSON as rows otherwise.
    header = [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: {json.dumps(output['file'])}",
        "tags:",
        "- nn-cift",
        "---",
    ]
    lines = [
        *header,
        "",
        f"# {_code(output['file'])}",
        "",
        f"{what} Chosen with NN-CIFT Studio, which estimates how much each row of a pool helps "
        "rows of a target, and picks by that.",
        "",
        "| | |",
        "|---|---|",
        f"| format | {title} |",
        f"| SHA-256 | {_code(output['sha256'])} |",
        f"| selection objective | {_code(selection['objective'])} |",
        f"| budget | {_code(selection['budget'])} rows |",
        *(
            f"| {name.replace('_', ' ')} | {_code(settings[name])} |"
            for name in _SHOWN_SETTINGS
            if name != "objective" and settings.get(name) is not None
        ),
        "",
        "## Where the rows come from",
        "",
        *(
            f"- {_code(dataset['role'])}: {_code(dataset['name'])}, {dataset['accepted']:,} rows"
            for dataset in manifest["datasets"]
        ),
        "",
        "Whoever shares the rows answers for their licence.",
        "",
    ]
    columns = manifest.get("columns")
    if columns:
        lines += ["## Columns of scores", ""]
        lines += [f"- {_code(name)}: {meaning}." for name, meaning in columns.items()]
        lines.append("")
    notes = manifest.get("notes")
    if notes:
        lines += ["## What this format does not hold", ""]
        lines += [f"- {_code(note)}" for note in notes]
        lines.append("")
    lines += [
        f"{_code(manifest_name)} has all settings, the hashes of the data, what was measured, and "
        "for every chosen row its rank, gain and reason.",
        "",
    ]
    return "\n".join(lines)


def _code(value: Any) -> str:
    """A value as a code span that stays one, in a table as well."""
    text = " ".join(str(value).split()).replace("|", "¦")
    ticks = "`"
    while ticks in text:
        ticks += "`"
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{ticks}{pad}{text or ' '}{pad}{ticks}"
