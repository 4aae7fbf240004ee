"""The first half of the data page: files, mapping in words, preview, import.

Ends with a new project. Reads only the beginning of a file until the import.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import streamlit as st

from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.store import Workspace
from pages._ui.access import may_change
from pages._ui.data.mapping import draw_mapping, path_of, read_preview
from pages._ui.data.uploads import Upload, upload_box
from pages._ui.errors import user_errors
from pages._ui.navigation import go
from pages._ui.state import PROJECT

NAME = "new"
SAMPLE = "sample"
"""In the URL: rows of the pool that become the target."""

_LEAST_SAMPLED, _USUAL_SAMPLE, _MOST_SAMPLED = 2, 200, 5_000
_FILE, _SAMPLE = "A file of its own", "A sample of the pool"


def draw_import(workspace: Workspace) -> None:
    """Draw the way from files to a new project."""
    name = st.text_input(
        "Project name",
        key=NAME,
        bind="query-params",
        max_chars=120,
        placeholder="What you are choosing rows for",
        width=480,
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Pool", anchor=False)
        st.caption("The rows to choose from. Several files form one pool.")
        pool = upload_box(workspace, "pool", "Pool files", several=True)
        pool_overrides = draw_mapping(workspace, "pool", pool)
    with right:
        st.subheader("Target", anchor=False)
        st.caption("Rows that look like the job, a few hundred are enough.")
        kind = st.segmented_control(
            "Target rows come from",
            [_FILE, _SAMPLE],
            default=_FILE,
            required=True,
            key="target-kind",
            bind="query-params",
        )
        target: list[Upload] = []
        target_overrides: dict[str, str] | None = None
        sample: int | None = None
        if kind == _SAMPLE:
            sample = _draw_sample(workspace, pool)
        else:
            target = upload_box(workspace, "target", "Target file", several=False)
            target_overrides = draw_mapping(workspace, "target", target)
    missing = _missing(pool, target, sample, pool_overrides, target_overrides)
    if missing:
        st.caption(missing)
    if st.button(
        "Import",
        type="primary",
        disabled=bool(missing) or not may_change(),
        icon=":material/download_done:",
        key="import",
    ):
        with user_errors():
            _import(workspace, name, pool, pool_overrides, target, target_overrides, sample)


def _draw_sample(workspace: Workspace, pool: Sequence[Upload]) -> int:
    """How many rows of the pool become the target."""
    most = _MOST_SAMPLED
    with contextlib.suppress(NNCIFTError):
        previews = [
            read_preview(path_of(workspace, one), one.name, ()) for one in pool if not one.hub
        ]
        if previews and all(preview.whole for preview in previews):
            most = max(_LEAST_SAMPLED, sum(preview.usable for preview in previews) - 2)
    most = min(most, _MOST_SAMPLED)
    wanted = str(st.query_params.get(SAMPLE, ""))
    if SAMPLE not in st.session_state and wanted.isascii() and wanted.isdigit():
        st.session_state[SAMPLE] = int(wanted[:9])
    st.session_state[SAMPLE] = min(
        most, max(_LEAST_SAMPLED, st.session_state.get(SAMPLE, min(_USUAL_SAMPLE, most // 5 or 2)))
    )
    if most <= _LEAST_SAMPLED:
        return _LEAST_SAMPLED
    sample = st.slider(
        "Rows to sample",
        min_value=_LEAST_SAMPLED,
        max_value=most,
        key=SAMPLE,
        help="Drawn with the run's seed; they leave the pool.",
    )
    st.query_params[SAMPLE] = str(sample)
    return sample


def _missing(
    pool: Sequence[Upload],
    target: Sequence[Upload],
    sample: int | None,
    pool_overrides: dict[str, str] | None,
    target_overrides: dict[str, str] | None,
) -> str:
    """What keeps the import from starting, or nothing."""
    if not pool:
        return "Drop a pool file to begin."
    if not target and sample is None:
        return "Drop a target file, or take a sample of the pool."
    if pool_overrides is None or (target and target_overrides is None):
        return "The files cannot be read like this yet: see above what to change."
    return ""


def _import(
    workspace: Workspace,
    name: str,
    pool: Sequence[Upload],
    pool_overrides: dict[str, str] | None,
    target: Sequence[Upload],
    target_overrides: dict[str, str] | None,
    sample: int | None,
) -> None:
    from nncift_core import pipeline
    from nncift_core.pipeline.data_statistics import data_statistics

    with st.spinner("Reading and storing the rows ...", show_time=True):
        imported = {}
        for side, files, overrides in (
            ("pool", pool, pool_overrides),
            ("target", target, target_overrides),
        ):
            if not files:
                continue
            hub = files[0].hub
            imported[side] = pipeline.import_files(
                workspace,
                [file.path(workspace) for file in files],
                names=None if hub else [file.name for file in files],
                overrides=overrides or None,
            )
            # Now rather than when the page opens, which people expect to be there at once.
            data_statistics(workspace, imported[side].record.id)
        pool_record = imported["pool"].record
        if sample is not None and sample > pool_record.accepted - 2:
            # Refused here rather than by the first run.
            raise ConfigError(
                f"A target sample of {sample:,} rows leaves too little of a pool of "
                f"{pool_record.accepted:,}.",
                f"Sample at most {pool_record.accepted - 2:,} rows.",
            )
        project = workspace.catalog.add_project(
            name.strip() or _free_name(workspace, pool[0].name),
            pool_record.id,
            imported["target"].record.id if target else None,
            sample,
        )
    go("data", {PROJECT: project.id})


def _free_name(workspace: Workspace, file_name: str) -> str:
    """The file's name without its suffixes, with a number where it is taken."""
    stem = file_name.split(".")[0].replace("_", " ").strip() or "Project"
    taken = {project.name.lower() for project in workspace.catalog.projects()}
    candidates = (stem, *(f"{stem} {number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate.lower() not in taken)
