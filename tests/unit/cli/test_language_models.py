"""``nncift run`` and ``pilot`` with a tiny language model: the whole way of each method."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.influence import delift, gradient_shards, selectit, shards
from nncift_core.lm.devices import LOCKS_VARIABLE
from nncift_core.pipeline import RunSpec, read_roles
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.labelling import plan_run
from nncift_core.store import Workspace
from tests.tiny_lm import make_rows, make_tiny_model

N_TRAIN, N_TARGET = 40, 20
METHODS = ("delift", "less", "selectit")
SMALL = {
    "delift": {},
    "less": {"less_rank": 4, "less_dimensions": 256, "less_epochs": 2, "less_alpha": 16,
             "less_learning_rate": "1e-3"},
    "selectit": {"target": None},
}  # fmt: skip
"""What keeps a run small, by method."""

each_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a chat template whose answers depend on the context."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return make_tiny_model(folder, "qwen2", chat_template="chatml", positions=640)


@pytest.fixture(scope="module")
def records(tiny: Path) -> list[str]:
    """Lines of a pool and of a target set."""
    rows = make_rows(tiny, N_TRAIN + N_TARGET, seed=5)
    return [
        json.dumps({"prompt": row.prompt, "response": row.response, "subtask": str(number % 3)})
        for number, row in enumerate(rows)
    ]


@pytest.fixture
def lm(
    cli: Any, tiny: Path, records: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """``lm("delift", budget=3)``: the parts of a small run with the tiny model."""
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))
    pool, target = tmp_path / "pool.jsonl", tmp_path / "target.jsonl"
    pool.write_text("\n".join(records[:N_TRAIN]) + "\n", "utf-8")
    target.write_text("\n".join(records[N_TRAIN:]) + "\n", "utf-8")

    def parts(method: str, command: str = "run", **options: Any) -> list[str]:
        given: dict[str, Any] = {
            "train": pool,
            "target": target,
            "method": method,
            "model": tiny,
            "label_fraction": 0.5,
            # Most of these tests are about labels, not about what learns from them.
            "network": "ridge",
            "inputs": "text",
        }
        if command == "run":
            given["output"] = tmp_path / "out" / "subset.jsonl"
        given |= SMALL[method] | options
        found = [command]
        for name, value in given.items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                found += [option] if value is True else [option, str(value)]
        return found

    return parts


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many shards of a few rows, so that work can be stopped between them."""
    monkeypatch.setattr(delift, "SHARD_PAIRS", 40)
    monkeypatch.setattr(gradient_shards, "CHUNK_ROWS", 4)
    monkeypatch.setattr(selectit.SelectIT, "shard_rows", lambda self: 4)


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def stored(place: Path) -> dict[str, int]:
    """The finished parts of labelling, with the time each was written."""
    return {path.name: path.stat().st_mtime_ns for path in place.glob("labels/*/*.npy")}


# Whole runs -----------------------------------------------------------------------------------


@each_method
def test_a_run(cli: Any, lm: Any, records: list[str], tmp_path: Path, method: str) -> None:
    pointwise = method == "selectit"
    usual = {"network": None, "inputs": None, "json": True}
    done = cli(*lm(method, predictions=tmp_path / "p.npy", **usual))
    summary = done.summary
    assert list(summary) == [
        "run_id", "n_train", "n_target", "labelled_pairs", "evaluation_pairs", "seconds",
        "quadrants", "selected", "saturated_at", "output",
    ]  # fmt: skip
    assert (summary["n_train"], summary["n_target"]) == (N_TRAIN, 0 if pointwise else N_TARGET)
    assert list(summary["seconds"]) == ["embed", "label", "train", "predict", "select"]
    assert summary["seconds"]["label"] > 0
    if method == "delift":
        # A few targets each of many rows cost no more than 20 rows with 10 targets each.
        workspace = Workspace.open(tmp_path / "workspace")
        spec = RunSpec.read(RunFiles(workspace.run_dir(summary["run_id"])).config)
        plan = plan_run(spec, read_roles(workspace, spec))
        assert 0.8 * 200 < summary["labelled_pairs"] == plan.training_pairs <= 200
    else:
        # As many gradients as 20 rows and 10 targets, with sides as equal as reserved rows allow.
        assert summary["labelled_pairs"] == {"less": 18 * 12, "selectit": 20}[method]
    assert summary["evaluation_pairs"] > 0
    quadrants = summary["quadrants"]
    known = ["q1u"] if method == "delift" else []
    assert list(quadrants) == ["q1", "q2", "q3", "q4", *known]
    for name, metrics in quadrants.items():
        if pointwise and name in ("q2", "q3"):
            assert metrics is None
            continue
        assert set(metrics) == {
            "mse", "r2", "spearman", "mse_ci", "r2_ci", "mse_mean", "mse_zero", "mse_random",
            "mse_additive", "mse_cosine", "n",
        }  # fmt: skip
    assert quadrants["q1"]["n"] == summary["labelled_pairs"]
    if pointwise:
        # There is no pair whose cosine or whose row and column could be looked at.
        assert quadrants["q4"]["mse_cosine"] is None
        assert quadrants["q4"]["mse_additive"] is None
        assert summary["evaluation_pairs"] == quadrants["q4"]["n"]
    assert summary["selected"] == 12
    chosen = lines(Path(summary["output"]))
    assert len(chosen) == len(set(chosen)) == 12
    assert set(chosen) <= set(records[:N_TRAIN])
    predictions = np.load(tmp_path / "p.npy")
    assert predictions.shape == ((N_TRAIN,) if pointwise else (N_TRAIN, N_TARGET))
    assert predictions.dtype == np.float32
    assert np.isfinite(predictions).all()
    assert np.ptp(predictions) > 0
    assert "label " in done.err
    # Where labels cost little more than reading, rows are not read.
    assert ("\nread " in done.err) is not pointwise
    # The same again, in a workspace that holds nothing.
    again = cli(
        *lm(method, predictions=tmp_path / "q.npy", output=tmp_path / "again.jsonl",
            workspace=tmp_path / "fresh", **usual)
    ).summary  # fmt: skip
    assert (tmp_path / "again.jsonl").read_bytes() == Path(summary["output"]).read_bytes()
    assert (tmp_path / "q.npy").read_bytes() == (tmp_path / "p.npy").read_bytes()
    assert again["quadrants"] == quadrants


