"""A choice of a few whose name stands in the address of the page.

A bound widget would write the words that people read there; links are made of names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st


def url_choice(
    label: str,
    options: Mapping[str, str],
    *,
    key: str,
    default: str,
    on_change: Callable[[], None] | None = None,
) -> str:
    """Draw it and give the chosen name; a name that the address makes up counts as the default.

    Args:
        label: For screen readers.
        options: What people read, by name.
        key: Of the widget, and in the address.
        default: Chosen at first; not written into the address.
        on_change: Called when somebody chooses.
    """
    if st.session_state.get(key) not in options:
        asked = st.query_params.get(key)
        st.session_state[key] = asked if asked in options else default
    chosen = st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        required=True,
        on_change=on_change,
        label_visibility="collapsed",
    )
    name = default if chosen is None else str(chosen)
    if name == default:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != name:
        st.query_params[key] = name
    return name
