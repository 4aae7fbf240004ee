"""A card for each influence function: what it measures, what it needs, its cost, its paper."""

from __future__ import annotations

import streamlit as st

from nncift_core.config import RunConfig
from nncift_core.influence import METHODS
from pages._ui.format import plain

METHOD = "method"


def draw_methods(objective_key: str) -> str:
    """Draw the cards; the name of the chosen method, which the address keeps.

    Args:
        objective_key: Key of the field that takes the method's own objective with it.
    """
    default = RunConfig().method
    chosen = st.query_params.get(METHOD, default)
    chosen = chosen if chosen in METHODS else default
    with st.grid(min_column_width=215, border=True, key="methods"):
        for method in METHODS:
            title = f"**{plain(method.title)}**"
            with st.container(gap="xsmall"):
                st.markdown(f":primary[{title}]" if method.name == chosen else title)
                st.markdown(plain(method.summary))
                st.caption(f"{needs_words(method.needs)}  \nCost: {plain(method.cost)}")
                st.caption(f":material/menu_book: {plain(method.citation)}")
                st.button(
                    "Chosen" if method.name == chosen else "Choose",
                    key=f"method-{method.name}",
                    icon=":material/check_circle:" if method.name == chosen else None,
                    disabled=method.name == chosen,
                    on_click=_choose,
                    args=(method.name, objective_key),
                )
    return chosen


def _choose(name: str, objective_key: str) -> None:
    st.query_params[METHOD] = name
    st.session_state[objective_key] = METHODS[name].default_objective


def needs_words(needs: frozenset[str]) -> str:
    """What a method needs, and how it asks the model: a sentence or two."""
    parts = []
    if "encoder" in needs:
        parts.append("a sentence encoder")
    if "language-model" in needs:
        parts.append("a language model")
    if "gradients" in needs:
        parts.append("gradients of its LoRA weights")
    sentences = [f"Needs {' and '.join(parts) or 'nothing besides the rows'}"]
    if "uses-chat-template" in needs:
        sentences.append("Uses the model's chat template where it has one")
    return ". ".join(sentences) + "."