@each_method
def test_exact(cli: Any, lm: Any, records: list[str], tmp_path: Path, method: str) -> None:
    """Every value is true: the subset is what its values say, and the labels are among them."""
    values = tmp_path / "values.npy"
    summary = cli(
        *lm(
            method, json=True, exact=True, label_fraction=None, objective="topk", predictions=values
        )
    ).summary
    assert summary["quadrants"] == {"q1": None, "q2": None, "q3": None, "q4": None}
    n_target = 0 if method == "selectit" else N_TARGET
    assert summary["labelled_pairs"] == N_TRAIN * max(1, n_target)
    assert summary["evaluation_pairs"] == 0
    true = np.load(values)
    assert true.shape == ((N_TRAIN, n_target) if n_target else (N_TRAIN,))
    # Rows of equal content are left out of a mean; there are none here.
    assert len(set(records)) == len(records)
    subtask = np.array([int(json.loads(line)["subtask"]) for line in records[N_TRAIN:]])
    scores = true
    if method == "delift":
        scores = true.mean(axis=1)
    elif method == "less":
        scores = np.stack([true[:, subtask == k].mean(axis=1) for k in range(3)]).max(axis=0)
    best = np.argsort(-scores.astype(np.float64), kind="stable")[:12]
    assert lines(tmp_path / "out" / "subset.jsonl") == [records[i] for i in best]


def test_a_table_for_people(cli: Any, lm: Any) -> None:
    text = cli(*lm("selectit")).out
    assert re.search(r"^rows +40 pool, each scored by itself$", text, re.MULTILINE)
    assert re.search(r"^labels +20 rows, \d+ more to measure$", text, re.MULTILINE)
    assert re.search(r"^quadrant .* rows$", text, re.MULTILINE)
    assert re.findall(r"^(Q\dU?)", text, re.MULTILINE) == ["Q1", "Q4"]
    assert "pairs" not in text


def test_tables_of_other_matrices(cli: Any, lm: Any, tmp_path: Path) -> None:
    """An objective that reads W and E has them labelled, and their tables are shown."""
    existing = tmp_path / "existing.jsonl"
    existing.write_text("\n".join(lines(tmp_path / "target.jsonl")) + "\n", "utf-8")
    text = cli(*lm("delift", objective="flcg", existing=existing, budget="5")).out
    found = re.findall(r"^(?:quadrant.*?(pairs.*)|(Q\dU?) .*)$", text, re.MULTILINE)
    titles = [title for title, _ in found if title]
    assert titles == [
        "pairs",
        "pairs   (pool rows on pool rows)",
        "pairs   (existing rows on pool rows)",
    ]
    assert [quadrant for _, quadrant in found if quadrant] == [
        "Q1", "Q1U", "Q2", "Q3", "Q4", *["Q1", "Q2", "Q3", "Q4"] * 2,
    ]  # fmt: skip
    assert re.search(r"^selected +5 rows$", text, re.MULTILINE)
    assert re.search(r"^rows +40 pool x 20 target$", text, re.MULTILINE)
    assert re.search(r"^labels +\d+ pairs, \d+ more to measure$", text, re.MULTILINE)


