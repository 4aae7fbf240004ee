from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from nncift_core import jobs
from nncift_core.errors import DataError
from tests.pages.finished import Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


def table_with(page: AppTest, column: str) -> Any:
    """The first table that has this column."""
    return next(table.value for table in page.table if column in table.value)


def test_finished_run_opens_with_the_verdict_and_its_numbers(runs: Runs) -> None:
    page = open_page("trust", runs.query(runs.predicted))
    table = runs.workspace.catalog.quadrant_metrics(runs.predicted)
    verdict = next(m.value for m in page.markdown if m.value.startswith("### "))
    assert "reliable" in verdict or "not better than the mean" in verdict
    assert page.metric[0].label.startswith("R²")
    assert table["q4"] is not None
    accuracy = table_with(page, "Mean squared error")
    baselines = table_with(page, "Mean label")
    lines = [words for words in accuracy["Pairs of"] if "Q1u" not in words]
    assert lines == [
        "trained pairs (Q1)",
        "unseen rows x seen targets (Q2)",
        "seen rows x unseen targets (Q3)",
        "unseen rows x unseen targets (Q4)",
    ]
    quadrants = [table.get(name) for name in ("q1", "q1u", "q2", "q3", "q4")]
    assert accuracy["Pairs"].tolist() == [f"{metrics['n']:,}" for metrics in quadrants if metrics]
    assert accuracy["R²"].str.contains(r"\[.*, .*\]").all()
    assert list(baselines.columns)[2:] == [
        "Mean label",
        "Zero",
        "Random",
        "Row + column mean",
        "Plain cosine",
    ]
    # In Q4 neither the row nor the column is known.
    assert baselines["Row + column mean"].tolist()[-1] == "–"


def test_chart_has_a_text_alternative_of_all_quadrants(runs: Runs) -> None:
    page = open_page("trust", runs.query(runs.predicted))
    words = next(c.value for c in page.caption if c.value.startswith("Mean squared error before"))
    assert all(f"({name})" in words for name in ("Q1", "Q2", "Q3", "Q4"))
    epochs = next(d.value for d in page.dataframe if "Epoch" in d.value)["Epoch"].tolist()
    assert epochs == list(range(len(epochs)))
    assert f"after epoch {epochs[-1]}" in words


def test_exact_run_says_that_there_is_nothing_to_doubt(runs: Runs) -> None:
    page = open_page("trust", runs.query(runs.add_exact()))
    assert "The values are exact" in every_text(page)
    assert not page.table
    assert not page.get("plotly_chart")
    assert page.button(key="next-step").label == "See which rows help"


def test_running_run_draws_errors_so_far_beside_baselines(runs: Runs) -> None:
    waiting = runs.add_waiting()
    folder = runs.workspace.run_dir(waiting)
    with jobs.running(folder) as progress:
        progress.stage("train", 20, "epochs")
        baseline = {"mse_mean": 0.02, "mse_zero": 0.2}
        progress.point("baselines", {"q1": baseline, "q4": baseline})
        for epoch in range(3):
            progress.point("epoch", {"epoch": epoch, "q1": 0.1 / (epoch + 1), "q4": 0.2})
            progress.advance()
        page = open_page("trust", runs.query(waiting))
    assert len(page.get("plotly_chart")) == 1
    assert "after epoch 2" in every_text(page)
    assert page.button(key="trust-job-cancel").label == "Cancel"
    assert not page.table


def test_failed_run_says_why_and_offers_to_go_on(runs: Runs) -> None:
    waiting = runs.add_waiting()
    folder = runs.workspace.run_dir(waiting)
    with pytest.raises(DataError), jobs.running(folder) as progress:
        progress.stage("label", 10, "pairs")
        raise DataError("All training labels have the same value.", "Label a larger share.")
    page = open_page("trust", runs.query(waiting), problems=True)
    assert "All training labels have the same value" in every_text(page)
    assert page.button(key="trust-job-resume").label == "Try again"


def test_demo_without_a_run_leads_to_the_run_page(runs: Runs) -> None:
    runs.workspace.delete_run(runs.predicted)
    page = open_page("trust", {"project": runs.project_id})
    assert "No run yet" in every_text(page)
    assert page.button(key="empty-state-button").label == "Set up a run"


def test_without_a_project_leads_home(runs: Runs) -> None:
    page = open_page("trust", {})
    assert "No project open" in every_text(page)
    assert page.button(key="empty-state-button").label == "Choose a project"
