"""Export: chosen rows as files in several schemas, and the manifest beside them."""

from __future__ import annotations

from nncift_core.export.manifest import (
    ChosenRow,
    build_manifest,
    chosen_rows,
    manifest_path,
    write_manifest,
)
from nncift_core.export.rows import SCHEMAS, ExportFile, guard_inputs, suffix_for, write_rows

__all__ = [
    "SCHEMAS",
    "ChosenRow",
    "ExportFile",
    "build_manifest",
    "chosen_rows",
    "guard_inputs",
    "manifest_path",
    "suffix_for",
    "write_manifest",
    "write_rows",
]
