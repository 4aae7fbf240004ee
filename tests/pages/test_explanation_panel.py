"""Why a ticked row is in or out, and the coverage of the targets, as the app shows them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from nncift_core.pipeline.explained import CoverageReport, RowExplanation, TargetLine, WorstLine
from nncift_core.pipeline.explaining import explain_selection
from nncift_core.selection.explanations import GroupCoverage
from pages._ui.select import coverage_panel, explanation
from tests.pages.conftest import Place
from tests.pages.finished import Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")

HOSTILE = "<b>bold</b> *stars* :smile:"


def _line(**changed: Any) -> TargetLine:
    values = {
        "target_id": "t-1",
        "target": 3,
        "prompt": HOSTILE,
        "subtask": None,
        "value": 0.81,
        "value_original": 0.4,
        "other_row_id": "r-9",
        "other_position": 9,
        "other": 0.84,
        "other_original": 0.45,
        "difference": -0.03,
        "best": False,
    }
    return TargetLine(**values | changed)


def _row(**changed: Any) -> RowExplanation:
    values = {
        "row_id": "r-1",
        "position": 1,
        "input_row": 2,
        "chosen": False,
        "kind": "covered",
        "reason": "its targets are covered by chosen rows: r-9",
        "rank": None,
        "round": None,
        "score": 0.1,
        "score_rank": 7,
        "sentence": "Left out: banned by rule prompt contains <b>*x*</b>.",
        "targets": (_line(),),
        "covered_by": (("r-9", 1),),
    }
    return RowExplanation(**values | changed)


def _draw(part: str, shown: Any, *, pointwise: bool = False) -> AppTest:
    # Its text is run elsewhere, so it may use nothing of this module.
    def script(part, desk, shown):  # type: ignore[no-untyped-def]
        from pages._ui.select import coverage_panel, explanation

        if part == "row":
            explanation.row_explanation(desk, shown, 1)
        else:
            coverage_panel.coverage_panel(desk, shown)

    desk = SimpleNamespace(view=SimpleNamespace(pointwise=pointwise))
    app = AppTest.from_function(script, args=(part, desk, shown), default_timeout=30).run()
    assert not app.exception, app.exception
    return app


def _shown(**of: Any) -> Any:
    """Something to show whose explanation gives these answers."""

    def giving(value: Any) -> Any:
        return lambda *_: value

    calls = {name: giving(value) for name, value in of.items()}
    return SimpleNamespace(explanation=SimpleNamespace(**calls))


def test_a_row_left_out_names_values_and_who_covers() -> None:
    app = _draw("row", _shown(row=_row()))
    assert app.markdown[0].value.startswith("Left out: banned by rule prompt contains")
    # What a user wrote is shown, not obeyed.
    assert "<b>" not in app.markdown[0].value and "*x*" not in app.markdown[0].value
    (table,) = (frame.value for frame in app.dataframe)
    assert table["Target"].tolist() == [HOSTILE]
    assert table["This row"].tolist() == ["0.810 (0.400)"]
    assert table["Best chosen row"].tolist() == ["0.840 (0.450)"]
    assert table["Difference"].tolist() == ["-0.0300"]
    assert table["Who"].tolist() == ["r-9"]
    assert "covered by chosen rows r-9 (1 target)" in app.caption[0].value


def test_a_chosen_row_and_one_without_others() -> None:
    lines = (_line(best=True, difference=0.2, subtask="math"), _line(other=None, other_row_id=None))
    row = _row(chosen=True, kind="chosen", rank=4, targets=lines, covered_by=())
    table = explanation.target_table(row)
    assert table["Covered best by"] == ["this row", "the other"]
    assert table["Best other chosen row"] == ["0.840 (0.450)", "-"]
    assert table["Who"] == ["r-9", "nobody"] and table["Subtask"] == ["math", ""]
    assert table["Difference"][0] == "+0.200"


def test_rows_that_are_scored_alone_have_no_targets() -> None:
    app = _draw("row", _shown(row=_row(targets=())), pointwise=True)
    assert not app.dataframe
    panel = _draw("coverage", _shown(), pointwise=True)
    assert "scores rows alone" in panel.info[0].value


def _group(name: str, share: float) -> GroupCoverage:
    return GroupCoverage(name, 5, share * 0.9, 0.9, share, share / 2)


def test_coverage_in_a_sentence_two_charts_and_a_table() -> None:
    worst = WorstLine("t-1", 3, HOSTILE, "math", "r-9", 0.2, 0.1, 0.8, 0.25)
    clusters = tuple(_group(f"cluster {place}", 0.5 + place / 40) for place in range(15))
    report = CoverageReport(
        _group("all targets", 0.75),
        (_group("math", 0.5), _group("chat", 0.9)),
        clusters,
        {"cluster 3": HOSTILE},
        (worst,),
    )
    app = _draw("coverage", _shown(coverage=report))
    assert "**75 %** of what the whole pool could give" in app.markdown[0].value
    assert len(app.get("plotly_chart")) == 2
    assert "3 of 15 clusters are not drawn" in every_text(app)
    (table,) = (frame.value for frame in app.dataframe)
    assert table["Target"].tolist() == [HOSTILE] and table["Share"].tolist() == ["25 %"]
    # Without subtasks and clusters there is nothing to set side by side.
    bare = CoverageReport(_group("all targets", 0.75), (), ())
    assert not _draw("coverage", _shown(coverage=bare)).get("plotly_chart")


def test_nothing_can_be_covered() -> None:
    none = GroupCoverage("all targets", 3, 0.0, 0.0, None, None)
    assert "nothing can be covered" in coverage_panel.coverage_words(CoverageReport(none, (), ()))


@pytest.mark.parametrize("chosen", [True, False])
def test_a_real_selection(finished_run: Place, chosen: bool) -> None:
    (record,) = finished_run.workspace.catalog.selections(finished_run.run_id)
    found = explain_selection(finished_run.workspace, record.id)
    inside = set(found.chosen.tolist())
    position = next(row for row in range(120) if (row in inside) == chosen)
    row = found.row(position)
    assert row.chosen == chosen and row.targets
    table = explanation.target_table(row)
    assert len({len(column) for column in table.values()}) == 1


def test_a_pointwise_run_tells_score_and_rank(model_runs: Runs) -> None:
    run_id = model_runs.others["selectit"]
    (record,) = model_runs.workspace.catalog.selections(run_id)
    found = explain_selection(model_runs.workspace, record.id)
    scores = found.view.row_scores
    for position in (int(found.chosen[2]), int(found.left_out.positions("scores-less")[0])):
        row = found.row(position)
        assert row.targets == () and row.best_of is None
        higher = sum(float(score) > float(scores[position]) for score in scores)
        assert row.score_rank == higher + 1
        assert f"number {higher + 1:,} of {len(scores):,}" in row.sentence
        assert "targets play no part" in row.sentence
    assert sum(found.left_out_counts().values()) == len(scores) - record.row_count


def test_on_the_select_page(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted, budget="10", part="coverage"))
    assert "of what the whole pool could give" in every_text(page)
    assert "Targets covered worst" in every_text(page)
    page = open_page("select", runs.query(runs.predicted, budget="10", part="left-out"))
    key = page.dataframe[0].key
    page.session_state[key] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    page.run()
    assert not page.exception
    assert "Left out: " in every_text(page)
    assert "Best chosen row" in page.dataframe[-1].value.columns