def test_replay_from_another_folder(
    cli: Any, lm: Any, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.parent)
    given = {"model": "./tiny", "seed": 3, "budget": "7", "selectit_variant": "code"}
    summary = cli(*lm("selectit", json=True, **given)).summary
    config = tmp_path / "workspace" / "runs" / summary["run_id"] / "config.json"
    assert json.loads(config.read_text())["config"]["lm"]["model"] == str(tiny)
    monkeypatch.chdir(tmp_path)
    again = tmp_path / "again.jsonl"
    done = cli(
        "run", "--config", config, "--output", again, "--workspace", tmp_path / "w", "--json"
    )
    assert again.read_bytes() == Path(summary["output"]).read_bytes()
    assert done.summary["quadrants"] == summary["quadrants"]


def test_selectit_does_not_read_a_target(cli: Any, lm: Any, tmp_path: Path) -> None:
    alone = cli(*lm("selectit", json=True)).summary
    output = Path(alone["output"])
    before = output.read_bytes()
    done = cli(*lm("selectit", json=True, target=tmp_path / "target.jsonl"))
    assert "Warning: SelectIT scores rows without a target set" in done.err
    assert (alone["n_target"], done.summary["n_target"]) == (0, N_TARGET)
    assert output.read_bytes() == before
    assert done.summary["quadrants"] == alone["quadrants"]


def test_settings_change_the_values(cli: Any, lm: Any, tmp_path: Path) -> None:
    """An option that reached the configuration and nothing else would change nothing."""

    def values(**options: Any) -> bytes:
        path = tmp_path / "values.npy"
        given = {"exact": True, "label_fraction": None, "predictions": path}
        assert cli(*lm("selectit", **(given | options))).code == 0
        return path.read_bytes()

    plain = values()
    assert values(template="plain") != plain
    assert values(selectit_alpha=1.5) != plain


# Pilots ---------------------------------------------------------------------------------------

KEYS = ["unit", "rate", "label_units", "label_seconds", "full_units", "full_seconds"]


@each_method
def test_pilot(cli: Any, lm: Any, tmp_path: Path, small_shards: None, method: str) -> None:
    """It labels a few shards, and the run goes on from them."""
    place = tmp_path / "workspace"
    done = cli(*lm(method, "pilot", seconds="1e-9", json=True))
    costs = done.summary
    assert list(costs) == KEYS
    assert costs["unit"] == {"delift": "pairs", "less": "gradients", "selectit": "rows"}[method]
    assert costs["rate"] > 0
    assert 0 < costs["label_units"] < costs["full_units"]
    for name in ("label", "full"):
        assert costs[f"{name}_seconds"] == pytest.approx(costs[f"{name}_units"] / costs["rate"])
    assert "is kept" in done.err
    kept = stored(place)
    assert len(kept) == 1
    catalog = Workspace.open(place).catalog
    assert catalog.runs() == []
    summary = cli(*lm(method, json=True)).summary
    after = stored(place)
    assert {name: after[name] for name in kept} == kept
    assert len(after) > len(kept)
    if method != "delift":
        return  # the rest takes time, and is the same for all
    # The pilot changed nothing.
    whole = cli(*lm(method, json=True, workspace=tmp_path / "fresh", output=tmp_path / "w.jsonl"))
    assert (tmp_path / "w.jsonl").read_bytes() == Path(summary["output"]).read_bytes()
    assert whole.summary["quadrants"] == summary["quadrants"]


def test_pilot_for_people(cli: Any, lm: Any) -> None:
    text = cli(*lm("delift", "pilot", seconds="60")).out
    assert re.search(r"^method +DELIFT$", text, re.MULTILINE)
    assert re.search(r"^rate +[\d.,e+]+ pairs/s, from \d+ pairs in ", text, re.MULTILINE)
    assert re.search(r"^this run +\d+ +\d+ s$", text, re.MULTILINE)
    assert re.search(r"^everything +800 +\d+ s$", text, re.MULTILINE)
    assert re.search(r"^saving +[\d.]+ times fewer pairs, .* less$", text, re.MULTILINE)
    again = cli(*lm("delift", "pilot")).out
    assert "all was labelled before" in again
    text = cli(*lm("delift", "pilot", exact=True, label_fraction=None)).out
    assert "saving       none: this run labels everything" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seconds": "0"}, "measures nothing"),
        ({"seconds": "-3"}, "measures nothing"),
        ({"seconds": "nan"}, "measures nothing"),
        ({"seconds": "inf"}, "measures nothing"),
        ({"seconds": "soon"}, "soon"),
        ({"label_fraction": "0.01"}, "are needed"),
        ({"budget": "0"}, "Budget 0"),
        ({"train": "no_such.jsonl"}, "no_such.jsonl"),
        ({"train": None}, "--train is missing"),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_pilots_refused(cli: Any, lm: Any, options: dict[str, Any], words: str) -> None:
    assert words in cli(*lm("delift", "pilot", json=True, **options)).sentence


