"""Home and the shell: first start, open project, next step, wrong links, rename, delete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def test_empty_workspace_says_what_will_be_here(open_app, empty_workspace, words, labels) -> None:
    app = open_app()
    assert not app.exception
    text = words(app)
    assert "No project yet" in text
    assert "The demo project is missing" in text
    assert "Choose its data" in labels(app)


def test_the_only_project_is_open_and_leads_to_a_run(open_app, demo_workspace, words) -> None:
    app = open_app()
    assert "120 pool rows, 60 target rows" in words(app)
    assert app.query_params["project"] == demo_workspace.project.id
    primary = [button.label for button in app.button if button.proto.type == "primary"]
    assert primary == ["Set up the first run"]
    assert "no run yet" in words(app)


@pytest.fixture
def many_projects(demo_workspace):
    """Fourteen projects, the newest called ``Extra 12``."""
    for number in range(13):
        demo_workspace.workspace.catalog.add_project(
            f"Extra {number}", demo_workspace.project.pool_id
        )
    return demo_workspace


def test_several_projects_are_a_choice(open_app, demo_workspace) -> None:
    other = demo_workspace.workspace.catalog.add_project("Other", demo_workspace.project.pool_id)
    app = open_app()
    assert "project" not in app.query_params
    app.button(key=f"open-{other.id}").click().run()
    assert app.query_params["project"] == other.id


def test_many_projects_are_searched(open_app, many_projects, words) -> None:
    app = open_app()
    assert "The newest 12 of 14 are shown" in words(app)
    assert "**Demo**" not in words(app)
    app.text_input(key="find").input("extra 12").run()
    assert "**Extra 12**" in words(app)
    assert "**Extra 1**" not in words(app)
    app = open_app("home", {"find": "nobody"})
    assert "No project has these words" in words(app)


def test_the_run_switcher_is_there_where_there_is_a_choice(open_app, make_run) -> None:
    from nncift_core.jobs import JobState

    older = make_run(JobState("failed"))
    app = open_app("home", older.query)
    assert [box.label for box in app.sidebar.selectbox] == ["Project"]
    newer = make_run(JobState("done"))
    app = open_app("home", older.query)
    switcher = app.sidebar.selectbox(key="run-switcher")
    assert switcher.value == older.run_id
    switcher.select(newer.run_id).run()
    assert app.query_params["run"] == newer.run_id


def test_where_we_are_and_the_short_cut(open_app, finished_run, labels) -> None:
    app = open_app("home", finished_run.query)
    assert "**3. Trust**" in labels(app)
    links = [link.proto.label for link in app.main.get("page_link")]
    assert links == ["Export the subset"]


@pytest.mark.parametrize(
    ("state", "label"),
    [
        ("running_job", "Watch the run"),
        ("failed_job", "Go on with the run"),
        ("finished_run", "See whether to trust the estimates"),
    ],
)
def test_one_primary_button_in_every_state(state, label, open_app, request) -> None:
    app = open_app("home", request.getfixturevalue(state).query)
    assert not app.exception
    primary = [button.label for button in app.button if button.proto.type == "primary"]
    assert primary == [label]


def test_status_line_names_the_running_stage(open_app, running_job, words) -> None:
    app = open_app("home", running_job.query)
    status = app.caption[0].value
    assert "120 pool rows · 60 target rows · DELIFT \\(SE\\), u = 5 %" in status
    assert "Fit estimators 15 %" in status


def test_a_link_to_a_missing_project_is_answered(open_app, demo_workspace, labels) -> None:
    app = open_app("home", {"project": "no-such-project"})
    assert not app.exception
    assert len(app.error) == 1
    assert labels(app) == ["Choose a project"]
    assert "project" not in app.query_params


def test_a_link_to_a_missing_run_shows_the_newest(open_app, running_job, words) -> None:
    query = {"project": running_job.project.id, "run": "20200101-000000-abcdef"}
    app = open_app("home", query)
    assert "is not in this project" in words(app)
    assert app.query_params["run"] == running_job.run_id


def test_a_run_in_a_link_brings_its_project(open_app, running_job) -> None:
    app = open_app("home", {"run": running_job.run_id})
    assert app.query_params["project"] == running_job.project.id


@pytest.mark.parametrize("page", ["run", "trust", "influence", "select", "export"])
def test_pages_without_a_project_lead_home(page, open_app, demo_workspace, words, labels) -> None:
    app = open_app(page)
    assert not app.exception
    assert "No project open" in words(app)
    assert labels(app) == ["Choose a project"]


@pytest.mark.parametrize("page", ["influence", "select", "export"])
def test_pages_that_need_a_result_say_where_the_run_is(
    page, open_app, running_job, words, labels
) -> None:
    app = open_app(page, running_job.query)
    assert not app.exception
    assert "The run is not done yet" in words(app)
    assert "Watch the run" in labels(app)


def test_the_workspace_that_cannot_be_written(open_app, tmp_path, words) -> None:
    (tmp_path / "ws").write_text("a file stands here")
    app = open_app()
    assert not app.exception
    assert "file stands where a folder is needed" in app.error[0].value


def test_new_project_begins_on_the_data_page(open_app, demo_workspace, words) -> None:
    app = open_app()
    name = next(field for field in app.text_input if field.label == "Name")
    name.input("Demo")
    app.button[-1].click().run()
    assert "already" in app.warning[0].value
    name = next(field for field in app.text_input if field.label == "Name")
    name.input("  My   *new* one ")
    app.button[-1].click().run()
    assert app.title[0].value == "Data"
    assert app.text_input(key="new").value == "My *new* one"


def test_user_text_is_escaped(open_app, demo_workspace) -> None:
    name = "*a* <b>b</b> [x](http://y) $z$"
    demo_workspace.workspace.catalog.rename_project(demo_workspace.project.id, name)
    demo_workspace.workspace.catalog.add_project("Other", demo_workspace.project.pool_id)
    app = open_app()
    card = next(m.value for m in app.markdown if "http" in m.value)
    assert card == "**\\*a\\* \\<b\\>b\\</b\\> \\[x\\]\\(http:\u2060//y\\) \\$z\\$**"


def test_rename(open_app, demo_workspace) -> None:
    app = open_app("home", demo_workspace.query)
    app.text_input(key="rename").set_value("Better").run()
    app.button(key="rename-now").click().run()
    assert demo_workspace.workspace.catalog.projects()[0].name == "Better"


def test_delete_wants_the_name_typed(open_app, demo_workspace) -> None:
    app = open_app("home", demo_workspace.query)
    assert app.button(key="delete-now").disabled
    app.text_input(key="delete-name").set_value("demo").run()
    assert app.button(key="delete-now").disabled
    app.text_input(key="delete-name").set_value("Demo").run()
    app.button(key="delete-now").click().run()
    assert demo_workspace.workspace.catalog.projects() == []
    assert "project" not in app.query_params


def test_a_project_at_work_is_not_deleted(open_app, running_job) -> None:
    app = open_app("home", running_job.query)
    app.text_input(key="delete-name").set_value("Demo").run()
    app.button(key="delete-now").click().run()
    assert "at work" in app.warning[0].value
    assert running_job.workspace.catalog.projects()


@pytest.mark.parametrize("page", ["home", "data", "run"])
def test_pages_load_without_torch(page, small_demo, tmp_path) -> None:
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
if {page!r} != "home":
    app.switch_page("pages/{page}.py").run()
assert not app.exception, app.exception
assert app.title[0].value.lower() == {page!r}, app.title
assert app.query_params["project"]
sys.exit("torch" in sys.modules)
"""
    environment = {
        "NNCIFT_WORKSPACE": str(tmp_path / "ws"),
        "NNCIFT_DEMO_DIR": str(small_demo),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
