"""A card for each influence function: what it measures, what it needs, its cost, its paper.

The whole card is a button: it is drawn over the card, without a face of its own, so that mouse,
keyboard and screen reader meet one control that bears the method's name.
"""

from __future__ import annotations

import streamlit as st

from nncift_core.config import RunConfig
from nncift_core.influence import METHODS, MethodEntry
from nncift_core.selection.use_cases import GENERAL, objective_for
from pages._ui.format import plain

METHOD = "method"
_CARD, _CHOSEN = "method-card-{}", "method-card-chosen-{}"

# Only what this module wrote stands in it. The accent is that of the theme on dark, and dark enough
# for light.
_STYLE = """
<style>
/* No empty column beside the last card. */
.st-key-methods { grid-template-columns: repeat(auto-fit, minmax(168px, 1fr)) !important; }
[class*="st-key-method-card-"] { position: relative; }
[class*="st-key-method-card-"] p { line-height: 1.35; }
[class*="st-key-method-card-"]:hover { border-color: #2683c1 !important; }
[class*="st-key-method-card-chosen-"] {
  border-color: #2683c1 !important; box-shadow: inset 0 0 0 1px #2683c1;
  background: rgba(38, 131, 193, 0.07);
}
[class*="st-key-method-card-"] [class*="st-key-method-"][class*="stElementContainer"] {
  position: absolute; inset: 0; width: 100% !important; height: 100%;
}
[class*="st-key-method-card-"] [data-testid="stButton"],
[class*="st-key-method-card-"] [data-testid="stButton"] > *,
[class*="st-key-method-card-"] button { width: 100% !important; height: 100%; }
[class*="st-key-method-card-"] button, [class*="st-key-method-card-"] button:hover {
  background: transparent !important; border-color: transparent !important;
  color: transparent !important; cursor: pointer;
}
[class*="st-key-method-card-"] button:focus-visible { outline: 3px solid #2683c1; }
</style>
"""


def draw_methods(objective_key: str) -> str:
    """Draw the cards; the name of the chosen method, which the address keeps.

    Args:
        objective_key: Key of the field that takes the method's usual objective with it.
    """
    default = RunConfig().method
    chosen = st.query_params.get(METHOD, default)
    chosen = chosen if chosen in METHODS else default
    st.html(_STYLE)
    with st.grid(min_column_width=168, key="methods"):
        for method in METHODS:
            _draw_card(method, chosen=method.name == chosen, objective_key=objective_key)
    return chosen


def _draw_card(method: MethodEntry, *, chosen: bool, objective_key: str) -> None:
    key = (_CHOSEN if chosen else _CARD).format(method.name)
    with st.container(border=True, gap="xxsmall", height="stretch", key=key):
        title = f"**{plain(method.title)}**"
        st.markdown(f":primary[:material/check_circle: {title}]" if chosen else title)
        st.markdown(f":small[{plain(method.summary)}]")
        st.caption(f"{needs_words(method.needs)}  \nCost: {plain(method.cost)}")
        st.caption(f":material/menu_book: {plain(method.citation)}")
        st.button(
            f"{method.title}, chosen" if chosen else f"Choose {method.title}",
            key=f"method-{method.name}",
            on_click=_choose,
            args=(method.name, objective_key),
        )


def _choose(name: str, objective_key: str) -> None:
    """Take a method and the usual objective for it, as a link to the form with it does."""
    st.query_params[METHOD] = name
    st.session_state[objective_key] = objective_for(GENERAL, METHODS[name])


def needs_words(needs: frozenset[str]) -> str:
    """What a method needs, in a sentence."""
    parts = []
    if "encoder" in needs:
        parts.append("a sentence encoder")
    if "language-model" in needs:
        parts.append("a language model")
    if "gradients" in needs:
        parts.append("gradients of its LoRA weights")
    return f"Needs {' and '.join(parts) or 'nothing besides the rows'}."
