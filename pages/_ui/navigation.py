"""The pages of the app in their order, and links between them that keep project and run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import streamlit as st
from streamlit.errors import StreamlitAPIException

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
    "studies": PageEntry("pages/studies.py", "Studies", ":material/query_stats:"),
    "influence": PageEntry("pages/influence.py", "Influence", ":material/grid_on:"),
    "select": PageEntry("pages/select.py", "Select", ":material/checklist:"),
    "compare": PageEntry("pages/compare.py", "Compare", ":material/compare_arrows:"),
    "export": PageEntry("pages/export.py", "Export", ":material/download:"),
    "jobs": PageEntry("pages/jobs.py", "Jobs", ":material/format_list_numbered:"),
}

GROUPS = {
    "": ("home",),
    "Prepare": ("data", "run"),
    "Understand": ("trust", "studies", "influence"),
    "Choose": ("select", "compare", "export"),
}
"""The pages in the order of the work, as the sidebar groups them; Jobs stands below."""

ROUTER = "app.py"
GO_ON = "goto"
"""In the router's query: the page to go on to."""

_router_ran = threading.Event()


def router_runs() -> None:
    """Called by the router once it has registered the pages; goes on to where a visit began."""
    _router_ran.set()
    wanted = st.query_params.get(GO_ON)
    if wanted in PAGES:
        query = {name: st.query_params.get_all(name) for name in st.query_params}
        query.pop(GO_ON)
        st.switch_page(PAGES[wanted].path, query_params=query)


def ensure_router(title: str) -> None:
    """Let the router run first when the first visit after a start leads straight to a page.

    Until the router has registered its pages once, Streamlit takes the ``pages`` folder for an
    app of its older kind and runs the page without menu and page configuration.
    """
    if _router_ran.is_set():
        return
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    # A page that is run by itself, in a test, has no router to go to.
    with contextlib.suppress(StreamlitAPIException):
        st.switch_page(ROUTER, query_params={**query, GO_ON: title.lower()})


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