def test_a_pilot_needs_a_language_model(cli: Any, lm: Any) -> None:
    parts = lm("delift", "pilot", model=None)
    parts[parts.index("--method") + 1] = "delift-se"
    sentence = cli(*parts).sentence
    assert sentence.startswith("Method 'delift-se' asks no language model")


# Stopped --------------------------------------------------------------------------------------


@each_method
def test_stopped_while_labelling_and_resumed(
    cli: Any,
    lm: Any,
    tmp_path: Path,
    small_shards: None,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    """Ctrl-C in the middle of a shard: it alone is computed again."""
    place, out = tmp_path / "workspace", tmp_path / "out" / "subset.jsonl"
    get = shards.FolderShards.get
    computed: list[str] = []

    def counting(self: Any, name: str, compute: Any, units: int) -> Any:
        def counted() -> Any:
            computed.append(name)
            found = compute()
            if len(computed) == 4:
                signal.raise_signal(signal.SIGINT)
            return found

        return get(self, name, counted, units)

    monkeypatch.setattr(shards.FolderShards, "get", counting)
    done = cli(*lm(method, json=True))
    assert done.code == 130
    assert done.out == ""
    assert "Resume it" in done.err
    assert not out.exists()
    kept = stored(place)
    assert {name.removesuffix(".npy") for name in kept} == set(computed[:3])
    (record,) = Workspace.open(place).catalog.runs()
    assert record.status == "cancelled"
    resumed = cli("resume", record.run_id, "--output", out, "--json").summary
    after = stored(place)
    assert {name: after[name] for name in kept} == kept
    # Nothing is computed twice but the shard that was in work.
    assert computed[3] == computed[4]
    assert len(set(computed)) == len(computed) - 1
    assert len(after) == len(set(computed))
    if method != "delift":
        return
    whole = cli(*lm(method, json=True, workspace=tmp_path / "fresh", output=tmp_path / "w.jsonl"))
    assert (tmp_path / "w.jsonl").read_bytes() == out.read_bytes()
    assert whole.summary["quadrants"] == resumed["quadrants"]


# Bad input ------------------------------------------------------------------------------------


@pytest.fixture
def refused(cli: Any, lm: Any, tmp_path: Path) -> Callable[..., str]:
    """The one sentence with which a run is refused; no output is left."""

    def run(method: str, words: str, **options: Any) -> str:
        sentence: str = cli(*lm(method, json=True, **options)).sentence
        assert words in sentence
        assert len(sentence) < 700
        assert not (tmp_path / "out" / "subset.jsonl").exists()
        return sentence

    return run


@each_method
def test_models_that_are_not_there(refused: Any, tmp_path: Path, method: str) -> None:
    refused(method, "does not exist", model="./no/such/model")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(method, "holds no model", model=empty)
    (empty / "config.json").write_text("{}")
    (empty / "pytest_model.bin").write_bytes(b"\x80\x04")
    refused(method, "pickled weights only", model=empty)
    assert not (tmp_path / "workspace").exists()


def test_a_model_that_is_broken(refused: Any, tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in tiny.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    refused("delift", "model.safetensors", model=broken)


@pytest.mark.parametrize("method", ["delift", "selectit"])
def test_a_context_that_is_too_short(refused: Any, method: str) -> None:
    """No row fits: nothing can be labelled, and no distance of 0 is made up."""
    assert "at least 16 are needed" in refused(method, "that the model cannot read", context=16)


def test_a_context_that_cuts_examples(cli: Any, lm: Any) -> None:
    done = cli(*lm("delift", json=True, context=96))
    assert done.code == 0
    assert re.search(r"Warning: In \d+ of \d+ pairs the example was cut", done.err)


def test_digits_of_two_tokens(refused: Any, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "double", digits="double", positions=1024)
    refused("selectit", "in several tokens", model=folder)


def test_a_model_without_a_chat_template(cli: Any, lm: Any, refused: Any, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "base", positions=1024)
    assert "chat template" in cli(*lm("delift", model=folder)).err
    (tmp_path / "out" / "subset.jsonl").unlink()
    refused("delift", "chat template", model=folder, template="chat")


def test_settings_that_this_machine_cannot_meet(refused: Any) -> None:
    if not os.environ.get("CUDA_VISIBLE_DEVICES"):
        import torch

        if torch.cuda.is_available():
            pytest.skip("has a CUDA device")
    refused("delift", "no CUDA device", device="cuda")
    refused("delift", "'gpu'", device="gpu")
    refused("delift", "FlashAttention", attention="flash_attention_2")
