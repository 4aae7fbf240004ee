"""How the heatmap orders rows and what a cell shows, chosen above it and kept in the URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import streamlit as st

from pages._ui.influence import window as places

if TYPE_CHECKING:
    from nncift_core.pipeline.heatmap import Aggregate, Heatmap
    from nncift_core.pipeline.row_orders import Order, RowOrders
    from nncift_core.pipeline.view import RunView

POOL_ORDERS = {
    "influence": "most helpful first",
    "subtask": "by subtask",
    "cluster": "by cluster",
    "length": "shortest first",
    "input": "as in the files",
}
TARGET_ORDERS = POOL_ORDERS | {"influence": "most helped first"}
AGGREGATES = {
    "mean": "mean of its pairs",
    "strongest": "strongest pair",
    "high": "value that 90 % of its pairs stay below",
    "low": "value that 10 % of its pairs stay below",
}
CELL_WORDS = {
    "mean": "mean",
    "strongest": "strongest",
    "high": "90 % quantile",
    "low": "10 % quantile",
}


@dataclass(frozen=True)
class Shown:
    """What of the matrix is in view, and how."""

    pool_order: Order
    target_order: Order
    aggregate: Aggregate
    window: places.Window


def choose(view: RunView) -> Shown:
    """Draw the fields and read the window."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pool_order = _order(
            view.orders("pool"), "Pool rows", "columns", POOL_ORDERS, "left to right"
        )
        target_order = _order(
            view.orders("target"), "Target rows", "rows", TARGET_ORDERS, "top to bottom"
        )
        aggregate = places.choice(
            st,
            "A cell shows the",
            "cell",
            AGGREGATES,
            default="mean",
            help_text="A mean hides single strong pairs; the strongest pair hides all others.",
        )
    size = len(view.roles.pool), len(view.roles.target)
    return Shown(pool_order, target_order, cast("Aggregate", aggregate), places.read(*size))


def _order(
    orders: RowOrders, label: str, name: str, words: dict[str, str], direction: str
) -> Order:
    known = {str(order): words[order] for order in orders.known()}
    chosen = places.choice(
        st,
        label,
        name,
        known,
        default=orders.first,
        moves=True,
        help_text=f"Their order from {direction}. Length counts characters.",
    )
    return cast("Order", chosen)


@st.cache_data(max_entries=64, show_spinner="Computing the window ...")
def window_of(workspace_path: Path, run_id: str, shown: Shown, _view: RunView) -> Heatmap:
    """A window of the matrix, aggregated to what a browser draws with ease."""
    return _view.heatmap(
        shown.window.pool,
        shown.window.target,
        pool_order=shown.pool_order,
        target_order=shown.target_order,
        aggregate=shown.aggregate,
    )


def cell_words(heatmap: Heatmap) -> str:
    """How many pairs a drawn cell stands for."""
    if heatmap.is_raw:
        return "1 cell = 1 pair"
    pool, target = heatmap.pairs_per_cell
    return f"1 cell = {pool:,} x {target:,} pairs"


def window_words(heatmap: Heatmap) -> str:
    """Which rows are in view, and what a cell is."""
    first, last, top, bottom = heatmap.window
    return (
        f"**{cell_words(heatmap)}.** Pool rows {first + 1:,} to {last:,}, target rows "
        f"{top + 1:,} to {bottom:,}."
    )
