"""Each language-model method on rows of the demo with the demo model, which is the default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.lm.devices import LOCKS_VARIABLE

N_TRAIN, N_TARGET = 60, 24
SMALL = {
    "delift": {"label_fraction": 0.3},
    "less": {"less_rank": 4, "less_dimensions": 256, "less_epochs": 2, "less_batch_rows": 16},
    "selectit": {"target": None},
}
"""What keeps a run small, by method."""


@pytest.fixture(autouse=True)
def _cut(demo_lines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of all families: the files are sorted by nothing, so a stride takes some of each."""
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))
    for name, lines, count in zip(("p", "t"), demo_lines, (N_TRAIN, N_TARGET), strict=True):
        step = len(lines) // count
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines[::step][:count]) + "\n", "utf-8")


@pytest.mark.parametrize("method", SMALL)
def test_a_run_with_the_demo_model(cli: Any, arguments: Any, tmp_path: Path, method: str) -> None:
    def run(number: int) -> tuple[dict[str, Any], bytes, np.ndarray, str]:
        output, predictions = tmp_path / f"s{number}.jsonl", tmp_path / f"p{number}.npy"
        given = {
            "train": tmp_path / "p.jsonl", "target": tmp_path / "t.jsonl", "method": method,
            "label_fraction": 0.4, "output": output, "predictions": predictions, "json": True,
            "workspace": tmp_path / f"w{number}",
        }  # fmt: skip
        done = cli(*arguments(**(given | SMALL[method])))
        return done.summary, output.read_bytes(), np.load(predictions), done.err

    summary, subset, predictions, err = run(0)
    pointwise = method == "selectit"
    assert (summary["n_train"], summary["n_target"]) == (N_TRAIN, 0 if pointwise else N_TARGET)
    assert summary["labelled_pairs"] == {"delift": 18 * 7, "less": 24 * 10, "selectit": 24}[method]
    measured = {name for name, metrics in summary["quadrants"].items() if metrics}
    assert measured == ({"q1", "q4"} if pointwise else {"q1", "q2", "q3", "q4"})
    assert summary["selected"] == 18
    pool = (tmp_path / "p.jsonl").read_bytes().splitlines()
    chosen = subset.splitlines()
    assert len(set(chosen)) == 18
    assert set(chosen) <= set(pool)
    assert predictions.shape == ((N_TRAIN,) if pointwise else (N_TRAIN, N_TARGET))
    # The values come from the demo model, and the user is told so.
    assert "The demo model knows only the demo data" in err
    (config,) = (tmp_path / "w0" / "runs").glob("*/config.json")
    assert json.loads(config.read_text())["config"]["lm"]["model"] == "demo"
    if method != "delift":
        return  # two runs of the others are compared with a tiny model elsewhere
    again, same_subset, same_predictions, _ = run(1)
    assert same_subset == subset
    np.testing.assert_array_equal(same_predictions, predictions)
    assert again["quadrants"] == summary["quadrants"]
