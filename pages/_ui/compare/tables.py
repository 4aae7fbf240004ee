"""The table of what is planted in the demo, for a comparison.

Draws what ``pipeline.comparing`` found; computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from nncift_core.datasets.demo_kinds import KINDS
from pages._ui.compare.charts import letters
from pages._ui.format import count, percent


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
