"""Studies: the forms, a study that was never made, one at work, one that is finished."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from nncift_core import jobs
from nncift_core.config import RunConfig
from nncift_core.files import write_json
from nncift_core.jobs import JobError, JobState
from nncift_core.jobs.process import mark_of
from nncift_core.jobs.state import beat, write_state
from nncift_core.pipeline import StudyRequest, create_study
from tests.pages.conftest import Place, make_spec

FRACTIONS = (0.1, 0.2, 0.4)
RUNNING = JobState(
    "running",
    stage="train",
    done=3,
    total=20,
    unit="epochs",
    rate=2.0,
    seconds_left=8.5,
    started_at=time.time() - 20,
    process=mark_of(os.getpid()),
)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Jobs that would have been started."""
    begun: list[Path] = []
    monkeypatch.setattr(jobs, "start", begun.append)
    return begun


def quadrant(r2: float | None, mse: float) -> dict[str, Any]:
    return {
        "n": 512, "mse": mse, "mse_ci": [0.9 * mse, 1.1 * mse], "r2": r2,
        "r2_ci": None if r2 is None else [r2 - 0.1, r2 + 0.1], "spearman": 0.5,
        "spearman_ci": None, "row_spearman": None, "row_spearman_ci": None,
        "variance": 0.04, "mse_mean": 0.05, "mse_additive": None, "mse_cosine": 0.03,
    }  # fmt: skip


def make_study(place: Place, request: StudyRequest, state: JobState, finished: int) -> Path:
    """A study in that state with the first points finished."""
    folder = create_study(place.workspace, make_spec(place.project, RunConfig()), request)
    if request.kind == "label-size":
        names = [f"u{u:g}-{n}-s0" for u in request.fractions for n in request.networks]
        places = [(u, n) for u in request.fractions for n in request.networks]
        points: list[dict[str, Any]] = [
            {"fraction": u, "network": n, "chosen": "ridge" if n == "auto" else n}
            for u, n in places
        ]
    else:
        shapes = [(5,), (100,), (500, 200)]
        names = ["-".join(map(str, shape)) + "-paper-s0" for shape in shapes]
        points = [
            {"fraction": 0.05, "shape": list(s), "training": "paper", "parameters": 10**n}
            for n, s in enumerate(shapes, start=3)
        ]
    write_json(folder / "planned.json", dict.fromkeys(names, 1.0))
    for number in range(finished):
        quadrants = {"q1": quadrant(0.9, 0.01), "q2": None, "q3": quadrant(None, 0.02)}
        quadrants["q4"] = quadrant(0.1 + 0.2 * number, 0.04 / (number + 1))
        point = {
            "name": names[number], "kind": request.kind, "seed": 0, "labels": 500 + number,
            "lo": 0.0, "hi": 1.0, "seconds": 12.0, "quadrants": quadrants, **points[number],
        }  # fmt: skip
        write_json(folder / "points" / f"{names[number]}.json", point)
    write_state(folder, state)
    beat(folder)
    if state.status == "done":
        write_json(folder / "result.json", {"points": []})
    return folder


def request(**values: Any) -> StudyRequest:
    return StudyRequest("label-size", fractions=FRACTIONS, networks=("paper", "auto"), **values)


def test_empty(open_app: Any, demo_workspace: Place, words: Any, started: list[Path]) -> None:
    app = open_app("studies", demo_workspace.query)
    assert not app.exception
    assert not app.error
    text = words(app)
    assert "No such study yet" in text
    assert "settings that a new run begins with: DELIFT" in text
    assert "u = 1 % gives too few labels" in text
    assert "cost no language model" in text
    assert not app.get("plotly_chart")
    assert [b.label for b in app.button if b.proto.type == "primary"] == ["Start"]
    command = shlex.split(app.code[0].value.replace("\\\n", " "))
    assert command[3:5] == ["study", "label-size"]
    from nncift_core.cli.options import build_parser
    from nncift_core.cli.study import _request

    assert _request(build_parser().parse_args(command[3:])) == StudyRequest("label-size")
    app.text_input(key="study-fractions").set_value("0.2, 0.4").run()
    app.number_input(key="study-seeds").set_value(2).run()
    command = shlex.split(app.code[0].value.replace("\\\n", " "))
    asked = _request(build_parser().parse_args(command[3:]))
    assert (asked.fractions, asked.seeds) == ((0.2, 0.4), 2)
    app.button(key="study-start").click().run()
    assert not app.exception
    (folder,) = started
    assert jobs.read_job(folder)["request"]["fractions"] == [0.2, 0.4]
    assert app.query_params["study"] == folder.name


def test_fractions_that_make_no_sense(open_app: Any, demo_workspace: Place) -> None:
    app = open_app("studies", demo_workspace.query)
    for text in ("a", "0.1; 0.2", "2", ""):
        app.text_input(key="study-fractions").set_value(text).run()
        assert not app.exception, text
        assert len(app.error) == 1, text


