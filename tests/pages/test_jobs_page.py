"""The page Jobs and the box of the sidebar in every state: nothing, at work, waiting, ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nncift_core import jobs
from nncift_core.jobs import JobState
from nncift_core.jobs.queue import take_ticket
from nncift_core.jobs.state import beat, write_state
from tests.open_databases import databases_stay_open

LOG = (
    b"plain\n\x1b[31mred\x1b[0m 10 %\r 20 %\r100 %\n<script>alert(1)</script> :red[x] $a$\n"
    b"\xe2\x80\xaeturned \x07 bell\n"
)


@pytest.fixture(autouse=True)
def _open_databases() -> Iterator[None]:
    with databases_stay_open():
        yield


def titles(app) -> list[str]:
    """The jobs on the page in order, as icon and title."""
    return [m.value for m in app.markdown if m.value.startswith(":material/") and "**" in m.value]


def test_nothing_was_ever_done(open_app, demo_workspace, words, labels) -> None:
    app = open_app("jobs", demo_workspace.query)
    assert not app.exception
    assert "Nothing is at work." in words(app)
    assert "Nothing was done yet." in words(app)
    assert labels(app) == ["Set up a run"]
    assert "No job is at work." in words(open_app("home", demo_workspace.query))


def test_without_any_project(open_app, empty_workspace, words) -> None:
    app = open_app("jobs")
    assert not app.exception
    assert not app.error
    assert "Nothing is at work." in words(app)


def test_a_running_job_with_its_share_here_and_in_the_sidebar(open_app, running_job, words) -> None:
    app = open_app("jobs", running_job.query)
    assert not app.exception
    assert "1 job works." in words(app)
    assert titles(app) == [":material/pending: **Run: DELIFT \\(SE\\), u = 5 %**"]
    for part in (app.main, open_app("home", running_job.query).sidebar):
        (bar,) = part.get("progress")
        assert bar.proto.text == "Fit estimators 15 %, 8 s left"
    app.button(key=f"cancel-runs/{running_job.run_id}").click().run()
    assert (running_job.job_dir / "cancel").exists()
    assert app.button(key=f"cancel-runs/{running_job.run_id}").label == "End it now"


def test_the_queue_is_in_the_order_of_the_tickets(open_app, make_run, running_job, words) -> None:
    waiting = []
    for _ in range(2):
        time.sleep(1.05)  # ids are made of seconds
        waiting.append(make_run(JobState("queued", created_at=time.time(), started_by="ann@x.y")))
    # The one that was made last took its ticket first.
    for place in reversed(waiting):
        take_ticket(place.job_dir)
    found = jobs.living_jobs(running_job.workspace.path)
    order = [running_job.run_id, waiting[1].run_id, waiting[0].run_id]
    assert [entry.folder.name for entry in found] == order
    app = open_app("jobs", running_job.query)
    assert "1 job works, 2 wait for a turn." in words(app)
    texts = [bar.proto.text for bar in app.main.get("progress")]
    assert texts[1:] == ["waits, number 1 in the queue", "waits, number 2 in the queue"]
    assert "by ann" in words(app)
    app.button(key=f"cancel-runs/{waiting[0].run_id}").click().run()
    assert (waiting[0].job_dir / "cancel").exists()


@pytest.mark.parametrize(
    ("state", "status"),
    [("failed_job", "failed"), ("cancelled_job", "cancelled"), ("interrupted_job", "interrupted")],
)
def test_what_stopped_can_be_resumed(
    state, status, open_app, request, monkeypatch, words, labels
) -> None:
    place = request.getfixturevalue(state)
    started = []
    monkeypatch.setattr(jobs, "start", started.append)
    app = open_app("jobs", place.query)
    assert not app.exception
    assert f"{status} · Demo" in words(app)
    app.button(key=f"resume-runs/{place.run_id}").click().run()
    assert started == [place.job_dir]


def test_why_a_job_failed_and_its_log_are_shown_as_text(open_app, failed_job, words) -> None:
    (failed_job.job_dir / "log.txt").write_bytes(LOG)
    app = open_app("jobs", failed_job.query)
    app.button(key=f"log-runs/{failed_job.run_id}").click().run()
    assert app.query_params["job"] == f"runs/{failed_job.run_id}"
    assert "The model 'a\\*b\\*c' is \\<b\\>not\\</b\\> here." in app.error[0].value
    log = app.code[-1].value
    assert log == "plain\n100 %\n<script>alert(1)</script> :red[x] $a$\nturned  bell"
    app.button(key=f"log-runs/{failed_job.run_id}").click().run()
    assert not app.error


def test_delete_undo_and_the_trash(open_app, finished_run, words) -> None:
    workspace, run_id = finished_run.workspace, finished_run.run_id
    app = open_app("jobs", finished_run.query)
    app.button(key=f"delete-runs/{run_id}").click().run()
    assert workspace.catalog.runs() == []
    assert "Deleted Run: DELIFT" in words(app)
    assert "Nothing was done yet." in words(app)
    app.button(key="job-undo").click().run()
    assert [run.run_id for run in workspace.catalog.runs()] == [run_id]
    assert (workspace.run_dir(run_id) / "result.json").is_file()
    assert "Deleted" not in words(app)
    app.button(key=f"delete-runs/{run_id}").click().run()
    assert app.expander[0].label.startswith("Trash: 1 run, ")
    app.button(key="empty-trash").click().run()
    assert workspace.trashed_runs() == ()
    assert not [box for box in app.expander if box.label.startswith("Trash")]


def test_a_run_that_a_job_reads_is_not_deleted(open_app, finished_run) -> None:
    folder = finished_run.job_dir / "audits" / "20260101-000000-abcdef"
    jobs.create(folder, {"kind": "audit", "run_id": finished_run.run_id})
    write_state(folder, JobState("running", stage="check", total=3))
    beat(folder)
    app = open_app("jobs", finished_run.query)
    app.button(key=f"delete-runs/{finished_run.run_id}").click().run()
    assert "reads this run" in app.error[0].value
    assert finished_run.workspace.catalog.runs()


def test_other_jobs_go_to_the_trash_and_come_back(open_app, finished_run, words) -> None:
    folder = finished_run.job_dir / "audits" / "20260101-000000-abcdef"
    jobs.create(folder, {"kind": "audit", "run_id": finished_run.run_id})
    write_state(folder, JobState("failed"))
    name = f"runs/{finished_run.run_id}/audits/{folder.name}"
    app = open_app("jobs", finished_run.query)
    assert "Audit: DELIFT" in words(app)
    app.button(key=f"delete-{name}").click().run()
    assert not folder.exists()
    assert app.expander[0].label.startswith("Trash: 1 other job, ")
    app.button(key=f"restore-{name}").click().run()
    assert (folder / "job.json").is_file()


def test_duplicate_leads_to_the_form(open_app, finished_run) -> None:
    app = open_app("jobs", finished_run.query)
    app.button(key=f"duplicate-{finished_run.run_id}").click().run()
    assert app.title[0].value == "Run"
    assert app.query_params["project"] == finished_run.project.id


def test_many_jobs_are_paged_and_filtered(open_app, demo_workspace, words) -> None:
    workspace = demo_workspace.workspace
    for number in range(45):
        folder = workspace.studies_dir / f"{number:04x}"
        jobs.create(folder, {"kind": "study"})
        status = "failed" if number % 15 == 0 else "done"
        write_state(folder, JobState(status, created_at=float(number)))
    app = open_app("jobs", demo_workspace.query)
    assert not app.exception
    assert len(titles(app)) == 20
    app = open_app("jobs", {**demo_workspace.query, "page": "3"})
    assert len(titles(app)) == 5
    for bad in ("999", "x", "-1"):
        app = open_app("jobs", {**demo_workspace.query, "page": bad})
        assert not app.exception
        assert titles(app)
    app = open_app("jobs", {**demo_workspace.query, "show": "Failed"})
    assert len(titles(app)) == 3
    app = open_app("jobs", {**demo_workspace.query, "show": "Stopped"})
    assert "No job of this kind." in words(app)


def test_a_viewer_may_press_nothing(open_app, failed_job, monkeypatch) -> None:
    for module in ("jobs.rows", "jobs.actions"):
        monkeypatch.setattr(f"pages._ui.{module}.may_change", lambda: False)
    app = open_app("jobs", failed_job.query)
    for name in ("resume", "delete"):
        assert app.button(key=f"{name}-runs/{failed_job.run_id}").disabled


def test_jobs_of_a_deleted_project_are_still_listed(open_app, failed_job, words) -> None:
    other = replace(failed_job)
    folder = other.workspace.studies_dir / "beef"
    jobs.create(folder, {"kind": "study"})
    write_state(folder, JobState("done"))
    Path(folder / "config.json").write_text("[1]")
    app = open_app("jobs", failed_job.query)
    assert not app.exception
    assert "project deleted" in words(app)
