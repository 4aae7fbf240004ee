"""The workspace on disk: a DuckDB catalog of records, and folders of files beside it."""

from nncift_core.store.catalog import Catalog
from nncift_core.store.dataset_tables import ROW_ORDERS
from nncift_core.store.records import (
    ChosenRecord,
    DatasetRecord,
    ExportRecord,
    Freed,
    LabelSet,
    ProjectRecord,
    RowRecord,
    RunRecord,
    SelectedRow,
    SelectionRecord,
)
from nncift_core.store.selection_tables import CHOSEN_ORDERS
from nncift_core.store.workspace import Workspace

__all__ = [
    "CHOSEN_ORDERS",
    "ROW_ORDERS",
    "Catalog",
    "ChosenRecord",
    "DatasetRecord",
    "ExportRecord",
    "Freed",
    "LabelSet",
    "ProjectRecord",
    "RowRecord",
    "RunRecord",
    "SelectedRow",
    "SelectionRecord",
    "Workspace",
]
