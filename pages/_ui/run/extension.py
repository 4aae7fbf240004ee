"""What added rows changed: which selected rows stay, which came in or went, and the drift."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from nncift_core.errors import NNCIFTError
from pages._ui.format import count, counted, number, percent, plain, shortened
from pages._ui.navigation import link_to
from pages._ui.shell import Context
from pages._ui.state import PROJECT, RUN

MOST_SHOWN = 50


def draw_extension(context: Context, result: Mapping[str, Any]) -> None:
    """Figures, sentences and rows of a finished run that extends another; else nothing."""
    extension = result.get("extension")
    if extension is None:
        return
    st.subheader("What the added rows changed", anchor=False)
    st.markdown(changed_words(extension))
    _draw_drift(extension.get("drift"))
    _draw_rows(context, extension)
    with contextlib.suppress(NNCIFTError):
        other = context.workspace.catalog.run(extension["run_id"])
        link_to("run", "The run that it extends", {PROJECT: other.project_id, RUN: other.run_id})


def changed_words(extension: Mapping[str, Any]) -> str:
    """``Of the 36 rows selected before 30 stay and 6 go; ...``, as markdown."""
    before = extension["kept"] + extension["displaced"]
    text = (
        f"**{counted(extension['added'], 'row')}** joined the pool. Of the {count(before)} rows "
        f"selected before, **{count(extension['kept'])} stay** and "
        f"**{count(extension['displaced'])} go**; **{count(extension['came_in'])} of the added "
        f"rows come in**"
    )
    if extension["moved_up"]:
        text += f", and {count(extension['moved_up'])} others of the pool"
    text += "."
    if extension["left_out"]:
        was = "was" if extension["left_out"] == 1 else "were"
        text += f" {counted(extension['left_out'], 'row')} {was} in the pool already and left out."
    return f"{text} Labels and estimates are those of the run that it extends."


def _draw_drift(drift: Mapping[str, Any] | None) -> None:
    if drift is None:
        return
    words = plain(str(drift["sentence"]))
    if drift["drifted"]:
        st.warning(words, icon=":material/explore_off:")
    else:
        st.info(words, icon=":material/near_me:")
    others = {
        "unlabelled": "unlabelled rows of the pool",
        "labelled": "labelled rows of the pool, each to its nearest other",
    }[drift["compared_with"]]
    st.caption(
        f"Distance (1 - cosine) to the nearest of {counted(drift['labelled'], 'labelled row')}: "
        f"median {number(drift['added']['median'])}, 95 % below {number(drift['added']['q95'])}; "
        f"{count(drift['pool']['rows'])} {others}: {number(drift['pool']['median'])} and "
        f"{number(drift['pool']['q95'])}. {percent(drift['share_beyond'])} of the added rows lie "
        "beyond that, 5 % are expected."
    )


def _draw_rows(context: Context, extension: Mapping[str, Any]) -> None:
    """Rows that went, and the added rows that lie farthest away."""
    went = extension["displaced_ids"][:MOST_SHOWN]
    farthest = (extension.get("drift") or {}).get("farthest", [])
    with st.expander("Rows that went, and the added rows farthest from any label"):
        left, right = st.columns(2)
        with left:
            st.caption(f"The first {count(len(went))} that are selected no more, best first")
            st.dataframe(_table(context, went), hide_index=True, height=300, key="went")
        with right:
            st.caption("Farthest added rows")
            table = _table(context, [row["id"] for row in farthest])
            st.dataframe(
                {"Distance": [number(row["distance"]) for row in farthest], **table},
                hide_index=True,
                height=300,
                key="farthest",
            )


def _table(context: Context, row_ids: Sequence[str]) -> dict[str, list[str]]:
    """Prompt, response and id of pool rows."""
    pool = context.project.pool_id
    rows = context.workspace.catalog.rows_by_id(pool, list(row_ids)) if row_ids else []
    return {
        "Prompt": [shortened(record.row.prompt) for record in rows],
        "Response": [shortened(record.row.response) for record in rows],
        "Row id": [record.row.id for record in rows],
    }
