"""Lengths, languages, hints and near duplicates of a stored dataset, against plain Python."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nncift_core.datasets import assign_ids, load_files
from nncift_core.datasets.report import Report
from nncift_core.datasets.statistics import (
    drawn_positions,
    language_codes,
    language_name,
    spread_of,
)
from nncift_core.embeddings.token_lengths import token_lengths
from nncift_core.errors import ConfigError
from nncift_core.pipeline import data_statistics as statistics
from nncift_core.store.row_hints import SHORT
from nncift_core.types import Row
from tests.unit.store.conftest import StandInDataset


def row(prompt: str, response: str) -> Row:
    return Row("0", prompt, response)


@pytest.fixture
def dataset() -> StandInDataset:
    texts = [
        (f"What is {i}? Say it in plain words, please.", f"It is number {i}.") for i in range(30)
    ]
    texts += [(f"Refuse {i}", f"I  cannot help\nwith {i}, sorry.") for i in range(12)]
    texts += [
        ("Say the same thing", "say the SAME thing"),
        ("Dots", "... !?"),
        ("Wie?", "日本"),
        ("x", "7"),
    ]
    texts += [
        ("Was ist das für ein schönes Haus?", "Das ist ein sehr altes Haus in der Stadt.")
    ] * 2
    rows = tuple(Row(row_id, *text) for row_id, text in zip(assign_ids(texts), texts, strict=True))
    nothing = (None,) * len(rows)
    return StandInDataset(
        "aaaa0001", "rows", rows, ("{}",) * len(rows), nothing, (), Report(len(rows))
    )


def _opening(text: str) -> str:
    words = re.match(r"\s*((?:\S+\s+){3}\S+)", text)
    return " ".join(words[1].split()).lower() if words else ""


def test_hints_count_and_show_the_same_rows(workspace, dataset) -> None:
    workspace.catalog.add_dataset(dataset)
    hints = {
        (hint.name, hint.value): hint.count for hint in workspace.catalog.row_hints("aaaa0001")
    }
    rows = dataset.rows
    expected = {
        ("short", ""): [len(r.response) < SHORT for r in rows],
        ("echo", ""): [r.response.lower() == r.prompt.lower() for r in rows],
        ("no-words", ""): [not any(sign.isalnum() for sign in r.response) for r in rows],
        ("opening", "i cannot help with"): [
            _opening(r.response) == "i cannot help with" for r in rows
        ],
    }
    assert hints == {name: sum(found) for name, found in expected.items()}
    expected["repeated", ""] = [not r.id.endswith("-0") for r in rows]
    for (name, value), found in expected.items():
        positions = workspace.catalog.hinted_positions("aaaa0001", name, value)
        assert positions.tolist() == np.flatnonzero(found).tolist(), name
        assert len(positions)
    with pytest.raises(ConfigError, match="hint"):
        workspace.catalog.hinted_positions("aaaa0001", "1=1 OR")


def test_a_page_among_hinted_rows(workspace, dataset) -> None:
    workspace.catalog.add_dataset(dataset)
    among = workspace.catalog.hinted_positions("aaaa0001", "opening", "i cannot help with")
    page, total = workspace.catalog.browse_rows(
        "aaaa0001", among=among, order="prompt", descending=True, limit=3
    )
    wanted = sorted(among.tolist(), key=lambda at: dataset.rows[at].prompt, reverse=True)
    assert (total, [record.position for record in page]) == (12, wanted[:3])


def test_statistics_are_those_of_the_rows_and_are_kept(workspace, dataset, monkeypatch) -> None:
    workspace.catalog.add_dataset(dataset)
    found = statistics.data_statistics(workspace, "aaaa0001")
    lengths = np.array([len(r.prompt) for r in dataset.rows])
    assert found.characters["prompt"] == spread_of(lengths)
    assert (found.rows, found.sampled) == (48, 48)
    assert (
        found.tokens["response"].longest == token_lengths([r.response for r in dataset.rows]).max()
    )
    assert next(iter(found.languages)) == "en"
    assert found.language_rows["de"] == (46, 47)
    monkeypatch.setattr(statistics, "_compute", None)
    assert statistics.data_statistics(workspace, "aaaa0001") == found
    (workspace.path / "statistics" / "aaaa0001-rows.json").write_text("{broken")
    with pytest.raises(TypeError):
        statistics.data_statistics(workspace, "aaaa0001")


def test_near_duplicates_are_found_once(workspace, dataset, monkeypatch) -> None:
    workspace.catalog.add_dataset(dataset)
    assert statistics.kept_near_duplicates(workspace, "aaaa0001") is None
    found = statistics.near_duplicates(workspace, "aaaa0001")
    assert found.positions[-2:] == (46, 47)
    monkeypatch.setattr(statistics, "duplicate_groups", None)
    assert statistics.near_duplicates(workspace, "aaaa0001") == found
    assert statistics.hinted_rows(workspace, "aaaa0001", "near").tolist() == list(found.positions)
    with pytest.raises(ConfigError):
        statistics.near_duplicates(workspace, "feed")


def test_spreads_count_every_row_once() -> None:
    draw = np.random.default_rng(0)
    for lengths in (
        draw.integers(0, 5_000, 300),
        np.array([7] * 9),
        np.array([0, 0, 3]),
        np.array([1]),
    ):
        spread = spread_of(lengths)
        assert sum(spread.counts) == len(lengths)
        for low, high, count in zip(spread.edges, spread.edges[1:], spread.counts, strict=False):
            assert count == ((lengths >= low) & (lengths < high)).sum()
        assert spread.longest == lengths.max()
    assert spread_of(np.array([], dtype=np.int64)).counts == (0,)


def test_samples_are_the_same_every_time() -> None:
    drawn = drawn_positions(10_000, 50)
    assert len(set(drawn.tolist())) == 50
    assert drawn.tolist() == sorted(drawn_positions(10_000, 50).tolist())
    assert drawn_positions(3, 50).tolist() == [0, 1, 2]


def test_languages_are_told_where_there_is_text() -> None:
    rows = [
        row("Write a letter to my landlord about the broken heating", "Dear Sir, the heating has"),
        row("Erkläre mir bitte, wie eine Wärmepumpe im Winter arbeitet", "Sie entzieht der Luft"),
        row(
            "Explique-moi pourquoi le ciel est bleu pendant la journée", "La lumière du soleil est"
        ),
        row("12 + 4", "16"),
    ]
    assert language_codes(rows) == ["en", "de", "fr", ""]
    assert language_name("de") == "German"


def test_tokens_are_those_of_the_default_encoder() -> None:
    assert token_lengths(["", "hello world", "hello " * 600]).tolist() == [0, 2, 600]


def test_statistics_do_not_load_torch(tmp_path) -> None:
    import subprocess
    import sys

    script = (
        "import sys; import nncift_core.pipeline.data_statistics as s;"
        "s.token_lengths(['a']); print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_hostile_rows_are_stored_as_they_are(tmp_path, workspace) -> None:
    import json

    rows = [
        {"prompt": "<script>alert(1)</script>", "response": "=1+1"},
        {"prompt": "\x1b[31m \u202e مرحبا", "response": "🙂" * 10_000},
        {"prompt": "![x](http://a.b/c.png) $x$", "response": "@SUM(A1)\x00"},
    ]
    long = {"prompt": "p", "response": "y" * 1_000_000}
    path = tmp_path / "hostile.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [*rows, long]), "utf-8")
    read = load_files([path])
    workspace.catalog.add_dataset(read)
    stored = workspace.catalog.dataset_rows(read.id)
    assert [(r.prompt, r.response) for r in stored] == [(r["prompt"], r["response"]) for r in rows]
    assert [json.loads(raw) for raw in workspace.catalog.dataset_raw(read.id)] == rows
    assert workspace.catalog.rejections(read.id)[0].line == 4
