"""What the subset is for: use case, objective, and what is folded away below them.

Every field is kept in the URL. Gives the settings of a selection without the curator's pins and
bans, which live in the run's log. Knows names, no rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.selection.optimizers import OPTIMIZERS
from nncift_core.selection.use_cases import GENERAL, USE_CASES, objective_for
from nncift_core.selection_config import SelectionConfig
from pages._ui.format import plain
from pages._ui.select.state import Fields, follow

if TYPE_CHECKING:
    from nncift_core.pipeline.spec import RunSpec

DUPLICATES = {
    "near": "One of each group, near duplicates too",
    "exact": "One of each group of exact copies",
    "keep": "Keep duplicates",
}


@dataclass(frozen=True)
class Wish:
    """What the form says: an objective, and settings without pins and bans of the log."""

    objective: str
    settings: SelectionConfig


def selection_form(fields: Fields, spec: RunSpec, *, pointwise: bool) -> Wish:
    """Draw use case and objective side by side, with everything else behind one button.

    Args:
        fields: The form of the run.
        spec: The run.
        pointwise: Whether rows are scored alone, so that there is nothing to choose but the
            duplicates and lengths.
    """
    base = spec.config.selection.settled()
    usable = {entry.name: entry for entry in spec.usable_objectives()}
    if pointwise:
        use_case, objective = GENERAL, next(iter(usable))
    else:
        use_case = _use_case(fields, spec, usable)
        objective = _objective(fields, spec, usable, use_case)
    settings = replace(base, use_case=use_case)
    with st.popover("More settings", key="more-settings", icon=":material/tune:"):
        wish = Wish(objective, _advanced(fields, settings, objective, pointwise=pointwise))
    return wish


def objective_words(spec: RunSpec, objective: str, *, pointwise: bool) -> str:
    """What the chosen objective does, and who published it."""
    if pointwise:
        return "This method scores single rows, so the best of them are kept."
    entry = next(entry for entry in spec.usable_objectives() if entry.name == objective)
    cites = f" ({plain(entry.citation)})" if entry.citation else ""
    return f"{plain(entry.summary)}{cites}"


def default_objective(spec: RunSpec, usable: Mapping[str, object], use_case: str) -> str:
    """What a use case leads to; the run's own objective for the run's own use case."""
    if use_case == spec.config.selection.use_case and spec.config.objective in usable:
        return spec.config.objective
    return objective_for(use_case, METHODS[spec.config.method])


def usable_cases(spec: RunSpec, usable: Mapping[str, object]) -> dict[str, str]:
    """Use cases whose objective the run can meet, with their titles; never empty."""
    cases = {}
    for entry in USE_CASES:
        try:
            if objective_for(entry.name, METHODS[spec.config.method]) in usable:
                cases[entry.name] = entry.title
        except ConfigError:
            continue
    return cases or {GENERAL: USE_CASES[GENERAL].title}


def _use_case(fields: Fields, spec: RunSpec, usable: Mapping[str, Any]) -> str:
    cases = usable_cases(spec, usable)
    default = spec.config.selection.use_case
    default = default if default in cases else next(iter(cases))
    missing = [entry.title for entry in USE_CASES if entry.name not in cases]
    follow("use-case", fields.choice("use", cases, default))

    def chosen() -> None:
        fields.put("use", st.session_state["use-case"], default)
        # What was chosen by hand belonged to the other use case.
        fields.forget("objective")

    st.selectbox(
        "What is the subset for?",
        list(cases),
        format_func=cases.__getitem__,
        key="use-case",
        on_change=chosen,
        width=200,
        help=" ".join(
            [plain(USE_CASES[str(st.session_state["use-case"])].summary)]
            + ([f"This run cannot serve: {', '.join(missing)}."] if missing else [])
        ),
    )
    return str(st.session_state["use-case"])


def _objective(fields: Fields, spec: RunSpec, usable: Mapping[str, Any], use_case: str) -> str:
    default = default_objective(spec, usable, use_case)
    default = default if default in usable else next(iter(usable))
    follow("objective", fields.choice("objective", usable, default))
    st.selectbox(
        "Objective",
        list(usable),
        format_func=lambda name: (
            f"{usable[name].title} (usual)" if name == default else usable[name].title
        ),
        key="objective",
        on_change=lambda: fields.put("objective", st.session_state["objective"], default),
        width=240,
        help="What makes a set of rows good. It follows from the use case; choose another here.",
    )
    return str(usable[str(st.session_state["objective"])].name)


def _advanced(
    fields: Fields, base: SelectionConfig, objective: str, *, pointwise: bool
) -> SelectionConfig:
    duplicates = _pick(fields, "Duplicates", "duplicates", DUPLICATES, base.duplicates)
    optimizer, weight = base.optimizer, base.quality_weight
    if not pointwise:
        optimizers = {"auto": "Auto: exact where the matrix fits in memory"} | {
            entry.name: entry.title for entry in OPTIMIZERS
        }
        optimizer = _pick(fields, "Optimizer", "optimizer", optimizers, base.optimizer)
        if optimizer != "auto":
            st.caption(plain(OPTIMIZERS[optimizer].summary))
    if objective == "mix":
        default = str(round(100 * base.quality_weight))
        follow("quality", min(100, fields.whole("quality", int(default))))
        st.slider(
            "Weight of a row's own quality",
            min_value=0,
            max_value=100,
            format="%d %%",
            key="quality",
            on_change=lambda: fields.put("quality", str(st.session_state["quality"]), default),
            help="The rest is coverage of the targets.",
        )
        weight = st.session_state["quality"] / 100
    left, right = st.columns(2)
    least = _tokens(left, fields, "Shortest row", "least-tokens", base.least_tokens)
    most = _tokens(right, fields, "Longest row", "most-tokens", base.most_tokens)
    st.caption("Lengths in tokens of prompt and response; 0 means no limit.")
    return replace(
        base,
        duplicates=duplicates,
        optimizer=optimizer,
        quality_weight=weight,
        least_tokens=least,
        most_tokens=most,
    )


def _pick(fields: Fields, label: str, name: str, options: Mapping[str, str], default: str) -> str:
    follow(name, fields.choice(name, options, default))
    st.selectbox(
        label,
        list(options),
        format_func=options.__getitem__,
        key=name,
        on_change=lambda: fields.put(name, st.session_state[name], default),
    )
    return str(st.session_state[name])


def _tokens(place: Any, fields: Fields, label: str, name: str, default: int) -> int:
    follow(name, fields.whole(name, default))
    place.number_input(
        label,
        min_value=0,
        step=1,
        key=name,
        on_change=lambda: fields.put(name, str(int(st.session_state[name])), str(default)),
    )
    return int(st.session_state[name])
