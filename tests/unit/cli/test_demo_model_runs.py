"""Each language-model method on rows of the demo with the demo model, which is the default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.lm.devices import LOCKS_VARIABLE

N_TRAIN, N_TARGET = 40, 20
SMALL = {
    "delift": {},
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
    """Twice the same is compared with a tiny model elsewhere."""
    output, predictions = tmp_path / "s.jsonl", tmp_path / "p.npy"
    given = {
        "train": tmp_path / "p.jsonl", "target": tmp_path / "t.jsonl", "method": method,
        "label_fraction": 0.4, "output": output, "predictions": predictions, "json": True,
    }  # fmt: skip
    done = cli(*arguments(**(given | SMALL[method])))
    summary = done.summary
    pointwise = method == "selectit"
    assert (summary["n_train"], summary["n_target"]) == (N_TRAIN, 0 if pointwise else N_TARGET)
    # Sixteen rows with eight targets each would be the block: spread labels and balanced sides
    # cost no more, and the first have pairs of known rows and columns left to measure.
    assert summary["labelled_pairs"] == {"delift": 112, "less": 144, "selectit": 16}[method]
    measured = {name for name, metrics in summary["quadrants"].items() if metrics}
    every = {"q1", "q2", "q3", "q4"}
    assert measured == {"delift": {*every, "q1u"}, "less": every, "selectit": {"q1", "q4"}}[method]
    assert summary["selected"] == 12
    chosen = output.read_bytes().splitlines()
    assert len(set(chosen)) == 12
    assert set(chosen) <= set((tmp_path / "p.jsonl").read_bytes().splitlines())
    found = np.load(predictions)
    assert found.shape == ((N_TRAIN,) if pointwise else (N_TRAIN, N_TARGET))
    assert found.dtype == np.float32
    # The values come from the demo model, and the user is told so.
    assert "The demo model knows only the demo data" in done.err
    (config,) = (tmp_path / "workspace" / "runs").glob("*/config.json")
    assert json.loads(config.read_text())["config"]["lm"]["model"] == "demo"
