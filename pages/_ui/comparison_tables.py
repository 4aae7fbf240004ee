"""Tables of a comparison: what is planted in the demo, and the rows that one selection holds alone.

Draws what ``pipeline.comparing`` found; computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from nncift_core.datasets.demo_kinds import KINDS
from pages._ui import selections
from pages._ui.charts_compare import letters
from pages._ui.comparison import cached_only
from pages._ui.format import count, percent, shortened
from pages._ui.shell import Context


def draw_planted(found: Mapping[str, Any]) -> None:
    """The demo's truth: what is planted, and how much of it each selection keeps."""
    st.subheader("What is planted in the demo", anchor=False)
    planted, names = found["planted"], letters(found)
    each = [planted["pool"], *planted["selections"]]
    words = {True: "more is better", False: "less is better", None: ""}
    table: dict[str, list[str]] = {
        "Rows": [kind.title for kind in KINDS.values()]
        + [
            "groups of near duplicates with more than one row",
            "groups of targets with a right row",
        ],
        "Wanted": [words[kind.wanted] for kind in KINDS.values()]
        + ["less is better", "more is better"],
    }
    for name, one in zip(["Pool", *names], each, strict=True):
        table[name] = [percent(one["shares"][kind]) for kind in KINDS] + [
            count(one["repeated_groups"]),
            f"{one['target_groups']} of {one['of_target_groups']}",
        ]
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table["Rows"]),
        key="planted",
        alt="Shares of planted kinds of rows in the pool and in each selection",
    )
    st.caption("The pool's shares are what random rows keep on average.")


def draw_only(context: Context, found: Mapping[str, Any], ids: tuple[str, ...]) -> None:
    """The rows that one selection holds and no other one, a page at a time, with search."""
    st.subheader("Rows that only one of them holds", anchor=False)
    names = letters(found)
    sizes = {i: only["rows"] for i, only in enumerate(found["only"])}
    which = st.segmented_control(
        "Rows only in",
        list(sizes),
        default=0,
        required=True,
        format_func=lambda i: f"only in {names[i]} ({sizes[i]:,})",
        key="only-in",
        label_visibility="collapsed",
    )
    rows = cached_only(context.workspace.path, ids, which, context.workspace)

    def fetch(search: str, offset: int, limit: int) -> tuple[list[Any], int]:
        wanted = search.lower()
        matches = [
            one
            for one in rows
            if wanted in one.row.prompt.lower() or wanted in one.row.response.lower()
        ]
        return matches[offset : offset + limit], len(matches)

    def draw(shown: list[Any]) -> None:
        event = st.dataframe(
            {
                f"Rank in {names[which]}": [one.chosen.rank for one in shown],
                "Why": [one.chosen.reason for one in shown],
                "Prompt": [shortened(one.row.prompt) for one in shown],
                "Response": [shortened(one.row.response) for one in shown],
                "Row id": [one.row.id for one in shown],
            },
            hide_index=True,
            height=420,
            key=f"only-rows-{ids[which]}",
            on_select="rerun",
            selection_mode="single-row",
            column_config={"Why": st.column_config.TextColumn(width="medium")},
            alt=f"Rows that only {names[which]} holds, with rank, reason and text",
        )
        picked = event["selection"]["rows"]
        if not picked or picked[0] >= len(shown):
            st.caption("Tick a row to read it in full.")
            return
        for column, title, text in zip(
            st.columns(2),
            ("Prompt", "Response"),
            (shown[picked[0]].row.prompt, shown[picked[0]].row.response),
            strict=True,
        ):
            with column:
                st.caption(title)
                st.code(text, language=None, wrap_lines=True, height=240)

    selections.rows_page(
        f"only-{ids[which]}",
        fetch,
        draw,
        nothing=f"Every row of {names[which]} is in another selection too.",
    )
