"""Run: the form beside a run in view, filled in from another run, and what a start waits behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from nncift_core import jobs
from nncift_core.config import LanguageModelConfig, RunConfig
from nncift_core.jobs import JobState
from nncift_core.jobs.state import write_state
from nncift_core.pipeline.waiting import Waiting, jobs_before
from nncift_core.selection_config import SelectionConfig
from pages._ui.run.queue_words import waiting_words
from tests.pages.conftest import Place

pytestmark = pytest.mark.usefixtures("open_databases")

OTHER = RunConfig(
    method="delift",
    label_fraction=0.12,
    budget="25",
    objective="coverage",
    network="ridge",
    design="block",
    second_round=0.3,
    seed=11,
    lm=LanguageModelConfig(model="some/model", memory_mb=2048),
    selection=SelectionConfig(duplicates="keep", least_tokens=5),
)


@pytest.fixture(name="started")
def started_jobs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Jobs that would have been started."""
    begun: list[Path] = []
    monkeypatch.setattr(jobs, "start", begun.append)
    return begun


def keys(app: Any) -> set[str]:
    return {button.key for button in app.button}


def test_the_form_is_one_click_from_a_run_and_one_back(open_app, finished_run) -> None:
    app = open_app("run", finished_run.query)
    assert "start" not in keys(app)
    app.button(key="new-run").click().run()
    assert not app.exception
    assert app.query_params["new"] in ("1", ["1"])
    assert "start" in keys(app) and "to-export" not in keys(app)
    app.button(key="back-to-run").click().run()
    assert "to-export" in keys(app) and "start" not in keys(app)


def test_a_run_is_set_up_again_with_all_its_settings(
    open_app, make_run, started, words, demo_workspace
) -> None:
    place = make_run(JobState("done"), OTHER)
    query = {"project": place.project.id, "from": place.run_id}
    app = open_app("run", query)
    assert not app.exception and not app.error
    assert "Also as in DELIFT, u = 12 %: duplicates, least tokens." in words(app)
    app.button(key="start").click().run()
    assert not app.exception
    run = next(r for r in place.workspace.catalog.runs() if r.run_id != place.run_id)
    again = RunConfig.from_json(run.config["config"])
    for name in ("method", "label_fraction", "budget", "objective", "network", "design", "inputs",
                 "second_round", "seed", "exact", "lm", "less", "selectit"):  # fmt: skip
        assert getattr(again, name) == getattr(OTHER, name), name
    assert (again.selection.duplicates, again.selection.least_tokens) == ("keep", 5)
    assert started == [place.workspace.run_dir(run.run_id)]
    assert "from" not in app.query_params and "new" not in app.query_params


def test_what_was_filled_in_survives_a_refresh(open_app, make_run) -> None:
    place = make_run(JobState("done"), OTHER)
    first = open_app("run", {"project": place.project.id, "from": place.run_id})
    address = {
        name: value[0] if isinstance(value, list) else value
        for name, value in first.query_params.items()
    }
    again = open_app("run", address)
    assert not again.exception and not again.error
    assert again.number_input(key="seed").value == 11
    assert again.slider(key="labels").value == 12.0
    assert again.text_input(key="model").value == "some/model"
    assert again.selectbox(key="objective").value == "coverage"
    # What is changed afterwards stays, also what another rerun could fill in again.
    again.number_input(key="seed").set_value(0).run()
    again.text_input(key="budget").set_value("30").run()
    assert again.number_input(key="seed").value == 0


def test_what_stands_in_the_address_beside_it_wins(open_app, make_run) -> None:
    place = make_run(JobState("done"), OTHER)
    query = {"project": place.project.id, "from": place.run_id, "labels": "30"}
    app = open_app("run", query)
    assert app.slider(key="labels").value == 30.0
    assert app.number_input(key="seed").value == 11


def test_shares_that_the_slider_has_not_are_said(open_app, make_run) -> None:
    place = make_run(JobState("done"), RunConfig(label_fraction=0.8))
    app = open_app("run", {"project": place.project.id, "from": place.run_id})
    assert not app.exception
    assert "The run labelled 80.0 %" in app.info[0].value
    assert app.slider(key="labels").value == 50.0


@pytest.mark.parametrize("name", ["no-such-run", "../../etc", "<script>", ""])
def test_an_unknown_run_gives_the_usual_settings(
    name: str, open_app, demo_workspace: Place
) -> None:
    app = open_app("run", {**demo_workspace.query, "from": name})
    assert not app.exception and not app.error
    assert "is not in this workspace" in app.info[0].value
    assert app.slider(key="labels").value == 5.0
    assert "start" in keys(app)


def test_a_start_says_what_it_waits_behind(open_app, running_job, demo_workspace, words) -> None:
    app = open_app("run", {**running_job.query, "new": "1"})
    assert "Waits behind 1 job (about " in words(app)


def test_jobs_that_are_before(make_run, running_job) -> None:
    workspace = running_job.workspace
    first = make_run(JobState("queued", created_at=time.time()))
    second = make_run(JobState("queued", created_at=time.time() + 1), RunConfig(method="delift"))
    make_run(JobState("done"))
    make_run(JobState("running"), age=90.0)
    found = jobs_before(workspace)
    # Labels of a language model whose rate nobody measured take nobody knows how long.
    assert (found.count, found.complete) == (3, False)
    assert found.seconds > 0
    assert jobs_before(workspace, first.job_dir).count == 1
    assert jobs_before(workspace, second.job_dir).count == 2
    write_state(running_job.job_dir, JobState("done"))
    assert jobs_before(workspace, first.job_dir) == Waiting(0, 0, True)


def test_waiting_in_words() -> None:
    assert waiting_words(Waiting(0, 0.0, True)) == ""
    assert waiting_words(Waiting(2, 480.0, True)) == "Waits behind 2 jobs (about 8 min)."
    assert waiting_words(Waiting(1, 480.0, False)) == "Waits behind 1 job (about 8 min or more)."
    assert waiting_words(Waiting(1, 0.0, False)) == "Waits behind 1 job."
