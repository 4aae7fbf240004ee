"""The texts that load the file into a trainer, to copy."""

from __future__ import annotations

import streamlit as st

from nncift_core.errors import ConfigError
from nncift_core.export.snippets import TRAINERS
from pages._ui.export.choice import Choice
from pages._ui.format import plain
from pages._ui.select.state import Fields
from pages._ui.shell import Context

_FIELD = "trainer"
_DEFAULT = "trl"


def draw_trainer(context: Context, choice: Choice, fields: Fields) -> None:
    """The trainer's field and the files that it needs; the copy button is in each of them."""
    from nncift_core.pipeline import export_snippet

    st.markdown("**Train on it**")
    st.session_state[_FIELD] = fields.choice(_FIELD, TRAINERS, _DEFAULT)
    trainer = st.segmented_control(
        "Trainer",
        list(TRAINERS),
        required=True,
        format_func=lambda name: TRAINERS[name][0],
        key=_FIELD,
        label_visibility="collapsed",
        on_change=lambda: fields.put(_FIELD, st.session_state[_FIELD], _DEFAULT),
    )
    try:
        parts = export_snippet(
            context.workspace, choice.record.id, trainer or _DEFAULT, choice.path, choice.schema
        )
    except ConfigError as error:
        st.info(f"{plain(error.message)} {plain(error.hint)}", icon=":material/info:")
        return
    for part in parts:
        st.caption(f"{part.name}, beside {choice.path.name}")
        st.code(part.text, language=part.language, height=300 if len(parts) == 1 else 230)
