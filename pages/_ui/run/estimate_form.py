"""How unlabelled pairs are estimated: which pairs are labelled, what predicts, what it sees."""

from __future__ import annotations

from typing import Any

import streamlit as st

from nncift_core.config import RunConfig, field_texts
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.influence.designs import AUTO as AUTO_DESIGN
from nncift_core.influence.designs import DESIGNS, design_of
from nncift_core.network import AUTO, ESTIMATORS, RIVALS, estimator

NETWORK, PLACING, INPUTS, SECOND_ROUND = "network", "design", "inputs", "second-round"

_DEFAULTS = RunConfig()
_HELP = field_texts(RunConfig)
_INPUTS = {
    "auto": "Auto: hidden states where they are worth it",
    "text": "Text: the sentence embedding",
    "states": "States: also the language model's hidden states",
}
SPLIT_ROUNDS = {0.0: "None", 0.2: "20 % of the labels", 0.3: "30 % of the labels"}


def draw_estimate_fields(method: str, *, exact: bool) -> dict[str, Any]:
    """Draw the settings and give them by name, as ``RunConfig`` takes them.

    Args:
        method: The influence function; what it has no use for is not shown.
        exact: Whether everything is computed, so that nothing is estimated.
    """
    found: dict[str, Any] = {}
    found["network"] = st.selectbox(
        "Estimator",
        ESTIMATORS,
        index=ESTIMATORS.index(_DEFAULTS.network),
        format_func=_network_words,
        key=NETWORK,
        bind="query-params",
        disabled=exact,
        help=_HELP["network"],
    )
    entry = METHODS[method]
    designs = [AUTO_DESIGN, *(name for name in DESIGNS.names if _suits(name, method))]
    if not entry.pointwise:
        found["design"] = st.selectbox(
            "Label design",
            designs,
            format_func=lambda name: _design_words(name, method),
            key=PLACING,
            bind="query-params",
            disabled=exact,
            help=_HELP["design"],
        )
    if "language-model" in entry.needs:
        found["inputs"] = st.selectbox(
            "Inputs of estimators",
            list(_INPUTS),
            format_func=_INPUTS.__getitem__,
            key=INPUTS,
            bind="query-params",
            disabled=exact,
            help=_HELP["inputs"],
        )
    if not entry.pointwise and "gradients" not in entry.needs:
        found["second_round"] = st.selectbox(
            "Second round",
            list(SPLIT_ROUNDS),
            format_func=SPLIT_ROUNDS.__getitem__,
            key=SECOND_ROUND,
            bind="query-params",
            disabled=exact,
            help=_HELP["second_round"],
        )
    return found


def _suits(design: str, method: str) -> bool:
    try:
        design_of(design, METHODS[method])
    except ConfigError:
        return False
    return True


def _design_words(name: str, method: str) -> str:
    if name == AUTO_DESIGN:
        return f"Auto: {DESIGNS[design_of(name, METHODS[method])].title.lower()}"
    return f"{DESIGNS[name].title}: {DESIGNS[name].summary}"


def _network_words(name: str) -> str:
    if name == AUTO:
        return "Auto: the best on labels that are kept out"
    kind = " (no network)" if name in RIVALS else ""
    return f"{estimator(name).title}{kind}: {estimator(name).summary}"
