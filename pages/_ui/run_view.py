"""A finished run opened to look at, kept between reruns and shared by pages and tabs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from nncift_core.pipeline.view import RunView


@st.cache_resource(max_entries=4, show_spinner="Reading the run ...")
def open_run(workspace_path: Path, run_id: str, _workspace: Any) -> RunView:
    """A finished run to look at; what it holds never changes. Keyed by folder and id."""
    # Brings torch in, which takes seconds the first time.
    from nncift_core.pipeline import RunView

    return RunView(_workspace, run_id)
