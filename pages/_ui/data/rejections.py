"""The rows of a dataset that were not accepted: why, how many, and both downloads."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from nncift_core.datasets import Rejection
from nncift_core.store import DatasetRecord, Workspace
from pages._ui.format import counted
from pages._ui.row_view import excerpt

EXCERPT = 300
_MOST_SHOWN = 1_000


def draw_rejections(workspace: Workspace, dataset: DatasetRecord) -> None:
    """Reasons with counts, the rejected rows, and their downloads; nothing where there are none."""
    if not dataset.rejected:
        return
    label = f"{counted(dataset.rejected, 'rejected row')} and why"
    # What is folded is neither read nor sent: there may be as many of them as rows.
    panel = st.expander(
        label, icon=":material/rule:", key="rejected", bind="query-params", on_change="rerun"
    )
    if not panel.open:
        return
    with panel:
        rejected = workspace.catalog.rejections(dataset.id)
        reasons = Counter(rejection.kind for rejection in rejected)
        st.dataframe(
            [{"Reason": kind, "Rows": amount} for kind, amount in reasons.most_common()],
            hide_index=True,
            width=420,
            key=f"reasons-{dataset.id}",
            alt="Rejected rows by reason",
        )
        shown = rejected[:_MOST_SHOWN]
        st.dataframe(
            [
                {
                    "File": rejection.file,
                    "Line": rejection.line,
                    "Reason": rejection.reason,
                    "Beginning of the row": excerpt(rejection.excerpt, EXCERPT),
                }
                for rejection in shown
            ],
            hide_index=True,
            height=min(280, 35 * (len(shown) + 1) + 3),
            key=f"rejections-{dataset.id}",
            alt="Rejected rows with file, line and reason",
        )
        if len(rejected) > len(shown):
            st.caption(f"The first {len(shown):,}; the downloads hold all of them.")
        with st.container(horizontal=True):
            stem = dataset.name.split(".")[0][:60] or "rows"
            st.download_button(
                "Rejected rows as CSV",
                data=lambda: rejections_csv(rejected),
                file_name=f"{stem}_rejected.csv",
                mime="text/csv",
                on_click="ignore",
                key=f"csv-{dataset.id}",
                help="Cells that a spreadsheet would take for a formula begin with an apostrophe.",
            )
            st.download_button(
                "Rejected rows as JSON lines",
                data=lambda: rejections_jsonl(rejected),
                file_name=f"{stem}_rejected.jsonl",
                mime="application/x-ndjson",
                on_click="ignore",
                key=f"jsonl-{dataset.id}",
            )


def rejections_csv(rejected: Sequence[Rejection]) -> bytes:
    """File, line, reason and beginning of each rejected row, with a BOM for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "line", "reason", "excerpt"])
    for rejection in rejected:
        cells = (rejection.file, rejection.reason, rejection.excerpt)
        file, reason, excerpt = map(_no_formula, cells)
        writer.writerow([file, rejection.line, reason, excerpt])
    return text.getvalue().encode("utf-8-sig")


def _no_formula(cell: str) -> str:
    """``cell`` so that no spreadsheet runs it; they skip white space before the first sign."""
    begins = cell.lstrip()[:1] or cell[:1]
    return f"'{cell}" if begins and begins in "=+-@\t\r\n|" else cell


def rejections_jsonl(rejected: Sequence[Rejection]) -> bytes:
    """The same as JSON lines, every text as it is."""
    lines = (
        json.dumps(
            {
                "file": rejection.file,
                "line": rejection.line,
                "reason": rejection.reason,
                "excerpt": rejection.excerpt,
            },
            ensure_ascii=False,
        )
        for rejection in rejected
    )
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
