"""Run: settings, cost, command, start, and every state of a job."""

from __future__ import annotations

import json
import shlex

import pytest

from nncift_core import jobs
from nncift_core.jobs import JobState
from nncift_core.jobs.state import write_state
from nncift_core.pipeline import import_files

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list:
    """Jobs that would have been started."""
    begun: list = []
    monkeypatch.setattr(jobs, "start", begun.append)
    return begun


def test_first_run_shows_settings_cost_and_command(open_app, demo_workspace, words) -> None:
    app = open_app("run", demo_workspace.query)
    assert not app.exception
    text = words(app)
    assert "No run yet" in text
    assert "pairs to train on" in text
    assert "~ " in text
    assert "from a 2-core machine" in text
    assert "**Exact** is recommended" in text
    assert "36 rows of 120" in text
    assert [b.label for b in app.button if b.proto.type == "primary"] == ["Start"]


def test_too_few_labels_are_refused_before_the_start(open_app, demo_workspace) -> None:
    app = open_app("run", demo_workspace.query)
    app.slider(key="labels").set_value(2.0).run()
    assert "at least 16 are needed" in app.error[0].value
    assert app.button(key="start").disabled


@pytest.mark.parametrize("budget", ["0", "-3", "1.5", "ten", "121", ""])
def test_a_budget_that_makes_no_sense(budget, open_app, demo_workspace) -> None:
    app = open_app("run", demo_workspace.query)
    app.text_input(key="budget").set_value(budget).run()
    assert not app.exception
    assert "udget" in app.error[0].value
    assert app.button(key="start").disabled


@pytest.mark.parametrize("encoder", ["/etc", "./models/mine", "~/mine", "tests", "a/b/c", "..\\up"])
def test_an_encoder_that_names_a_folder_is_not_opened(encoder, open_app, demo_workspace) -> None:
    app = open_app("run", demo_workspace.query)
    app.text_input(key="encoder").set_value(encoder).run()
    assert not app.exception
    assert "names a folder" in app.error[0].value
    assert app.button(key="start").disabled


