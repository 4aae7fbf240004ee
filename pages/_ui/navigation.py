"""The pages of the app in their order, and links between them that keep project and run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import streamlit as st

from pages._ui import state


class PageEntry(NamedTuple):
    """A page: its file, its name in the menu, its icon."""

    path: str
    title: str
    icon: str


PAGES = {
    "home": PageEntry("pages/home.py", "Home", ":material/home:"),
    "data": PageEntry("pages/data.py", "Data", ":material/database:"),
    "run": PageEntry("pages/run.py", "Run", ":material/play_circle:"),
    "trust": PageEntry("pages/trust.py", "Trust", ":material/verified:"),
    "influence": PageEntry("pages/influence.py", "Influence", ":material/grid_on:"),
    "select": PageEntry("pages/select.py", "Select", ":material/checklist:"),
    "export": PageEntry("pages/export.py", "Export", ":material/download:"),
}


def go(page: str, query: Mapping[str, str] | None = None) -> NoReturn:
    """Open a page by its name in ``PAGES``; by default for the same project and run."""
    st.switch_page(PAGES[page].path, query_params=dict(state.link() if query is None else query))


def link_to(page: str, label: str = "", query: Mapping[str, str] | None = None) -> None:
    """A link to a page by its name in ``PAGES``; by default for the same project and run."""
    entry = PAGES[page]
    st.page_link(
        entry.path,
        label=label or entry.title,
        icon=entry.icon,
        query_params=dict(state.link() if query is None else query),
    )


def next_step(page: str, label: str, key: str = "next-step") -> None:
    """The one primary button of a page: it leads on to another page."""
    if st.button(label, type="primary", key=key, icon=":material/arrow_forward:"):
        go(page)