def test_running_with_two_points(
    open_app: Any, demo_workspace: Place, words: Any, labels: Any
) -> None:
    folder = make_study(demo_workspace, request(), RUNNING, 2)
    app = open_app("studies", {**demo_workspace.query, "study": folder.name})
    assert not app.exception
    assert not app.error
    text = words(app)
    assert "2 of 6 points" in text
    assert "of training left" in text
    assert "Cancel" in labels(app)
    assert len(app.get("plotly_chart")) == 1
    assert app.button(key="study-start").disabled
    app.button(key="study-cancel").click().run()
    assert (folder / "cancel").exists()


def test_finished_is_found_again_by_its_settings(
    open_app: Any, demo_workspace: Place, words: Any, labels: Any
) -> None:
    folder = make_study(demo_workspace, request(), JobState("done"), 6)
    other = make_study(demo_workspace, StudyRequest("network-size"), JobState("done"), 3)
    app = open_app("studies", demo_workspace.query)
    # The latest of its kind, of the same method, is there at once.
    assert "6 of 6 points" in words(app)
    # Other fractions are another study.
    app.text_input(key="study-fractions").set_value("0.1, 0.3").run()
    assert "No such study yet" in words(app)
    assert labels(app).count("Open") == 2
    app.text_input(key="study-fractions").set_value("0.1,0.2,0.4").run()
    assert app.query_params["study"] == folder.name
    text = words(app)
    assert "6 of 6 points" in text
    assert "the same at every u" in text
    assert len(app.get("plotly_chart")) == 1
    table = app.dataframe[0].value
    assert list(table["u"]) == ["10 %", "10 %", "20 %", "20 %", "40 %", "40 %"]
    assert list(table["Estimator"])[1].endswith("Ridge on the product")
    assert app.button(key="study-start").label == "Nothing is missing"
    # Reopened from the list: the other study, its form and its chart.
    app.button(key=f"open-{other.name}").click().run()
    assert not app.exception
    assert app.query_params["study"] == other.name
    assert "3 of 3 points" in words(app)
    assert list(app.dataframe[0].value["Shape"]) == ["5", "100", "500-200"]
    app.segmented_control(key="study-metric-network-size").set_value("r2").run()
    assert not app.exception
    # The other way: squared errors of the first one.
    app.button(key=f"open-{folder.name}").click().run()
    app.segmented_control(key="study-metric-label-size").set_value("mse").run()
    assert not app.exception
    assert app.text_input(key="study-fractions").value == "0.1, 0.2, 0.4"


def test_more_networks_are_added_to_a_finished_study(
    open_app: Any, demo_workspace: Place, started: list[Path]
) -> None:
    folder = make_study(demo_workspace, request(), JobState("done"), 6)
    app = open_app("studies", {**demo_workspace.query, "study": folder.name})
    assert app.button(key="study-start").disabled
    app.multiselect(key="study-networks").set_value(["paper", "auto", "ridge"]).run()
    assert app.button(key="study-start").label == "Compute what is missing"
    app.button(key="study-start").click().run()
    assert started == [folder]
    assert jobs.read_job(folder)["request"]["networks"] == ["paper", "auto", "ridge"]
    assert len(list((folder / "points").iterdir())) == 6


def test_failed_and_cancelled_say_so_and_keep_their_points(
    open_app: Any, demo_workspace: Place, words: Any, labels: Any, started: list[Path]
) -> None:
    problem = JobState("failed", stage="label", error=JobError("No <b>model</b>.", "Give one."))
    folder = make_study(demo_workspace, request(), problem, 1)
    app = open_app("studies", {**demo_workspace.query, "study": folder.name})
    assert "No \\<b\\>model\\</b\\>." in words(app)
    assert "1 of 6 points" in words(app)
    assert len(app.get("plotly_chart")) == 1
    app.button(key="study-resume").click().run()
    assert started == [folder]
    write_state(folder, JobState("cancelled", stage="label"))
    app = open_app("studies", {**demo_workspace.query, "study": folder.name})
    assert "Resume" in labels(app)


def test_a_study_that_is_gone(open_app: Any, demo_workspace: Place) -> None:
    app = open_app("studies", {**demo_workspace.query, "study": "label-size-0"})
    assert not app.exception
    assert "not one of these data" in app.info[0].value


def test_settings_are_those_of_the_run_in_view(open_app: Any, make_run: Any, words: Any) -> None:
    place = make_run(JobState("done"), RunConfig(label_fraction=0.3, encoder="my/encoder"))
    app = open_app("studies", place.query)
    assert "of the run in view: DELIFT" in words(app)
    app.segmented_control(key="study-kind").set_value("network-size").run()
    assert not app.exception
    assert "u = 30 %" in words(app)
    command = shlex.split(app.code[0].value.replace("\\\n", " "))
    assert command[3:5] == ["study", "network-size"]
    assert "0.3" in command
    assert "my/encoder" in command
    app.checkbox(key="study-large").set_value(True).run()
    assert "--large" in app.code[0].value
