"""Every page with a run that scored single rows, and with one that a language model labelled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nncift_core.pipeline import RunView
from pages._ui.format import number
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


def figures(page) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def view_of(runs: Runs, name: str) -> RunView:
    return RunView(runs.workspace, runs.others[name])


def charts(page) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def test_trust_speaks_of_rows_and_shows_two_quadrants(model_runs: Runs) -> None:
    page = open_page("trust", model_runs.query(model_runs.others["selectit"]))
    accuracy = next(t.value for t in page.table if "Mean squared error" in t.value)
    baselines = next(t.value for t in page.table if "Mean label" in t.value)
    assert accuracy["Rows"].tolist() == ["labelled rows (Q1)", "unseen rows (Q4)"]
    table = model_runs.workspace.catalog.quadrant_metrics(model_runs.others["selectit"])
    assert accuracy["Measured"].tolist() == [f"{table[q]['n']:,}" for q in ("q1", "q4")]
    assert accuracy["R²"].str.contains(r"\[.*, .*\]").all()
    # A single row has no second embedding and no column.
    assert baselines["Plain cosine"].tolist() == ["–", "–"]
    assert not (baselines["Mean label"] == "–").any()
    text = every_text(page)
    assert "pair" not in text.replace("pairwise", "")
    assert figures(page)["Rows trained on"] == "24"
    chart = next(c for c in charts(page) if "annotations" in c["layout"])
    titles = [note["text"] for note in chart["layout"]["annotations"]]
    assert [t for t in titles if t.startswith("Q")] == ["Q1 · labelled rows", "Q4 · unseen rows"]


def test_trust_of_an_exact_pointwise_run(model_runs: Runs) -> None:
    page = open_page("trust", model_runs.query(model_runs.others["selectit-exact"]))
    assert "The values are exact" in every_text(page)
    assert "the score of every row" in every_text(page)
    assert figures(page) == {"Rows computed": str(N_TRAIN)}


def test_trust_shows_further_matrices_under_their_own_headings(model_runs: Runs) -> None:
    page = open_page("trust", model_runs.query(model_runs.others["delift"]))
    assert "**Pool rows that help pool rows (W)**" in [m.value for m in page.markdown]
    accuracy = [t.value for t in page.table if "Mean squared error" in t.value]
    assert len(accuracy) == 2
    assert accuracy[1]["Pairs of"].tolist()[-1] == "unseen rows x unseen rows (Q4)"
    stored = model_runs.workspace.catalog.quadrant_metrics(model_runs.others["delift"])
    assert accuracy[1]["Pairs"].tolist()[0] == f"{stored['pool-q1']['n']:,}"
    assert accuracy[0]["Pairs"].tolist()[0] == f"{stored['q1']['n']:,}"


def test_influence_shows_the_spread_and_every_row_instead_of_a_heatmap(model_runs: Runs) -> None:
    page = open_page("influence", model_runs.query(model_runs.others["selectit"]))
    view = view_of(model_runs, "selectit")
    histogram, strip = charts(page)
    assert {trace["type"] for trace in histogram["data"] + strip["data"]} == {"bar"}
    predicted, labelled = (sum(trace["y"]) for trace in histogram["data"])
    assert labelled == int(np.isfinite(view.true_scores).sum())
    assert predicted + labelled == N_TRAIN
    assert "1 bar = 1 row." in every_text(page)
    best = np.where(np.isfinite(view.true_scores), view.true_scores, view.predicted_scores)
    ordered = best[view.order("pool", "influence")]
    assert strip["data"][0]["y"] == pytest.approx(ordered.tolist(), rel=1e-5)
    assert (np.diff(ordered) <= 0).all()
    table = page.dataframe[0].value
    assert table["Place"].tolist() == list(range(1, 51))
    assert table["Row id"][0] == view.roles.pool[int(np.argmax(best))].id


def test_a_row_is_read_by_its_place_and_by_a_link(model_runs: Runs) -> None:
    view = view_of(model_runs, "selectit")
    labels = view.estimates.labels
    assert labels is not None
    trained = int(labels.by_role["q1"].helper[0])
    query = model_runs.query(model_runs.others["selectit"], columns="input")
    page = open_page("influence", query)
    page.number_input(key="row-place").set_value(trained + 1).run()
    assert page.query_params["row"] == str(trained + 1)
    assert figures(page)["True score"] == number(float(view.true_scores[trained]))
    assert figures(page)["Predicted score"] == (
        f"~ {number(float(view.predicted_scores[trained]))}"
    )
    assert "labelled and **trained on**" in every_text(page)
    assert view.roles.pool[trained].prompt in every_text(page)
    unseen = int(np.flatnonzero(~np.isfinite(view.true_scores))[-1])
    page = open_page("influence", {**query, "row": str(unseen + 1), "columns": "influence"})
    assert figures(page)["True score"] == "not labelled"
    assert "This row was not labelled" in every_text(page)
    place = int(np.flatnonzero(view.order("pool", "influence") == unseen)[0]) + 1
    assert page.number_input(key="row-place").value == place
    # The table opens where the row is.
    assert place in page.dataframe[0].value["Place"].tolist()


@pytest.mark.parametrize("broken", ["0", "999", "x", "-1", "1" * 30])
def test_broken_links_open_no_row(model_runs: Runs, broken: str) -> None:
    page = open_page("influence", model_runs.query(model_runs.others["selectit"], row=broken))
    assert page.number_input(key="row-place").value is None


def test_the_table_turns_its_pages(model_runs: Runs) -> None:
    page = open_page("influence", model_runs.query(model_runs.others["selectit"]))
    assert page.button(key="row-table-back").disabled
    page.button(key="row-table-next").click().run()
    page.button(key="row-table-next").click().run()
    assert page.dataframe[0].value["Place"].tolist() == list(range(101, N_TRAIN + 1))
    assert page.button(key="row-table-next").disabled


def test_an_exact_pointwise_run_shows_exact_scores(model_runs: Runs) -> None:
    query = model_runs.query(model_runs.others["selectit-exact"], row="3")
    page = open_page("influence", query)
    assert list(figures(page)) == ["Exact score"]
    assert "computed, not predicted" in every_text(page)
    assert len(charts(page)[0]["data"]) == 1


def test_select_takes_the_best_rows_and_speaks_of_no_targets(model_runs: Runs) -> None:
    run_id = model_runs.others["selectit"]
    page = open_page("select", model_runs.query(run_id))
    # There is nothing to choose but how much, and what is never in.
    keys = {box.key for box in page.selectbox}
    assert not keys & {"use-case", "objective", "optimizer"}
    assert "duplicates" in keys
    assert page.segmented_control(key="part").options == ["Chosen rows", "Left out"]
    assert figures(page)["Rows chosen"] == "36"
    view = view_of(model_runs, "selectit")
    chosen = page.dataframe[0].value
    assert float(chosen["Score"][0]) == pytest.approx(float(view.row_scores.max()), rel=1e-2)
    assert "Round" not in chosen
    text = every_text(page)
    assert "Every row has a score of its own" in text
    assert "target" not in text.replace("target rows", "")
    page.segmented_control(key="budget-kind").set_value("Rows").run()
    page.number_input(key="budget-count").set_value(5).run()
    page.button(key="select").click().run()
    assert not page.exception and not page.error
    assert figures(page)["Rows chosen"] == "5"
    assert model_runs.workspace.catalog.selections(run_id)[-1].row_count == 5
    page.segmented_control(key="part").set_value("left-out").run()
    assert page.dataframe[0].value["Why it is out"][0].startswith("its score is ")


def test_export_writes_the_best_rows(model_runs: Runs) -> None:
    run_id = model_runs.others["selectit"]
    page = open_page("export", model_runs.query(run_id))
    page.button(key="build").click().run()
    assert not page.exception and not page.error
    (record,) = model_runs.workspace.catalog.exports(run_id=run_id)
    assert len(Path(record.path).read_text("utf-8").splitlines()) == 36


@pytest.mark.parametrize("name", ["selectit", "selectit-exact", "delift"])
def test_home_and_run_say_what_was_done(model_runs: Runs, name: str) -> None:
    run_id = model_runs.others[name]
    home = every_text(open_page("home", model_runs.query(run_id)))
    run = open_page("run", model_runs.query(run_id))
    pointwise = name.startswith("selectit")
    exact = name.endswith("exact")
    assert ("SelectIT" if pointwise else "DELIFT") in home
    assert (("unseen rows" if pointwise else "unseen pairs") in home) != exact
    words = "Computed" if exact else "Labelled"
    assert f"{words} {'rows' if pointwise else 'pairs'}" in figures(run)
    text = every_text(run)
    assert f"label {'rows' if pointwise else 'pairs'} " in text
    assert f"predict {'rows' if pointwise else 'pairs'} " in text
    assert ("fit estimators" in text) != exact


def test_a_language_models_pairs_are_drawn_as_a_heatmap(model_runs: Runs) -> None:
    page = open_page("influence", model_runs.query(model_runs.others["delift"], pair="0-0"))
    assert len(page.get("bidi_component")) == 1
    assert "Predicted influence" in figures(page)
    # Only what the run itself labelled can be selected by: it read W.
    page = open_page("select", model_runs.query(model_runs.others["delift"]))
    offered = " ".join(page.selectbox(key="objective").options)
    assert "FL (pool)" in offered
    assert "FLCG" not in offered
