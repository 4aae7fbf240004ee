"""``nncift study``: both studies end to end, what they print and write, and what is refused."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nncift_core.cli.options import build_parser
from nncift_core.cli.study import study_table
from nncift_core.network import fitting
from nncift_core.store import Workspace

RESULT = ["study", "kind", "method", "n_train", "n_target", "design", "scale", "points"]
FEW = {"output": None, "label_fraction": None, "fractions": "0.2,0.4"}


@pytest.fixture
def mean_fit(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for estimators that predicts half of the scale; the names it was asked for."""
    asked: list[str] = []

    def fit(name: str, *arguments: Any, **more: Any) -> Any:
        asked.append(name)
        return SimpleNamespace(
            name=name,
            parameters=3,
            candidates=(SimpleNamespace(name="ridge", chosen=True),),
            predict=lambda helpers, helped, pairs: np.full(len(pairs), 0.5, np.float32),
        )

    monkeypatch.setattr(fitting, "fit", fit)
    return asked


@pytest.fixture
def call(cli: Any, arguments: Any) -> Any:
    """``call("label-size", seeds=2)``: the study of a small run's data."""

    def run(kind: str, **options: Any) -> Any:
        return cli("study", kind, *arguments(**options)[1:])

    return run


def test_label_size_prints_writes_and_goes_on(
    call: Any, mean_fit: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "new" / "points.jsonl"
    done = call("label-size", **FEW | {"output": output}, json=True)
    result = done.summary
    assert list(result) == RESULT
    assert (result["kind"], result["method"], result["design"]) == (
        "label-size", "delift-se", "spread",
    )  # fmt: skip
    assert (result["n_train"], result["n_target"]) == (120, 60)
    assert [(p["fraction"], p["network"], p["chosen"]) for p in result["points"]] == [
        (0.2, "paper", "paper"), (0.2, "auto", "ridge"),
        (0.4, "paper", "paper"), (0.4, "auto", "ridge"),
    ]  # fmt: skip
    assert [json.loads(line) for line in output.read_text("utf-8").splitlines()] == result["points"]
    assert result["study"] in done.err
    assert "u0.2-paper-s0: R2" in done.err
    assert len(mean_fit) == 4
    # Asked for again it only shows; asked for one network more it computes that one.
    table = call("label-size", **FEW, networks="paper").out
    assert len(mean_fit) == 4
    assert "spread" in table
    assert len(table.splitlines()) == 4 + 1 + 2
    more = call("label-size", **FEW, networks="paper,ridge", json=True).summary
    assert mean_fit[4:] == ["ridge", "ridge"]
    assert len(more["points"]) == 4
    assert len(list(Workspace.open(tmp_path / "workspace").studies_dir.iterdir())) == 1


def test_network_size(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from nncift_core.network import training
    from nncift_core.studies import shapes

    monkeypatch.setattr(training, "PAPER", replace(training.PAPER, epochs=3))
    monkeypatch.setattr(shapes, "SHAPES", ((5,), (10, 5)))
    done = call("network-size", output=None, shapes="small", json=True)
    result = done.summary
    assert list(result) == RESULT
    assert [(p["shape"], p["parameters"]) for p in result["points"]] == [([5], 171), ([10, 5], 391)]
    for point in result["points"]:
        assert (point["training"], point["epochs"], point["learning_rate"]) == ("paper", 3, 1e-4)
        assert point["quadrants"]["q4"]["mse"] > 0
    table = call("network-size", output=None, shapes="small").out
    assert table.splitlines()[-1].split()[:4] == ["10-5", "391", "paper", "0"]


def test_a_killed_study_loses_at_most_the_point_in_work(
    call: Any, arguments: Any, process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core.network import training
    from nncift_core.pipeline import study_work
    from nncift_core.studies import shapes

    options = {"output": None, "shapes": "small", "label_fraction": 0.2}
    worker = process("study", "network-size", *arguments(**options)[1:])
    try:
        deadline = time.monotonic() + 120
        points: list[Path] = []
        while not points:
            assert time.monotonic() < deadline and worker.poll() is None
            points = list((tmp_path / "workspace").glob("studies/*/points/*.json"))
            time.sleep(0.02)
    finally:
        worker.kill()
        worker.communicate()
    finished = {path.stem for path in (tmp_path / "workspace").glob("studies/*/points/*.json")}
    # The smallest shapes come first; now with one more of them than were finished.
    ordered = shapes.choose_shapes(16, 16, small=True)
    few = tuple(ordered[: len(finished) + 1])
    assert finished == {f"{shapes.shape_name(s)}-paper-s0" for s in few[:-1]}
    monkeypatch.setattr(shapes, "SHAPES", few)
    monkeypatch.setattr(training, "PAPER", replace(training.PAPER, epochs=1))
    trained: list[Any] = []
    train = study_work.train_deep

    def counting(shape: Any, *rest: Any) -> Any:
        trained.append(shape)
        return train(shape, *rest)

    monkeypatch.setattr(study_work, "train_deep", counting)
    result = call("network-size", **options, json=True).summary
    assert trained == [few[-1]]
    assert len(result["points"]) == len(few)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("label-size", {"network": "paper"}, "--network would change nothing"),
        ("label-size", {"budget": "0.3"}, "--budget would change nothing"),
        ("network-size", {"exact": True, "label_fraction": 0.2}, "--exact would change nothing"),
        ("label-size", {"label_fraction": 0.2}, "Use --fractions"),
        ("network-size", {"fractions": "0.1", "label_fraction": 0.2}, "label-size"),
        ("label-size", {"shapes": "all"}, "--shapes belongs to the study network-size"),
        ("label-size", {"large": True}, "--large belongs"),
        ("label-size", {"fractions": "0.1;0.2"}, "not numbers"),
        ("label-size", {"fractions": "0"}, "outside 0 to 1"),
        ("label-size", {"fractions": ","}, "nothing to compute"),
        ("label-size", {"networks": "papre"}, "papre"),
        ("label-size", {"seeds": 0}, "0 seeds"),
        ("network-size", {"shapes": "some", "label_fraction": 0.2}, "'some' are unknown"),
        ("row-size", {}, "row-size"),
    ],
)
def test_what_is_refused(
    kind: str, options: dict[str, Any], words: str, call: Any, tmp_path: Path
) -> None:
    assert words in call(kind, **{"output": None, "label_fraction": None} | options).sentence
    # Before anything is stored.
    assert not (tmp_path / "workspace").exists()


def test_the_output_is_no_input(call: Any, arguments: Any, mean_fit: list[str]) -> None:
    pool = arguments()[2]
    before = Path(pool).read_bytes()
    assert "pool.jsonl" in call("label-size", **FEW | {"output": pool}).sentence
    assert Path(pool).read_bytes() == before


def test_the_parser_knows_a_runs_data_and_settings() -> None:
    options = build_parser().parse_args(
        ["study", "network-size", "--train", "a", "--target", "b", "--method", "delift", "--large"]
    )
    assert (options.method, options.large, options.longer) == ("delift", True, None)


def test_the_table_lives_with_what_is_not_known() -> None:
    result = {
        "study": "label-size-x", "kind": "label-size", "n_train": 9, "n_target": 0,
        "design": "rows", "scale": None, "points": [],
    }  # fmt: skip
    assert study_table(result).splitlines()[-1] == "points     none"
    point = {
        "name": "u0.2-auto-s0", "fraction": 0.2, "labels": 1200, "network": "auto", "seed": 0,
        "chosen": None, "seconds": 1.0,
        "quadrants": {"q1": {"mse": 0.1, "r2": None}, "q2": None, "q4": {"mse": 0.2, "r2": None}},
    }  # fmt: skip
    table = study_table(result | {"scale": {"lo": 0.0, "hi": 1.0}, "points": [point]})
    assert "9 pool, design rows" in table
    assert table.splitlines()[-1].split() == [
        "0.2", "1,200", "auto", "0", "0.1000", "0.2000", "-", "-", "-", "-", "-", "1.0",
    ]  # fmt: skip
