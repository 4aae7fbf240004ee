"""Stored selections side by side: what can be compared, by what, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.errors import Cancelled, ConfigError, EncoderError
from nncift_core.files import read_json
from nncift_core.pipeline import comparing, comparison_words
from nncift_core.pipeline.compared import open_selections, rows_only_in
from nncift_core.store import SelectedRow
from tests.unit.pipeline.finished_runs import Finished

pytestmark = pytest.mark.usefixtures("open_databases")


def _own(finished: Finished, run: str) -> str:
    """The selection that a run made itself."""
    return finished.workspace.catalog.selections(finished.ids[run])[0].id


def _store(finished: Finished, run: str, row_ids: Sequence[str], name: str = "Other") -> str:
    rows = [SelectedRow(rank, row_id, 1.0, 1) for rank, row_id in enumerate(row_ids, start=1)]
    return finished.workspace.catalog.add_selection(
        finished.ids[run], name, "fl", str(len(rows)), rows
    ).id


def _row_ids(finished: Finished, selection_id: str) -> list[str]:
    return [row.row_id for row in finished.workspace.catalog.selection_rows(selection_id)]


def test_true_and_predicted_selections_by_true_influence(finished: Finished) -> None:
    ids = [_own(finished, name) for name in ("cosine", "exact", "selectit")]
    found = comparing.compare(finished.workspace, ids)
    assert [one["letter"] for one in found["selections"]] == ["A", "B", "C"]
    assert [one["exact"] for one in found["selections"]] == [False, True, False]
    sets = [set(_row_ids(finished, selection_id)) for selection_id in ids]
    assert found["overlap"]["shared"][0][1] == len(sets[0] & sets[1])
    assert found["in_all"] == len(sets[0] & sets[1] & sets[2])
    assert [one["pair"] for one in found["agreement"]] == [[0, 1], [0, 2], [1, 2]]
    assert found["only"][2]["rows"] == len(sets[2] - sets[0] - sets[1])
    # The exact run stands second, and measures all.
    assert found["coverage"]["run_id"] == finished.ids["exact"] and found["coverage"]["exact"]
    view = pipeline.RunView(finished.workspace, finished.ids["exact"])
    values = view.estimates.best.block(0, len(view.roles.pool))
    overview = read_json(view.files.overview)
    places = [i for i, row in enumerate(view.roles.pool) if row.id in sets[0]]
    lo, hi = overview["lowest"], overview["highest"]
    value = np.maximum(0, (values[places].max(axis=0) - lo) / (hi - lo)).mean()
    assert found["coverage"]["selections"][0]["value"] == pytest.approx(float(value), rel=1e-4)
    assert found["diversity"]["selections"][0]["nearest"] > 0
    assert set(found["composition"]) >= {"subtask", "cluster"}
    subtasks = found["composition"]["subtask"]
    assert sum(subtasks["pool"]) == 120
    assert sum(subtasks["selections"][0]["rows"]) == len(sets[0])
    tokens = found["lengths"]["tokens"]["selections"][0]
    words_of = {row.id: len(row.text.split()) for row in view.roles.pool}
    assert tokens["total"] == sum(words_of[row_id] for row_id in sets[0])
    assert found["notes"] == []
    json.dumps(found, allow_nan=False)
    words = " ".join(comparison_words.headline(found))
    assert "By true influence" in words and "All three share" in words


def test_another_run_measures_when_it_is_named(finished: Finished) -> None:
    ids = [_own(finished, "cosine"), _own(finished, "delift")]
    found = comparing.compare(finished.workspace, ids, by=finished.ids["delift"])
    assert found["coverage"]["run_id"] == finished.ids["delift"]
    assert not found["coverage"]["exact"]
    default = comparing.compare(finished.workspace, ids)
    # Neither is exact: the project has an exact run beside them.
    assert default["coverage"]["run_id"] == finished.ids["exact"]
    with pytest.raises(ConfigError, match="cannot measure"):
        comparing.compare(finished.workspace, ids, by=finished.ids["selectit"])
    with pytest.raises(ConfigError, match="There is no run"):
        comparing.compare(finished.workspace, ids, by="nothing")


def test_only_pointwise_runs_have_no_coverage_and_say_so(finished: Finished) -> None:
    for name in ("cosine", "exact", "delift"):
        finished.workspace.delete_run(finished.ids[name])
    first = _own(finished, "selectit")
    second = _store(finished, "selectit", _row_ids(finished, first)[::-1])
    found = comparing.compare(finished.workspace, [first, second])
    assert found["coverage"] is None
    assert any("Coverage is not measured" in note for note in found["notes"])
    assert found["agreement"][0]["spearman"] == pytest.approx(-1)
    assert "the opposite order" in comparison_words.headline(found)[0]


def test_rows_that_repeat_another_one_are_counted(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _own(finished, "exact")
    pool = pipeline.RunView(finished.workspace, finished.ids["exact"]).roles.pool
    group = np.full(len(pool), -1, dtype=np.int64)
    group[[3, 8, 20]] = 0

    class Groups:
        def __init__(self) -> None:
            self.group = group

    monkeypatch.setattr(comparing, "run_duplicates", lambda *given: Groups())
    second = _store(finished, "exact", [pool[i].id for i in (3, 4, 8, 9)])
    found = comparing.compare(finished.workspace, [first, second])["duplicates"]
    assert found[1] == {
        "exact": {"groups": 0, "surplus": 0},
        "near": {"groups": 1, "surplus": 1},
    }


def test_rows_only_in_one_keep_their_ranks(finished: Finished) -> None:
    first = _own(finished, "exact")
    rows = _row_ids(finished, first)
    pool = [
        row.id
        for row in open_selections(finished.workspace, [first, _own(finished, "cosine")]).pool
    ]
    others = [row_id for row_id in pool if row_id not in rows][:3]
    second = _store(finished, "exact", [rows[4], others[0], rows[0], others[2]])
    found = rows_only_in(open_selections(finished.workspace, [first, second]), 1)
    assert [(one.chosen.rank, one.row.id) for one in found] == [(2, others[0]), (4, others[2])]
    first_only = rows_only_in(open_selections(finished.workspace, [first, second]), 0)
    assert [one.row.id for one in first_only] == [r for r in rows if r not in (rows[0], rows[4])]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_two_to_four(finished: Finished, count: int) -> None:
    with pytest.raises(ConfigError, match=f"{count} selections? cannot be compared"):
        comparing.compare(finished.workspace, [f"s{i}" for i in range(count)])


def test_refusals_are_one_sentence(finished: Finished) -> None:
    own = _own(finished, "cosine")
    for given, words in (
        ([own, own], "is given twice"),
        ([own, "nothing-here"], "There is no selection 'nothing-here'"),
        ([own, "../up"], "is not a selection id"),
        ([own, _own(finished, "sampled")], "belongs to project"),
    ):
        with pytest.raises(ConfigError, match=words):
            comparing.compare(finished.workspace, given)


def test_other_target_samples_of_one_project_are_other_pools(finished: Finished) -> None:
    workspace = finished.workspace
    record = workspace.catalog.run(finished.ids["sampled"])
    spec = pipeline.RunSpec.read(workspace.run_dir(record.run_id) / "config.json")
    other = workspace.new_run_id()
    folder = workspace.run_dir(other)
    folder.mkdir()
    from dataclasses import replace

    changed = replace(spec, config=replace(spec.config, seed=4))
    changed.write(folder, other)
    workspace.catalog.add_run(other, record.project_id, changed.as_json())
    finished.ids["other"] = other
    own = _own(finished, "sampled")
    second = _store(finished, "other", _row_ids(finished, own)[:3])
    with pytest.raises(ConfigError, match="another target sample"):
        comparing.compare(workspace, [own, second])


def test_an_encoder_that_is_gone_costs_only_what_needs_it(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str) -> Any:
        raise EncoderError("The encoder is not here.")

    monkeypatch.setattr("nncift_core.pipeline.embedding.open_encoder", gone)
    ids = [_own(finished, "cosine"), _own(finished, "delift")]
    found = comparing.compare(finished.workspace, ids, by=finished.ids["cosine"])
    assert found["diversity"] is None and "cluster" not in found["composition"]
    assert "The encoder is not here." in found["notes"][0]
    assert found["coverage"] is not None


def test_stopping_and_stages(finished: Finished, recording: Any) -> None:
    ids = [_own(finished, "cosine"), _own(finished, "exact")]
    heard = recording()
    comparing.compare(finished.workspace, ids, progress=heard)
    stages = {name: total for name, total, _ in heard.stages}
    assert heard.done["cover"] == stages["cover"] == 120 * 60
    assert heard.done["spread"] == stages["spread"]
    with pytest.raises(Cancelled):
        comparing.compare(finished.workspace, ids, progress=recording(cancel_in="cover"))


def test_what_is_planted_is_told_for_the_demo_only(
    finished: Finished, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [_own(finished, "cosine"), _own(finished, "exact")]
    found = comparing.compare(finished.workspace, ids)["planted"]
    lines = (repository / "data/demo_truth.jsonl").read_text("utf-8").splitlines()
    truth = {row["id"]: row for row in map(json.loads, lines)}
    for one, selection_id in zip(found["selections"], ids, strict=True):
        rows = [truth[row_id] for row_id in _row_ids(finished, selection_id)]
        useful = [
            row
            for row in rows
            if row["in_target_context"]
            and row["fault"] is None
            and row["near_duplicate_of"] is None
        ]
        assert one["counts"]["useful"] == len(useful)
        assert one["shares"]["useful"] == pytest.approx(len(useful) / len(rows))
        assert one["counts"]["wrong"] == sum(
            row["fault"] in ("wrong_value", "other_answer", "wrong_format") for row in rows
        )
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(tmp_path))
    assert comparing.compare(finished.workspace, ids)["planted"] is None
    # The demo is there, and these rows are not all of it.
    for name in ("demo_pool.jsonl", "demo_target.jsonl"):
        (tmp_path / name).write_text("{}\n", "utf-8")
    (tmp_path / "demo_truth.jsonl").write_text("\n".join(lines[50:]) + "\n", "utf-8")
    assert comparing.compare(finished.workspace, ids)["planted"] is None