def test_settings_become_the_run_and_the_command(open_app, demo_workspace, started) -> None:
    app = open_app("run", demo_workspace.query)
    app.slider(key="labels").set_value(20.0).run()
    app.text_input(key="budget").set_value("12").run()
    app.selectbox(key="objective").set_value("coverage").run()
    app.number_input(key="seed").set_value(7).run()
    command = shlex.split(app.code[0].value.replace("\\\n", " "))
    assert command[:4] == ["python", "-m", "nncift_core", "run"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options["--label-fraction"] == "0.2"
    assert options["--budget"] == "12"
    assert options["--objective"] == "coverage"
    assert options["--seed"] == "7"
    assert options["--train"].endswith("demo_pool.jsonl")
    app.button(key="start").click().run()
    assert not app.exception
    (run,) = demo_workspace.workspace.catalog.runs(demo_workspace.project.id)
    assert started == [demo_workspace.workspace.run_dir(run.run_id)]
    assert app.query_params["run"] == run.run_id
    config = run.config["config"]
    assert (config["label_fraction"], config["budget"], config["seed"]) == (0.2, "12", 7)
    assert config["objective"] == "coverage"


def test_continual_learning_takes_another_dataset_as_existing(
    open_app, demo_workspace, started, tmp_path
) -> None:
    app = open_app("run", demo_workspace.query)
    # Without another dataset there is nothing to continue from.
    assert "FLCG" not in app.selectbox(key="objective").options
    tuned = tmp_path / "tuned.jsonl"
    lines = [json.dumps({"prompt": f"Say {n}.", "response": str(n)}) for n in range(12)]
    tuned.write_text("\n".join(lines), encoding="utf-8")
    record = import_files(demo_workspace.workspace, [str(tuned)]).record
    app = open_app("run", demo_workspace.query)
    app.selectbox(key="objective").set_value("flcg").run()
    assert app.selectbox(key="existing").options == ["tuned.jsonl, 12 rows"]
    assert "--existing" in app.code[0].value
    app.button(key="start").click().run()
    assert not app.exception and not app.error
    run = demo_workspace.workspace.catalog.runs(demo_workspace.project.id)[-1]
    assert run.config["existing"]["id"] == record.id
    assert run.config["config"]["objective"] == "flcg"


def test_the_command_is_one_that_the_command_line_understands(open_app, demo_workspace) -> None:
    from nncift_core.cli.options import build_parser

    app = open_app("run", {**demo_workspace.query, "exact": "true"})
    command = shlex.split(app.code[0].value.replace("\\\n", " "))
    options = build_parser().parse_args(command[3:])
    assert options.exact is True
    assert options.workspace == str(demo_workspace.workspace.path)


def test_exact_needs_no_labels(open_app, demo_workspace, words) -> None:
    app = open_app("run", demo_workspace.query)
    app.toggle(key="exact").set_value(True).run()
    assert app.slider(key="labels").disabled
    assert "all 7,200 pairs are computed" in words(app)


def test_running(open_app, running_job, words, labels) -> None:
    app = open_app("run", running_job.query)
    assert not app.exception
    text = words(app)
    assert "180 rows in 12 s" in text
    assert r"Three \*rows\* are long." in text
    assert "Cancel" in labels(app)
    assert len(app.main.get("progress")) == 1
    assert len(app.get("plotly_chart")) == 1
    bar = app.get("progress")[0].proto
    assert bar.value == 15
    assert "3 of 20 epochs · 2.00 epochs/s · 8.5 s left" in bar.text


def test_cancel_leaves_the_marker(open_app, running_job, labels) -> None:
    app = open_app("run", running_job.query)
    app.button(key="job-cancel").click().run()
    assert (running_job.job_dir / "cancel").exists()
    assert "Cancelling ..." in labels(app)


def test_a_job_that_does_not_stop_can_be_ended(open_app, running_job, labels) -> None:
    import os
    import time

    marker = running_job.job_dir / "cancel"
    marker.touch()
    os.utime(marker, (time.time() - 60, time.time() - 60))
    assert "End it now" in labels(open_app("run", running_job.query))


def test_failed_says_why_without_a_traceback(open_app, failed_job, words, started) -> None:
    app = open_app("run", failed_job.query)
    assert not app.exception
    assert app.error[0].value == (
        r"**The model 'a\*b\*c' is \<b\>not\</b\> here.**  " + "\nGive a folder that exists."
    )
    assert "Traceback" not in app.error[0].value
    assert "Traceback" in app.expander[0].code[0].value
    assert app.expander[0].label == "Details"
    app.button(key="job-resume").click().run()
    assert started == [failed_job.job_dir]


def test_cancelled_and_interrupted_can_be_resumed(
    open_app, cancelled_job, interrupted_job, words, started
) -> None:
    for place, sentence in (
        (cancelled_job, "Cancelled. Finished stages are kept."),
        (interrupted_job, "ended early"),
    ):
        app = open_app("run", place.query)
        assert not app.exception
        assert sentence in words(app)
        assert app.button(key="job-resume").label == "Resume"
        app.button(key="job-resume").click().run()
        assert started[-1] == place.job_dir


def test_a_start_that_fails_is_shown(open_app, cancelled_job) -> None:
    app = open_app("run", cancelled_job.query)
    write_state(cancelled_job.job_dir, JobState("done"))
    app.button(key="job-resume").click().run()
    assert "complete already" in app.error[0].value


def test_queued(open_app, make_run, words, labels) -> None:
    place = make_run(JobState("queued", ahead=2))
    app = open_app("run", place.query)
    assert "Waiting behind 2 other jobs" in words(app)
    assert "Cancel" in labels(app)


def test_done_leads_on(open_app, finished_run, words, labels) -> None:
    app = open_app("run", finished_run.query)
    assert not app.exception
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Selected rows"] == "36"
    assert figures["Labelled pairs"] == "288"
    primary = [button.label for button in app.button if button.proto.type == "primary"]
    assert primary == ["See whether to trust the estimates"]
    assert "Take it to the trainer" in labels(app)
    assert "fit estimators" in words(app)
    replay = next(code.value for code in app.code if "--config" in code.value)
    assert f"runs/{finished_run.run_id}/config.json" in replay


def test_runs_are_listed_viewed_and_deleted(open_app, running_job, failed_job, words) -> None:
    workspace = failed_job.workspace
    app = open_app("run", failed_job.query)
    assert app.button(key=f"view-{failed_job.run_id}").disabled
    app.button(key=f"view-{running_job.run_id}").click().run()
    assert app.query_params["run"] == running_job.run_id
    assert app.button(key=f"delete-{running_job.run_id}").disabled
    app.button(key=f"delete-{failed_job.run_id}").click().run()
    assert [run.run_id for run in workspace.catalog.runs()] == [running_job.run_id]
