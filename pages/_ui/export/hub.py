"""The way to the Hugging Face hub: a job that uploads file, manifest and card.

The token is the hub's own, on the server; this page neither asks for it nor shows it.
"""

from __future__ import annotations

import streamlit as st

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from nncift_core.export.hub import NO_TOKEN, has_token
from nncift_core.store import ExportRecord
from pages._ui.access import may_change
from pages._ui.errors import error_box
from pages._ui.format import plain
from pages._ui.job_panel import job_panel
from pages._ui.shell import Context

_STAGES = {"upload": "files"}
_PROBLEM = "push-refused"


def draw_hub(context: Context, made: ExportRecord | None) -> None:
    """Where to push, and how the last push of this file went."""
    from nncift_core.pipeline import list_pushes

    st.markdown("**Push it to the Hugging Face hub**")
    if not has_token():
        st.caption(
            f"{NO_TOKEN} Set `HF_TOKEN` where the app was started, or run `hf auth login` there."
        )
        return
    if made is None:
        st.caption("Build the file first; then it can be pushed with its manifest and a card.")
        return
    pushes = list_pushes(context.workspace, context.run.run_id, made.id)
    live = bool(pushes) and pushes[-1].state.live
    repository = st.text_input(
        "Dataset repository", key="push-repository", placeholder="OWNER/NAME", disabled=live
    )
    public = st.toggle(
        "Everybody may see it",
        key="push-public",
        disabled=live,
        help="Otherwise the repository is private, and one that is public already is refused.",
    )
    st.button(
        "Push to the hub",
        key="push",
        icon=":material/cloud_upload:",
        disabled=live or not repository.strip() or not may_change(),
        on_click=_push,
        args=(context, made.id, repository, not public),
    )
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        error_box(problem)
    if not pushes:
        return
    last = pushes[-1]
    st.caption(plain(f"Last push: {last.repository}, {'private' if last.private else 'public'}"))
    if last.address is not None:
        st.link_button("Open it on the hub", last.address, icon=":material/open_in_new:")
    else:
        job_panel(last.folder, stages=_STAGES, key="push-job")


def _push(context: Context, export_id: str, repository: str, private: bool) -> None:
    from nncift_core.pipeline import create_push

    try:
        jobs.start(create_push(context.workspace, export_id, repository, private=private))
    except NNCIFTError as error:
        st.session_state[_PROBLEM] = error
