"""Datasets: readers, column mapping, validation report, row ids, the bundled demo.

``load_files`` reads one or several files (JSON, JSON lines, CSV, TSV, Parquet, each also
gzip-compressed) into a ``Dataset``; ``load_hub`` reads a Hugging Face split. Importing this
package imports neither pyarrow nor pandas nor ``datasets``.
"""

from __future__ import annotations

from nncift_core.datasets.append import Appended, append, appended_id
from nncift_core.datasets.demo import DemoPaths, demo_paths
from nncift_core.datasets.hub import is_hub_name, load_hub
from nncift_core.datasets.identity import assign_ids, content_hash, find_self_pairs
from nncift_core.datasets.language import language_warning
from nncift_core.datasets.load import Dataset, Source, load_files
from nncift_core.datasets.mapping import FIELDS, ColumnMapping
from nncift_core.datasets.preview import Preview, PreviewRow, preview_file
from nncift_core.datasets.report import Limits, Rejection, Report
from nncift_core.datasets.sample import sample_target

__all__ = [
    "FIELDS",
    "Appended",
    "ColumnMapping",
    "Dataset",
    "DemoPaths",
    "Limits",
    "Preview",
    "PreviewRow",
    "Rejection",
    "Report",
    "Source",
    "append",
    "appended_id",
    "assign_ids",
    "content_hash",
    "demo_paths",
    "find_self_pairs",
    "is_hub_name",
    "language_warning",
    "load_files",
    "load_hub",
    "preview_file",
    "sample_target",
]
