"""Export: chosen rows as files in several schemas, and the manifest beside them."""

from __future__ import annotations

from nncift_core.export.exportable import ExportRow, ExportRows, Layout
from nncift_core.export.losses import Losses, losses
from nncift_core.export.manifest import (
    ChosenRow,
    build_manifest,
    chosen_rows,
    manifest_path,
    write_manifest,
)
from nncift_core.export.rows import SCHEMAS, ExportFile, guard_inputs, suffix_for, write_rows
from nncift_core.export.score_columns import SCORE_COLUMNS

__all__ = [
    "SCHEMAS",
    "SCORE_COLUMNS",
    "ChosenRow",
    "ExportFile",
    "ExportRow",
    "ExportRows",
    "Layout",
    "Losses",
    "build_manifest",
    "chosen_rows",
    "guard_inputs",
    "losses",
    "manifest_path",
    "suffix_for",
    "write_manifest",
    "write_rows",
]
