"""Which selections a page compares, kept in the URL, and the comparison itself, computed once.

``with`` in the URL holds the ids, separated by commas, in the order of the letters A to D.
What is unknown there counts as absent: a link may be old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.store import RunRecord, SelectionRecord
from pages._ui import selections
from pages._ui.format import percent
from pages._ui.runs import method_title

if TYPE_CHECKING:
    from nncift_core.pipeline.compared import OnlyRow, Opened

COMPARED = "with"
MEASURED_BY = "by"
NONE = "none"
"""In the URL where somebody took every selection away, which is not the same as a new visit."""

LEAST, MOST = 2, 4

_MEMORY = "nncift_compared"
_FIELD = "compared"


def stored_selections(
    workspace: Any, runs: Sequence[RunRecord]
) -> dict[str, tuple[SelectionRecord, RunRecord]]:
    """The selections of a project by id, the oldest run's first."""
    known = {run.run_id: run for run in runs}
    # All at once: a project may have many runs.
    found = [record for record in workspace.catalog.selections() if record.run_id in known]
    place = {run.run_id: number for number, run in enumerate(reversed(runs))}
    found.sort(key=lambda record: place[record.run_id])
    return {record.id: (record, known[record.run_id]) for record in found}


def one_of_each(stored: Mapping[str, tuple[SelectionRecord, RunRecord]]) -> list[str]:
    """The newest selection of each run, of the newest runs; two runs at least, else nothing."""
    newest = {run.run_id: one for one, (_, run) in stored.items()}
    return list(newest.values())[-MOST:] if len(newest) >= LEAST else []


def compare_these(ids: Sequence[str]) -> None:
    """Compare other selections, for callbacks."""
    _remember(ids)


def choose(names: Mapping[str, str]) -> tuple[list[str], int]:
    """Let the user choose which selections to compare, the newest two at first.

    Args:
        names: What to call each selection, by id, the oldest first; at least two.

    Returns:
        The ids in the order chosen, and how many of the URL's are not there (any more).
    """
    linked = st.query_params.get(COMPARED)
    given = str(linked or st.session_state.get(_MEMORY) or "")
    wanted = list(dict.fromkeys(part for part in given.split(",") if part and part != NONE))
    known = [one for one in wanted if one in names][:MOST]
    # What this session remembers may be of another project; a link means what it says.
    gone = len([one for one in wanted if one not in names]) if linked else 0
    if not known and given != NONE:
        known = list(names)[-LEAST:]
    _remember(known)
    # The URL decides and the field follows it.
    st.session_state[_FIELD] = known
    st.multiselect(
        "Selections to compare",
        list(names)[::-1],
        format_func=names.__getitem__,
        key=_FIELD,
        max_selections=MOST,
        on_change=lambda: _remember(st.session_state[_FIELD]),
        placeholder="Choose two to four selections",
        help="They are called A, B, C and D in the order chosen.",
    )
    return known, gone


def full_name(record: SelectionRecord, run: RunRecord) -> str:
    """A selection with the run it is from, as plain text: methods and seeds are compared too."""
    return f"{selections.selection_words(record)} ({run_name(run)})"


def run_name(run: RunRecord) -> str:
    """``DELIFT (SE), u = 5 %, seed 0``, as plain text."""
    config = run.config.get("config", {})
    title = method_title(str(config.get("method", "?")))
    kind = "exact" if config.get("exact") else f"u = {percent(config.get('label_fraction'))}"
    return f"{title}, {kind}, seed {config.get('seed', '?')}"


@st.cache_resource(max_entries=16, show_spinner="Comparing the selections ...")
def cached_comparison(
    workspace_path: Path, selection_ids: tuple[str, ...], by: str | None, _workspace: Any
) -> dict[str, Any]:
    """Everything that differs between selections; what is stored never changes, nor may this."""
    from nncift_core.pipeline.comparing import compare

    opened = _opened(workspace_path, selection_ids, _workspace)
    return compare(_workspace, selection_ids, by=by, opened=opened)


@st.cache_data(max_entries=16, show_spinner=False)
def cached_yardsticks(
    workspace_path: Path,
    selection_ids: tuple[str, ...],
    finished: tuple[str, ...],
    _workspace: Any,
) -> list[str]:
    """Ids of runs whose influence can measure coverage, the best first.

    ``finished`` is in the key, since a run that finishes later may measure better.
    """
    from nncift_core.pipeline.compared import yardsticks

    return list(yardsticks(_workspace, _opened(workspace_path, selection_ids, _workspace)))


@st.cache_resource(max_entries=16, show_spinner="Reading rows ...")
def cached_only(
    workspace_path: Path, selection_ids: tuple[str, ...], which: int, _workspace: Any
) -> list[OnlyRow]:
    """The rows that only one of the selections holds, in its order."""
    from nncift_core.pipeline.compared import rows_only_in

    return rows_only_in(_opened(workspace_path, selection_ids, _workspace), which)


@st.cache_resource(max_entries=4, show_spinner="Reading the selections ...")
def _opened(workspace_path: Path, selection_ids: tuple[str, ...], _workspace: Any) -> Opened:
    """The selections as read and matched, once for all that the page says of them."""
    from nncift_core.pipeline.compared import open_selections

    return open_selections(_workspace, selection_ids)


def measured_by(usable: Sequence[str], runs: Sequence[RunRecord]) -> str | None:
    """Let the user choose the run whose influence measures coverage; None where there is none."""
    if not usable:
        return None
    names = {run.run_id: f"{run_name(run)}, run {run.run_id}" for run in runs}
    wanted = st.query_params.get(MEASURED_BY)
    current = wanted if wanted in usable else usable[0]
    st.session_state["measured-by"] = current
    st.selectbox(
        "Coverage is measured by the influence of",
        list(usable),
        format_func=lambda run_id: names.get(run_id, run_id),
        key="measured-by",
        on_change=_measure_by,
        help="One yardstick for all selections. An exact run holds true influence, so that it "
        "can judge selections made from estimates.",
    )
    return current


def _measure_by() -> None:
    st.query_params[MEASURED_BY] = st.session_state["measured-by"]


def _remember(ids: Sequence[str]) -> None:
    text = ",".join(ids) or NONE
    st.session_state[_MEMORY] = text
    if st.query_params.get(COMPARED) != text:
        st.query_params[COMPARED] = text
