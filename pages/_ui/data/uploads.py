"""Uploads: written at once under the hash of their content, remembered by that in the URL.

A refresh loses what the browser uploaded; what the URL names is still there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from nncift_core.errors import NNCIFTError
from nncift_core.store import Workspace
from pages._ui.errors import error_box
from pages._ui.format import file_size, plain

TYPES = ["json", "jsonl", "csv", "tsv", "parquet", "gz"]
HUB_PREFIX = "hf:"

# What save_upload makes: nothing else in the URL is ever opened as a file.
_STORED = re.compile(r"[0-9a-f]{64}(?:\.[a-z0-9]{1,10})?(?:\.gz)?")
_ROUND = "{}-round"
_PROBLEM = "{}-upload-problem"


@dataclass(frozen=True)
class Upload:
    """A stored file, or a Hugging Face split by its name.

    Attributes:
        stored: File name in the uploads folder, or the hub name.
        name: What the user calls it.
    """

    stored: str
    name: str

    @property
    def hub(self) -> bool:
        """Whether it is a split of the Hugging Face hub."""
        return self.stored.startswith(HUB_PREFIX)

    def path(self, workspace: Workspace) -> Path | str:
        """Where it is read from."""
        return self.stored if self.hub else workspace.uploads_dir / self.stored

    @property
    def as_parameter(self) -> str:
        """How the URL names it."""
        return f"{self.stored}|{self.name}"


def uploads(workspace: Workspace, side: str) -> list[Upload]:
    """The files of one side (``pool`` or ``target``) that the URL names and that exist."""
    found = []
    for parameter in st.query_params.get_all(side):
        stored, _, name = parameter.partition("|")
        upload = Upload(stored, name or stored)
        if upload.hub or (_STORED.fullmatch(stored) and (workspace.uploads_dir / stored).is_file()):
            found.append(upload)
    return found


def upload_box(workspace: Workspace, side: str, label: str, *, several: bool) -> list[Upload]:
    """A drop zone with the files so far below it; the files so far."""
    key = f"{side}-files-{st.session_state.get(_ROUND.format(side), 0)}"
    st.file_uploader(
        label,
        type=TYPES,
        accept_multiple_files=several,
        key=key,
        on_change=_keep,
        args=(workspace, side, key, several),
        help="JSON, JSON lines, CSV, TSV or Parquet, each also gzip-compressed; up to 200 MB.",
    )
    problem = st.session_state.get(_PROBLEM.format(side))
    if problem is not None:
        error_box(problem)
    kept = uploads(workspace, side)
    for place, upload in enumerate(kept):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/description: {plain(upload.name)}", width="stretch")
            st.caption(_size(workspace, upload), width="content")
            st.button(
                "Remove",
                key=f"{side}-remove-{place}",
                type="tertiary",
                icon=":material/close:",
                on_click=_remove,
                args=(workspace, side, upload),
            )
    with st.popover("From Hugging Face", icon=":material/cloud_download:"):
        hub = st.text_input(
            "Dataset and split",
            placeholder="hf:owner/name:split",
            key=f"{side}-hub",
            help="Needs a network. It is read when you import.",
        )
        st.button(
            "Use it",
            key=f"{side}-hub-use",
            disabled=not hub.strip(),
            on_click=_use_hub,
            args=(side, hub),
        )
    return kept


def _size(workspace: Workspace, upload: Upload) -> str:
    if upload.hub:
        return "read on import"
    return file_size((workspace.uploads_dir / upload.stored).stat().st_size)


def _keep(workspace: Workspace, side: str, key: str, several: bool) -> None:
    """Write what was dropped, name it in the URL, and give the drop zone a fresh start."""
    st.session_state.pop(_PROBLEM.format(side), None)
    dropped = st.session_state.get(key)
    files = dropped if isinstance(dropped, list) else [dropped] if dropped else []
    kept = uploads(workspace, side) if several else []
    # Files of the hub and of the disk do not form one dataset.
    kept = [upload for upload in kept if not upload.hub]
    try:
        for file in files:
            path = workspace.save_upload(file.name, file.getbuffer())
            upload = Upload(path.name, file.name)
            if upload not in kept:
                kept.append(upload)
    except NNCIFTError as error:
        st.session_state[_PROBLEM.format(side)] = error
    if files:
        st.session_state[_ROUND.format(side)] = st.session_state.get(_ROUND.format(side), 0) + 1
        _name(side, kept)


def _use_hub(side: str, hub: str) -> None:
    name = hub.strip()
    name = name if name.startswith(HUB_PREFIX) else f"{HUB_PREFIX}{name}"
    _name(side, [Upload(name, name)])


def _remove(workspace: Workspace, side: str, upload: Upload) -> None:
    _name(side, [kept for kept in uploads(workspace, side) if kept != upload])


def _name(side: str, kept: list[Upload]) -> None:
    if kept:
        st.query_params[side] = [upload.as_parameter for upload in kept]
    elif side in st.query_params:
        del st.query_params[side]
