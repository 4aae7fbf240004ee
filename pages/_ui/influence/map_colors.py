"""What the points of the map are colored by: the choice, and its codes, kept between reruns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.datasets.lazy_rows import subtask_names
from pages._ui.format import counted, number, plain
from pages._ui.influence import map_state
from pages._ui.influence.map_component import kind_words, shade_words
from pages._ui.shell import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nncift_core.pipeline.map_colors import Kinds, Shades
    from nncift_core.pipeline.maps import EmbeddingMap
    from nncift_core.pipeline.view import RunView
    from nncift_core.store import SelectionRecord

SCORE, GROUP, SUBTASK, SELECTED, LABELLED = "score", "group", "subtask", "selected", "labelled"


@dataclass(frozen=True, eq=False)
class Colors:
    """How points are colored.

    Attributes:
        title: What by.
        alt: What there is to see, as a sentence.
        codes: ``(n_train,)`` uint8.
        words: What the component is told of the codes.
    """

    title: str
    alt: str
    codes: NDArray[np.uint8]
    words: dict[str, Any]


def choose_color(context: Context, view: RunView, found: EmbeddingMap) -> Colors:
    """Draw the choice, which the URL keeps, and return its colors."""
    selections = context.workspace.catalog.selections(view.run_id)
    names = _options(view, selections)
    name = _choice("Color", map_state.COLOR, names, next(iter(names)))
    if name != SELECTED:
        made = _coded(context.workspace.path, view.run_id, name, found.key, view, found)
    else:
        # Those made last come first.
        labels = {s.id: plain(s.name) for s in reversed(selections)}
        chosen = _choice("Selection", map_state.CHOSEN, labels, next(iter(labels)))
        made = _selected(context.workspace.path, chosen, context.workspace, view)
    return _colors(names[name], made)


def _options(view: RunView, selections: list[SelectionRecord]) -> dict[str, str]:
    names = {SCORE: "Score" if view.pointwise else "Mean influence", GROUP: "Groups of like rows"}
    if _has_subtasks(view.run_id, view):
        names[SUBTASK] = "Subtask"
    if selections:
        names[SELECTED] = "Selected or not"
    if not view.spec.config.exact:
        names[LABELLED] = "Labelled or not"
    return names


def _choice(label: str, name: str, options: dict[str, str], default: str) -> str:
    """A field whose choice is kept in the URL under ``name``, which is also its key."""
    wanted = st.query_params.get(name, default)
    # The URL decides and the field follows it.
    st.session_state[name] = wanted if wanted in options else default

    def write() -> None:
        chosen = str(st.session_state[name])
        map_state.put(name, "" if chosen == default else chosen)

    st.selectbox(
        label, list(options), format_func=options.__getitem__, key=name, on_change=write, width=240
    )
    return str(st.session_state[name])


@st.cache_resource(max_entries=8, show_spinner=False)
def _has_subtasks(run_id: str, _view: RunView) -> bool:
    return bool(subtask_names(_view.roles.pool))


@st.cache_resource(max_entries=16, show_spinner=False)
def _coded(
    workspace_path: Path,
    run_id: str,
    name: str,
    map_key: str,
    _view: RunView,
    _found: EmbeddingMap,
) -> Kinds | Shades:
    """The codes of a finished run; they never change."""
    from nncift_core.pipeline import map_colors

    made: Kinds | None = None
    if name == GROUP:
        made = map_colors.group_kinds(_found)
    elif name == SUBTASK:
        made = map_colors.subtask_kinds(_view.roles.pool)
    elif name == LABELLED:
        made = map_colors.label_kinds(_view)
    return made or map_colors.score_shades(_view.row_mean)


@st.cache_resource(max_entries=16, show_spinner=False)
def _selected(
    workspace_path: Path, selection_id: str, _workspace: Any, _view: RunView
) -> Kinds | Shades:
    """The codes of a stored selection, whose rows never change."""
    from nncift_core.pipeline import map_colors

    return map_colors.selection_kinds(_workspace, _view, selection_id)


def _colors(title: str, made: Kinds | Shades) -> Colors:
    from nncift_core.pipeline.map_colors import Kinds

    if isinstance(made, Kinds):
        listed = zip(made.names, made.counts, strict=True)
        alt = "; ".join(f"{name}: {counted(rows, 'row')}" for name, rows in listed)
        return Colors(title, f"By {title.lower()}: {alt}.", made.codes, kind_words(made))
    ends = (
        "orange hurts, blue helps, grey does neither"
        if made.range.diverging
        else "dark is low, bright is high"
    )
    alt = f"{title} from {number(made.range.lo)} to {number(made.range.hi)}: {ends}."
    return Colors(title, alt, made.codes, shade_words(made.range))
