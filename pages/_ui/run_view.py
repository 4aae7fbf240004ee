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


@st.cache_resource(max_entries=8, show_spinner="Reading the runs of other methods ...")
def open_beside(
    workspace_path: Path, run_id: str, shown_id: str, _shown: RunView, _workspace: Any
) -> RunView | None:
    """A run to look at beside the one shown, with its rows; None if it is about other rows.

    Runs of the same data have the same rows, so these are held once.
    """
    from nncift_core.pipeline import RunView

    other = RunView(_workspace, run_id)
    if not _same_rows(other, _shown):
        return None
    return RunView(_workspace, run_id, _shown.roles)


def _same_rows(one: RunView, other: RunView) -> bool:
    """Whether two runs choose from the same rows for the same targets."""

    def data(view: RunView) -> tuple[Any, ...]:
        spec = view.spec
        target = spec.target.id if spec.target else None
        seed = spec.config.seed if not target else 0
        # A sample is drawn from the rows before others joined them, and labels count from there.
        return spec.train.id, target, spec.target_sample, seed, tuple(spec.grown_from or ())

    return data(one) == data(other)
