"""The workspace on disk: a DuckDB catalog of records, and folders of files beside it."""

from nncift_core.store.catalog import Catalog
from nncift_core.store.records import (
    DatasetRecord,
    ExportRecord,
    Freed,
    Glance,
    LabelSet,
    ProjectRecord,
    RowRecord,
    RunRecord,
    SelectedRow,
    SelectionRecord,
    TrashedRun,
)
from nncift_core.store.row_tables import ROW_ORDERS
from nncift_core.store.workspace import Workspace

__all__ = [
    "ROW_ORDERS",
    "Catalog",
    "DatasetRecord",
    "ExportRecord",
    "Freed",
    "Glance",
    "LabelSet",
    "ProjectRecord",
    "RowRecord",
    "RunRecord",
    "SelectedRow",
    "SelectionRecord",
    "TrashedRun",
    "Workspace",
]
