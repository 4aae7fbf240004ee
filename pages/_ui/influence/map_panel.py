"""The map of a run's rows by what they say: started here, drawn here, its rows read here.

The part below the filter reruns by itself, so that pointing at rows does not draw the whole page
again. Knows the map's job and result; texts, actions and filter are those of every page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core import jobs
from nncift_core.datasets.lazy_rows import subtask_names
from nncift_core.pipeline.maps import STAGES, create_map, map_folder, map_seconds, read_map
from pages._ui.access import may_change
from pages._ui.errors import user_errors
from pages._ui.format import about, count, counted, duration, percent
from pages._ui.influence import map_state
from pages._ui.influence.map_colors import Colors, choose_color
from pages._ui.influence.map_component import HINT, asked, draw, packed
from pages._ui.influence.map_rows import draw_area, draw_point
from pages._ui.influence.map_state import Place
from pages._ui.job_panel import attempt, job_panel
from pages._ui.row_filter import filter_bar, pool_matches
from pages._ui.shell import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nncift_core.pipeline.maps import EmbeddingMap
    from nncift_core.pipeline.view import RunView

KEY = "map"
START = "map-start"
_JOB = "map-job"


def draw_map(context: Context, view: RunView) -> None:
    """Draw the map of a finished run's rows, or the way to it."""
    with user_errors():
        folder = map_folder(context.workspace, view.spec)
        done = folder / "result.json"
        if not done.is_file():
            _draw_way(context, view, folder)
            return
        found = _opened(folder, done.stat().st_mtime_ns)
        if found is not None:
            st.fragment(_draw_finished)(context, view, found)


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened(folder: Path, changed: int) -> EmbeddingMap | None:
    return read_map(folder)


def _draw_way(context: Context, view: RunView, folder: Path) -> None:
    """What the map will be, with the button that starts it, or its job."""
    st.markdown(
        "On the map every row is a point, and rows that say alike things lie close together: "
        "topics become islands, and you see which of them help, which are chosen and which are "
        "far from the target."
    )
    if (folder / jobs.state.JOB_FILE).is_file():
        with st.container(border=True, key="map-panel"):
            state = job_panel(folder, stages=STAGES, key=_JOB)
        if state is None or state.live or state.status == "done":
            return
        return
    n_train, n_target = len(view.roles.pool), len(view.roles.target)
    with st.container(border=True, key="map-panel"):
        st.button(
            "Draw the map",
            key=START,
            type="primary",
            icon=":material/scatter_plot:",
            disabled=not may_change(),
            on_click=_start,
            args=(context,),
        )
        st.caption(
            f"{counted(n_train, 'pool row')} and {counted(n_target, 'target row')}: "
            f"{about(map_seconds(n_train, n_target))} on this machine, once for all runs of the "
            "same rows. Embeddings that the run made are used again."
        )


def _start(context: Context) -> None:
    with user_errors():
        folder = create_map(context.workspace, context.run.run_id)
        attempt(jobs.start, folder, _JOB)


def _draw_finished(context: Context, view: RunView, found: EmbeddingMap) -> None:
    """Controls, the map, and the rows that are opened or drawn around."""
    with user_errors():
        # A widget that was not on the page in the last run has no state any more.
        fresh = map_state.COLOR not in st.session_state
        size = len(found.pool), len(found.target)
        with st.container(horizontal=True, vertical_alignment="bottom", key="map-controls"):
            colors = choose_color(context, view, found)
            with_targets = _targets_toggle(size[1])
        row_filter = filter_bar("map", subtasks=_subtasks(view.run_id, view))
        matches = pool_matches(context, view, row_filter)
        place = map_state.read_place(found.key, *size)
        draw(
            _payload(view, found, colors, matches, place, fresh=fresh, with_targets=with_targets),
            key=KEY,
            on_asked=lambda: map_state.answer(asked(KEY), found.key, *size),
        )
        st.caption(_quality_words(found, view, matches))
        point = map_state.read_point(place.point, *size)
        if point is not None:
            draw_point(context, view, found, point)
        corners = map_state.read_corners(place.area)
        if corners is not None:
            draw_area(context, view, found, corners, matches)
        elif point is None:
            st.caption("No row is open and none is selected.")


def _targets_toggle(n_target: int) -> bool:
    """Whether target rows are drawn as well."""
    if not n_target:
        return False
    key = "map-targets"
    st.session_state[key] = st.query_params.get(map_state.TARGETS) != "hide"

    def write() -> None:
        map_state.put(map_state.TARGETS, "" if st.session_state[key] else "hide")

    return bool(st.toggle("Target rows", key=key, on_change=write))


@st.cache_data(max_entries=8, show_spinner=False)
def _subtasks(run_id: str, _view: RunView) -> list[str]:
    """The names of the pool's subtasks in order."""
    return subtask_names(_view.roles.pool)


def _payload(
    view: RunView,
    found: EmbeddingMap,
    colors: Colors,
    matches: NDArray[np.bool_] | None,
    place: Place,
    *,
    fresh: bool,
    with_targets: bool,
) -> bytes:
    from nncift_core.pipeline.map_colors import as_bytes, value_codes

    turn, began = map_state.turn_of(place, fresh=fresh)
    size = len(found.pool), len(found.target)
    point = map_state.read_point(began.point, *size)
    values, low, high = value_codes(view.row_mean)
    header: dict[str, Any] = {
        "map": f"{found.key}-{view.run_id}-{with_targets}",
        "turn": turn,
        "window": map_state.read_window(began.zoom),
        "area": began.area,
        "point": None if point is None else {"side": point.side, "row": point.row},
        "title": colors.title,
        "alt": _alt(found, colors),
        "hint": HINT,
        "targetWords": f"target rows ({count(size[1])})",
        "low": low,
        "high": high,
        "valueWords": "score" if view.pointwise else "mean influence",
        **colors.words,
    }
    return packed(
        header,
        {
            "points": found.pool,
            "targets": found.target if with_targets else found.target[:0],
            "values": values,
            "codes": colors.codes,
            "shown": as_bytes(matches),
        },
    )


def _alt(found: EmbeddingMap, colors: Colors) -> str:
    return (
        f"Map of {counted(len(found.pool), 'pool row')} and "
        f"{counted(len(found.target), 'target row')}: rows that say alike things lie close "
        f"together. {colors.alt} The table below lists the rows that you select."
    )


def _quality_words(found: EmbeddingMap, view: RunView, matches: NDArray[np.bool_] | None) -> str:
    """How many points are drawn, how far the map can be trusted, and how it was made."""
    parts = [f"{counted(len(found.pool), 'pool row')} drawn"]
    if matches is not None:
        parts[0] += f", {count(int(matches.sum()))} match the filter"
    if found.kept is not None:
        chance = f" (at random {percent(found.by_chance)})" if found.by_chance else ""
        parts.append(
            f"The map keeps {percent(round(found.kept, 2))} of the 10 nearest neighbours"
            f"{chance}, measured on {counted(found.measured_on, 'row')}; distances between far "
            "groups mean little"
        )
    if found.placed:
        parts.append(
            f"{count(found.fitted)} rows were laid out, the other {count(found.placed)} stand "
            "among the laid-out rows they are most like"
        )
    parts.append(f"Made in {duration(found.seconds)}")
    return ". ".join(parts) + "."
