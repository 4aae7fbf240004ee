"""The app's router: page config, the menu with the project switcher on top, the chosen page.

Start it with ``streamlit run app.py``. Everything a page shows is in ``pages/``.
"""

from __future__ import annotations

import streamlit as st

from pages._ui.access import require_access
from pages._ui.navigation import PAGES, router_runs
from pages._ui.shell import open_only_project
from pages._ui.sidebar import draw_sidebar
from pages._ui.style import apply_style

# An emoji is drawn by the browser itself; a Material icon is fetched from the internet.
st.set_page_config(page_title="NN-CIFT Studio", page_icon="🔎", layout="wide")

page = st.navigation(
    [
        st.Page(entry.path, title=entry.title, icon=entry.icon, default=name == "home")
        for name, entry in PAGES.items()
    ],
    position="hidden",
)
router_runs()
apply_style()
require_access()
if page.title == PAGES["home"].title:
    open_only_project()
draw_sidebar()
page.run()
