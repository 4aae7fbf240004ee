"""Spot checks: new pairs only, errors as a slow reference has them, nothing of it in the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from nncift_core import jobs, pipeline
from nncift_core.errors import ConfigError
from nncift_core.files import read_json, write_json
from nncift_core.influence.label import Labels
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.check_draw import draw_check
from nncift_core.pipeline.check_result import Expected, at_most_by_chance, measure_check
from nncift_core.types import Pairs
from tests.unit.pipeline.finished_runs import Finished
from tests.unit.pipeline.test_language_model_runs import worth


@pytest.fixture
def longer(extend: Any, added_file: Any, demo_lines: Any) -> Callable[[str], str]:
    """``longer(run_id)``: a finished run with 30 more rows."""
    return lambda run_id: str(extend(run_id, added_file(demo_lines[0][120:150])))


def labelled(folder: Path) -> Pairs:
    return Labels.load(folder / "labels.npy").everything


def test_the_numbers_are_those_of_a_slow_reference(finished: Finished, longer: Any) -> None:
    workspace, methods = finished.workspace, finished.methods
    run_id = longer(finished.ids["delift"])
    files = RunFiles(workspace.run_dir(run_id))
    half = {"q2": 0.9, "q4": 1.1}
    write_json(
        files.folder / "uncertainty.json",
        {
            "level": 0.9,
            "pairs": {role: {"half_width": width} for role, width in half.items()},
            "rows": {},
        },
    )
    before = {path.name: path.read_bytes() for path in files.folder.iterdir() if path.is_file()}
    folder = pipeline.create_spot_check(workspace, run_id, pairs=64)
    found = pipeline.work(folder)
    assert found == read_json(folder / "result.json")
    assert jobs.read_state(folder).status == "done"
    pairs, view = labelled(folder), pipeline.RunView(workspace, run_id)
    run_labels = Labels.load(files.labels)
    assert (found["n"], found["unit"], found["units"], found["rows"]) == (64, "pairs", 64, "added")
    assert pairs.helper.min() >= 120
    assert len(np.unique(pairs.helper)) == 16
    assert len(np.unique(pairs.helped)) <= 16
    assert len(methods[-1].asked) == 64
    lo, hi = run_labels.training.value.min(), run_labels.training.value.max()
    seen = set(run_labels.training.helped.tolist())
    true, guess, inside, quadrants = [], [], 0, []
    for i, j, value in zip(pairs.helper, pairs.helped, pairs.value, strict=True):
        one = view.pair(int(i), int(j))
        assert value == pytest.approx(worth(one.pool_row, one.target_row), abs=1e-6)
        assert one.role is None
        true.append(float(value))
        guess.append(one.predicted)
        quadrants.append("q2" if int(j) in seen else "q4")
        inside += abs(one.predicted - value) <= half[quadrants[-1]]
    truth, scaled = (np.array(true) - lo) / (hi - lo), (np.array(guess) - lo) / (hi - lo)
    mean = (run_labels.training.value.mean() - lo) / (hi - lo)
    assert found["mse"] == pytest.approx(((truth - scaled) ** 2).mean(), rel=1e-4)
    assert found["mse_mean"] == pytest.approx(((truth - mean) ** 2).mean(), rel=1e-4)
    assert found["r2"] == pytest.approx(
        1 - ((truth - scaled) ** 2).sum() / ((truth - truth.mean()) ** 2).sum(), rel=1e-4
    )
    assert found["spearman"] == pytest.approx(spearmanr(truth, scaled).statistic, abs=1e-6)
    assert found["bias"] == pytest.approx(np.mean(np.array(guess) - np.array(true)), abs=1e-5)
    assert (found["with_interval"], found["inside"], found["level"]) == (64, inside, 0.9)
    stored = workspace.catalog.quadrant_metrics(run_id)
    assert found["mse_expected"] == pytest.approx(
        np.mean([stored[quadrant]["mse"] for quadrant in quadrants])
    )
    # The run is what it was: neither labels, nor network, nor selection know of the check.
    for name, content in before.items():
        assert (files.folder / name).read_bytes() == content, name


def test_pairs_with_a_label_are_not_drawn_again(finished: Finished) -> None:
    workspace = finished.workspace
    run_id = finished.ids["delift"]
    run_labels = Labels.load(RunFiles(workspace.run_dir(run_id)).labels).everything
    taken = set(zip(run_labels.helper.tolist(), run_labels.helped.tolist(), strict=True))
    for pairs in (200, 200, 100):
        folder = pipeline.create_spot_check(workspace, run_id, pairs=pairs)
        found = pipeline.work(folder)
        new = labelled(folder)
        drawn = set(zip(new.helper.tolist(), new.helped.tolist(), strict=True))
        assert found["n"] == len(drawn) == pairs
        assert found["rows"] == "pool"
        assert not drawn & taken
        taken |= drawn
    checks = pipeline.list_spot_checks(workspace, run_id)
    assert [check.pairs for check in checks] == [200, 200, 100]
    assert all(check.result is not None for check in checks)


def test_the_same_check_again_draws_the_same_pairs(finished: Finished) -> None:
    workspace, methods = finished.workspace, finished.methods
    run_id = finished.ids["delift"]
    folder = pipeline.create_spot_check(workspace, run_id)
    pipeline.work(folder)
    first, asked = labelled(folder), len(methods[-1].asked)
    for name in ("result.json", "state.json", "labels.npy"):
        (folder / name).unlink()
    found = pipeline.work(folder)
    np.testing.assert_array_equal(labelled(folder).helper, first.helper)
    np.testing.assert_array_equal(labelled(folder).value, first.value)
    # What was labelled before is kept.
    assert asked == 64
    assert found["units"] == 0 == len(methods[-1].asked)


def test_single_rows(finished: Finished, longer: Any) -> None:
    workspace, run_id = finished.workspace, finished.ids["selectit"]
    folder = pipeline.create_spot_check(workspace, run_id, pairs=20)
    found = pipeline.work(folder)
    run_labels = Labels.load(RunFiles(workspace.run_dir(run_id)).labels).everything
    rows = labelled(folder).helper
    assert (found["n"], found["unit"], len(np.unique(rows))) == (20, "rows", 20)
    assert not set(rows.tolist()) & set(run_labels.helper.tolist())
    assert found["mse_expected"] == pytest.approx(
        workspace.catalog.quadrant_metrics(run_id)["q4"]["mse"]
    )
    extended = longer(run_id)
    found = pipeline.work(pipeline.create_spot_check(workspace, extended, pairs=64))
    # There are no more than 30 of them.
    assert (found["n"], found["rows"]) == (30, "added")


def test_cosines(finished: Finished, longer: Any) -> None:
    run_id = longer(finished.ids["cosine"])
    found = pipeline.work(pipeline.create_spot_check(finished.workspace, run_id))
    assert (found["n"], found["unit"], found["units"]) == (64, "pairs", 64)
    assert found["with_interval"] == 0 or found["level"] == 0.9


def test_what_cannot_be_checked_says_why(finished: Finished, new_run: Any) -> None:
    workspace = finished.workspace
    with pytest.raises(ConfigError, match="There is no run"):
        pipeline.create_spot_check(workspace, "20200101-000000-abcdef")
    with pytest.raises(ConfigError, match="has not finished"):
        pipeline.create_spot_check(workspace, new_run(workspace))
    with pytest.raises(ConfigError, match="computed every value itself"):
        pipeline.create_spot_check(workspace, finished.ids["exact"])
    run_id = finished.ids["cosine"]
    with pytest.raises(ConfigError, match="No rows were added"):
        pipeline.create_spot_check(workspace, run_id, rows="added")
    for pairs in (0, -1, 5000):
        with pytest.raises(ConfigError, match="is not possible"):
            pipeline.create_spot_check(workspace, run_id, pairs=pairs)
    with pytest.raises(ConfigError, match="no rows 'all'"):
        pipeline.create_spot_check(workspace, run_id, rows="all")  # type: ignore[arg-type]
    assert not list((workspace.run_dir(run_id) / "checks").glob("*"))


def test_drawn_pairs_are_unknown_also_where_hardly_any_is() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.5, 0.9, 0.99):
        known = rng.random((40, 30)) < share
        candidates = np.arange(100, 140)
        rows, columns, places = draw_check(candidates, known, 64, 3)
        assert places.shape[0] == len(rows) <= 40
        for row, of_row in zip(rows, places, strict=True):
            assert len(set(of_row.tolist())) == places.shape[1]
            assert not known[row - 100, columns[of_row]].any()
        if share == 0:
            assert places.size == 64
            assert draw_check(candidates, known, 64, 3, all_shared=True)[2].shape == (16, 16)
    with pytest.raises(ConfigError, match="nothing to check"):
        draw_check(np.arange(4), np.ones((4, 5), bool), 8, 0)
    # Few rows: more targets each.
    assert draw_check(np.arange(4), np.zeros((4, 60), bool), 64, 0)[2].shape == (4, 16)


def outcome(
    error: float, *, expected: float = 0.01, half: float = np.nan, n: int = 64, bias: float = 0.0
) -> Any:
    """A check in which estimates are off by ``error`` on average and ``bias``."""
    rng = np.random.default_rng(5)
    truth = rng.random(n)
    guess = truth + error * rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 1.5, n) + bias
    pairs = Pairs(np.repeat(np.arange(n // 4 + 1), 4)[:n], np.arange(n) % 16, truth.astype("f4"))
    says = Expected(
        0.0, 1.0, 0.5, np.full(n, expected), np.full(n, 1.3 * expected), np.full(n, half), 0.9
    )
    return measure_check(pairs, guess.astype("f4"), says, 0, pointwise=False)


def test_verdicts() -> None:
    assert outcome(0.1).verdict == "hold"
    assert outcome(0.1, n=12).verdict == "few"
    worse = outcome(0.2)
    assert (worse.verdict, worse.mse < worse.mse_mean) == ("worse", True)
    assert "worse here than the run says" in worse.sentence
    assert outcome(0.5).verdict == "mean"
    # About a tenth outside is as it should be, a half is not.
    assert outcome(0.1, half=0.145).verdict == "hold"
    narrow = outcome(0.1, half=0.1)
    assert narrow.verdict == "narrow"
    assert narrow.inside == round(narrow.n * 0.5, -1) or 20 < narrow.inside < 44
    assert outcome(0.05, bias=0.03).bias == pytest.approx(0.03, abs=0.02)


def test_the_binomial_bound() -> None:
    from scipy.stats import binom

    for inside, n, level in ((50, 64, 0.9), (0, 5, 0.5), (5, 5, 0.5), (10, 200, 0.1)):
        assert at_most_by_chance(inside, n, level) == pytest.approx(
            binom.cdf(inside, n, level), abs=1e-12
        )
