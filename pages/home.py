"""Home: the projects, how far the open one is, and the one next step."""

from __future__ import annotations

import streamlit as st

from nncift_core import jobs
from nncift_core.store import ProjectRecord, Workspace
from pages._ui import access, state
from pages._ui.errors import user_errors
from pages._ui.format import file_size, plain, shortened
from pages._ui.navigation import PAGES, go, link_to
from pages._ui.projects import Card, NextStep, Step, cards, steps
from pages._ui.shell import Context, page_setup

MOST_CARDS = 12
NEW_PARAMETER = "new"
FIND = "find"


def main() -> None:
    """Draw the page."""
    context = page_setup("Home", "Where am I, what next?", needs="workspace")
    if context.found_project is not None:
        _draw_open_project(context)
    with user_errors():
        _draw_projects(context)
    if access.may_change():
        _draw_new_project(context)


def _draw_open_project(context: Context) -> None:
    with user_errors():
        line, following = steps(context)
        with st.container(border=True, key="open-project"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.subheader(plain(context.project.name), anchor=False)
                if access.may_change():
                    with st.popover("Rename", icon=":material/edit:"):
                        _draw_rename(context.workspace, context.project)
                    with st.popover("Delete", icon=":material/delete:"):
                        _draw_delete(context.workspace, context.project)
            if not context.runs:
                st.markdown(
                    "A few pairs of rows get their true influence, a small network learns from "
                    "them and predicts all others: that finds the pool rows that help your "
                    "target rows most."
                )
            _draw_steps(line, following)
            with st.container(horizontal=True, vertical_alignment="center"):
                if st.button(
                    following.label,
                    type="primary",
                    key="next-step",
                    icon=":material/arrow_forward:",
                ):
                    go(following.page)
                if following.short_cut:
                    link_to(following.short_cut, following.short_cut_label)


def _draw_steps(line: list[Step], following: NextStep) -> None:
    """The way from data to export: what is done, and where we are."""
    with st.container(key="steps"):
        columns = st.columns(len(line), border=True)
        for place, (step, column) in enumerate(zip(line, columns, strict=True), start=1):
            with column, st.container(gap="xxsmall"):
                here = step.page == following.page
                mark = "check_circle" if step.done else "radio_button_unchecked"
                name = f"{place}. {PAGES[step.page].title}"
                if st.button(
                    f"**{name}**" if here else name,
                    type="tertiary",
                    icon=f":material/{'arrow_circle_right' if here else mark}:",
                    key=f"step-{step.page}",
                    help="Done" if step.done else "To do",
                ):
                    go(step.page)
                st.caption(step.words)


def _draw_projects(context: Context) -> None:
    every = cards(context.workspace)
    if not every:
        with st.container(border=True, key="no-projects"):
            st.markdown("##### No project yet")
            st.markdown(
                "Your projects will be here: a pool of instruction rows with the target rows it "
                "is chosen for. Name your first one below."
            )
            if context.demo_problem:
                st.caption(f"The demo project is missing: {plain(context.demo_problem)}")
        return
    opened = context.found_project
    if opened is not None and [card.project.id for card in every] == [opened.id]:
        # The only project stands above already.
        return
    st.subheader("Projects", anchor=False)
    shown = _found(every) if len(every) > MOST_CARDS else every
    if not shown:
        st.caption("No project has these words in its name.")
        return
    if len(shown) > MOST_CARDS:
        st.caption(f"The newest {MOST_CARDS} of {len(shown)} are shown; search for the others.")
        shown = shown[:MOST_CARDS]
    with st.grid(min_column_width=280, border=True, key="projects"):
        for place, card in enumerate(shown):
            # One primary button on the page: the next step of the open project comes first.
            first = place == 0 and context.found_project is None
            _draw_card(card, context, primary=first)


def _found(every: list[Card]) -> list[Card]:
    """Projects whose names hold all words of the search."""
    wanted = st.text_input(
        "Search projects",
        key=FIND,
        bind="query-params",
        placeholder=f"Search {len(every)} projects",
        label_visibility="collapsed",
        max_chars=120,
    )
    words = str(wanted or "").lower().split()
    return [card for card in every if all(word in card.project.name.lower() for word in words)]


def _draw_card(card: Card, context: Context, *, primary: bool) -> None:
    project = card.project
    with st.container(gap="xsmall"):
        st.markdown(f"**{plain(project.name)}**")
        st.caption(
            f"{card.rows_words}  \nLast run: {card.run_words}  \nLast export: {card.export_words}"
        )
        if context.found_project is not None and context.project.id == project.id:
            st.markdown(":material/folder_open: open")
        elif st.button(
            f"Open {plain(shortened(project.name, 40))}",
            key=f"open-{project.id}",
            type="primary" if primary else "secondary",
        ):
            state.open_project(project.id)
            st.rerun()


def _draw_new_project(context: Context) -> None:
    st.subheader("New project", anchor=False)
    st.caption("A pool of instruction rows, and a few hundred rows that look like the job.")
    with st.form("new-project", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(
                "Name", placeholder="Support answers, spring", max_chars=120, width=360
            )
            start = st.form_submit_button("Choose its data", icon=":material/add:")
    if not start:
        return
    cleaned = " ".join(name.split())
    taken = {project.name.lower() for project in context.workspace.catalog.projects()}
    if not cleaned:
        st.warning("Give the project a name first.")
    elif cleaned.lower() in taken:
        st.warning(f"There is a project {plain(cleaned)} already. Choose another name.")
    else:
        state.open_project(None)
        go("data", {NEW_PARAMETER: cleaned})


def _draw_rename(workspace: Workspace, project: ProjectRecord) -> None:
    name = st.text_input("New name", value=project.name, max_chars=120, key="rename")
    if st.button("Rename", key="rename-now"):
        with user_errors():
            workspace.catalog.rename_project(project.id, name)
            st.rerun()


def _draw_delete(workspace: Workspace, project: ProjectRecord) -> None:
    st.markdown(
        "Deletes the project with its runs, selections and exports in the workspace, and the "
        "data that no other project uses. This cannot be undone."
    )
    typed = st.text_input("Type the project's name to delete it", key="delete-name")
    if st.button("Delete for good", disabled=typed != project.name, key="delete-now"):
        with user_errors():
            runs = {run.run_id for run in workspace.catalog.runs(project.id)}
            if any(entry.run_id in runs for entry in jobs.living_jobs(workspace.path)):
                st.warning("A job of this project is at work. Cancel it first.")
                return
            freed = workspace.delete_project(project.id)
            state.open_project(None)
            st.toast(f"Deleted; {file_size(freed.bytes)} freed.")
            st.rerun()


main()
