"""The plan on the Run page and the audit on the Trust page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nncift_core import jobs
from nncift_core.files import write_json
from nncift_core.pipeline import create_audit, create_plan
from nncift_core.pipeline.spec import RunSpec
from nncift_core.studies.planner import Goal
from pages._ui.run.plan_panel import goal_words, option_table
from pages._ui.trust.audit_panel import summary_words
from tests.pages.conftest import Place
from tests.pages.finished import Runs, every_text, open_page


def option(fraction: float, r2: float | None = 0.6, *, far: bool = False) -> dict[str, Any]:
    known = None if r2 is None else [r2 - 0.1, r2 + 0.1]
    return {
        "fraction": fraction, "training": round(4e4 * fraction), "evaluation": 100,
        "units": round(4e4 * fraction), "seconds": 600 * fraction,
        "seconds_ci": [500 * fraction, 700 * fraction], "r2": r2, "r2_ci": known, "far": far,
    }  # fmt: skip


def plan_result(verdict: str = "good", **changed: Any) -> dict[str, Any]:
    line = [{"labels": n, "r2": 0.5, "low": 0.4, "high": 0.6} for n in (100.0, 4000.0)]
    point = {"labels": 100, "r2": 0.4, "r2_of_draws": [0.3, 0.5], "law": 0.4, "law_ci": [0.3, 0.5]}
    proposal = option(0.15) if verdict in ("good", "unsure") else None
    return {
        "method": "delift", "goal": {"accuracy": 0.6, "seconds": None}, "needed": True,
        "verdict": verdict, "sentence": "For R² 0.6 label a fraction of 0.15, or use --exact.",
        "warnings": ["Take its R² as a *guess*."], "proposal": proposal,
        "options": [option(0.05, 0.4), option(0.15), option(0.3, far=True)],
        "exact": option(1.0, None), "design": "spread", "unit": "pairs",
        "rates": {"rate": 60.0, "low": 50.0, "high": 70.0, "source": "measured now"},
        "labels": {"source": "pilot", "count": 420, "fraction": 0.05}, "estimator": "ridge",
        "curve": {"points": [point, {**point, "labels": 400}], "line": line},
        **changed,
    }  # fmt: skip


def planned(place: Place, result: dict[str, Any] | None) -> Path:
    """A plan of the demo project for DELIFT, done with a result or only made."""
    from nncift_core.config import RunConfig
    from tests.pages.conftest import make_spec

    spec = make_spec(place.project, RunConfig(method="delift"))
    folder = create_plan(place.workspace, spec, Goal(accuracy=0.6))
    if result is not None:
        write_json(folder / "result.json", result)
    return folder


def query(place: Place) -> dict[str, str]:
    return {**place.query, "method": "delift", "labels": "20"}


def test_a_proposal_is_put_into_the_form(demo_workspace: Place) -> None:
    planned(demo_workspace, plan_result())
    page = open_page("run", query(demo_workspace))
    text = every_text(page)
    assert "For R² 0.600" in text
    assert "420 labels of a pilot" in text
    # The command line's dashes are not the app's.
    assert "--exact" not in "\n".join(m.value for m in page.markdown)
    page.button(key="plan-use").click().run()
    assert not page.exception
    assert page.slider(key="labels").value == 15.0
    assert page.query_params["labels"] in (["15.0"], "15.0", ["15"], "15")
    command = next(c.value for c in page.code if "nncift_core run" in c.value)
    assert "--label-fraction 0.15" in command


def test_an_exact_verdict_switches_the_form(demo_workspace: Place) -> None:
    planned(demo_workspace, plan_result("exact"))
    page = open_page("run", query(demo_workspace))
    page.button(key="plan-use").click().run()
    assert not page.exception
    assert page.toggle(key="exact").value is True


def test_a_hopeless_plan_offers_nothing_to_use(demo_workspace: Place) -> None:
    sentence = "The estimates will not beat predicting the mean: use --exact."
    planned(demo_workspace, plan_result("mean", sentence=sentence))
    page = open_page("run", query(demo_workspace))
    assert "will not beat predicting the mean" in every_text(page)
    assert "plan-use" not in {button.key for button in page.button}


def test_the_goal_reaches_the_job(demo_workspace: Place, monkeypatch: Any) -> None:
    started: list[Path] = []
    monkeypatch.setattr(jobs, "start", started.append)
    page = open_page("run", query(demo_workspace))
    page.number_input(key="plan-minutes").set_value(45.0)
    # Typed just before the click, without a rerun between.
    page.button(key="plan").click().run()
    assert not page.exception
    (folder,) = started
    job = jobs.read_job(folder)
    assert (job["kind"], job["seconds"], job["accuracy"]) == ("plan", 2700.0, None)
    page.segmented_control(key="plan-goal").set_value("An accuracy").run()
    page.number_input(key="plan-accuracy").set_value(0.7)
    page.button(key="plan").click().run()
    assert jobs.read_job(folder)["accuracy"] == 0.7
    # The share that the form shows is not part of it: the plan proposes one.
    assert RunSpec.read(folder / "config.json").config.method == "delift"


def test_a_method_with_free_labels_needs_no_plan(demo_workspace: Place) -> None:
    page = open_page("run", {**demo_workspace.query, "method": "delift-se", "labels": "20"})
    assert "nothing to plan" in every_text(page)
    assert "plan" not in {button.key for button in page.button}


def test_options_in_a_table() -> None:
    table = option_table(plan_result())
    assert table["Labelled share"] == ["5.00 %", "15.0 % (proposed)", "30.0 %", "exact"]
    assert table["Expected R²"][2:] == ["0.60 [0.50, 0.70], a guess", "no error"]
    assert goal_words({"seconds": 1800.0, "accuracy": None}) == "For 30 min"


# Audits ---------------------------------------------------------------------------------------


def audit_result(run_id: str, *statuses: str) -> dict[str, Any]:
    checks = [
        {"name": str(n), "title": f"Check *{n}*", "status": status, "sentence": f"Sentence {n}."}
        for n, status in enumerate(statuses)
    ]
    counts = {status: statuses.count(status) for status in statuses}
    return {
        "run_id": run_id, "method": "delift-se", "network": "ridge",
        "at": "2026-01-01T00:00:00+00:00", "counts": counts, "checks": checks,
    }  # fmt: skip


def test_the_last_audit_is_shown_with_its_failed_checks(runs: Runs) -> None:
    folder = create_audit(runs.workspace, runs.predicted)
    result = audit_result(runs.predicted, "passed", "failed", "reported", "skipped")
    write_json(folder / "result.json", result)
    text = every_text(open_page("trust", runs.query(runs.predicted)))
    assert "1 of 4 checks failed" in text
    assert "Sentence 1" in text and r"Check \*1\*" in text
    assert "estimator ridge" in text
    assert summary_words(audit_result("x", "passed", "reported")).startswith("No check failed")


def test_a_run_is_audited_by_a_click(runs: Runs, jobs_at_once: list[Path]) -> None:
    page = open_page("trust", runs.query(runs.predicted))
    assert page.button(key="audit").label == "Audit this run"
    page.button(key="audit").click().run()
    assert not page.exception
    (folder,) = jobs_at_once
    assert jobs.read_state(folder).status == "done", jobs.read_state(folder).error
    text = every_text(page)
    assert "Nothing is learned from shuffled labels" in text
    assert page.button(key="audit").label == "Audit again"


def test_an_audit_at_work_shows_the_checks_so_far(runs: Runs) -> None:
    folder = create_audit(runs.workspace, runs.predicted)
    with jobs.running(folder) as progress:
        progress.stage("shuffle", 3, "fits")
        progress.point("check", audit_result("x", "passed")["checks"][0])
        page = open_page("trust", runs.query(runs.predicted))
    assert "Sentence 0" in every_text(page)
    assert page.button(key="audit-job-cancel").label == "Cancel"
    assert "audit" not in {button.key for button in page.button}


def test_an_exact_run_offers_no_audit(runs: Runs) -> None:
    page = open_page("trust", runs.query(runs.add_exact()))
    assert "audit" not in {button.key for button in page.button}
