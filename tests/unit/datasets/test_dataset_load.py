"""Datasets as a whole: ids, content address, several files, reports, samples, demo paths."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from nncift_core.datasets import (
    Limits,
    assign_ids,
    content_hash,
    demo_paths,
    find_self_pairs,
    load_files,
    sample_target,
)
from nncift_core.errors import ConfigError, DataError
from nncift_core.types import Row


def write(path: Path, *pairs: tuple[str, str]) -> Path:
    path.write_text("".join(json.dumps({"prompt": p, "response": r}) + "\n" for p, r in pairs))
    return path


def rows(*texts: str) -> list[Row]:
    ids = assign_ids((text, text) for text in texts)
    return [Row(row_id, text, text) for row_id, text in zip(ids, texts, strict=True)]


def test_content_hash_ignores_spacing_and_composition_only() -> None:
    assert content_hash("a  b\n c ", "d") == content_hash("\ta b c", " d\r\n")
    assert content_hash("caf\u00e9", "x") == content_hash("cafe\u0301", "x")
    different = ["ab c", "a bc", "A bc", "abc", "a b c"]
    hashes = {content_hash(*pair) for pair in itertools.product(different, repeat=2)}
    assert len(hashes) == len(different) ** 2
    assert content_hash("a b", "c") != content_hash("a", "b c"), "where the prompt ends matters"
    assert len(content_hash("a", "b")) == 16


def test_duplicates_are_counted_and_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ("p", "r"), ("p ", "r"), ("q", "r"), (" p", "r\n"))
    dataset = load_files([path])
    digest = content_hash("p", "r")
    assert [row.id for row in dataset.rows] == [
        f"{digest}-0",
        f"{digest}-1",
        f"{content_hash('q', 'r')}-0",
        f"{digest}-2",
    ]
    assert dataset.rows[3].prompt == " p", "the text itself is not normalised"
    assert dataset.report.exact_duplicates == 2
    assert any("2 rows repeat an earlier row" in text for text in dataset.report.warnings)


def test_several_files_form_one_dataset_in_order(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", ("p", "r"), ("q", "r"))
    two = tmp_path / "two.csv"
    two.write_text("question,answer\nq,r\nx\np,r\n")
    dataset = load_files([one, two], names=["first", "second.csv"])
    assert dataset.name == "first + second.csv"
    assert [row.prompt for row in dataset.rows] == ["p", "q", "q", "p"]
    assert [source.rows for source in dataset.sources] == [2, 2]
    assert dataset.sources[1].mapping.prompt == "question"
    assert [row.id[-2:] for row in dataset.rows] == ["-0", "-0", "-1", "-1"]
    assert (dataset.report.rejected[0].file, dataset.report.rejected[0].line) == ("second.csv", 3)
    assert "1 ragged row was rejected (line second.csv:3)." in dataset.report.warnings
    assert load_files([two, one]).id != dataset.id


def test_the_address_follows_content_mapping_and_limits(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ("p", "r"), ("q", "r"))
    dataset = load_files([path])
    assert dataset == load_files([path])
    renamed = path.rename(tmp_path / "b.jsonl")
    assert load_files([renamed], names=["other"]).id == dataset.id
    assert load_files([renamed], overrides={"prompt": "prompt"}).id == dataset.id, (
        "the same mapping"
    )
    assert load_files([renamed], overrides={"group": "prompt"}).id != dataset.id
    assert load_files([renamed], limits=Limits(row_characters=9)).id != dataset.id
    write(renamed, ("p", "r"), ("q", "s"))
    assert load_files([renamed]).id != dataset.id


def test_a_file_name_of_any_bytes_is_shown_as_text(tmp_path: Path) -> None:
    path = write(Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.jsonl")), ("p", "r"), ("q", "r"))
    assert load_files([path]).name == "caf\ufffd.jsonl"


def test_the_source_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"prompt,response\na,b\nc,d\n")
    source = load_files([path]).sources[0]
    # printf 'prompt,response\na,b\nc,d\n' | sha256sum
    assert source.sha256.startswith("f354861a22c85609")
    assert source.size == 24


def test_reports_name_the_first_broken_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = '{"prompt": "p", "response": "r"}\n'
    path.write_text(good * 2 + "oops\n" * 7 + '{"prompt": "p"}\n')
    report = load_files([path]).report
    assert report.reasons() == {"broken JSON": 7, "null response": 1}
    assert list(report.reasons()) == ["broken JSON", "null response"]
    assert "7 broken rows were rejected (lines 3, 4, 5, 6, 7, ...)." in report.warnings
    assert report.accepted == 2


def test_many_rows_are_accepted_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nncift_core.datasets.report.MANY_ROWS", 30)
    many = write(tmp_path / "a.jsonl", *((f"p{i}", "r") for i in range(30)))
    few = write(tmp_path / "b.jsonl", *((f"p{i}", "r") for i in range(29)))
    assert any("30 rows are many" in text for text in load_files([many]).report.warnings)
    assert load_files([few]).report.warnings == ()


def test_self_pairs_against_a_plain_loop() -> None:
    generator = np.random.default_rng(3)
    helpers = rows(*(str(n) for n in generator.integers(0, 12, 40)))
    helped = rows(*(str(n) for n in generator.integers(0, 20, 25)))
    expected = [
        (i, j)
        for i, one in enumerate(helpers)
        for j, other in enumerate(helped)
        if (one.prompt, one.response) == (other.prompt, other.response)
    ]
    first, second = find_self_pairs(helpers, helped)
    assert first.dtype == second.dtype == np.int64
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == expected
    assert len(expected) > 10
    nothing = find_self_pairs(rows("a"), rows("b"))
    assert [array.shape for array in nothing] == [(0,), (0,)]


def test_target_samples_are_seeded_and_disjoint() -> None:
    pool = rows(*map(str, range(50)))
    stay, target = sample_target(pool, 10, seed=1)
    assert sorted([*stay, *target]) == list(range(50))
    assert (len(stay), len(target)) == (40, 10)
    assert (np.diff(target) > 0).all() and (np.diff(stay) > 0).all()
    again = sample_target(pool, 10, seed=1)
    assert np.array_equal(again[1], target)
    assert not np.array_equal(sample_target(pool, 10, seed=2)[1], target)
    assert target.tolist() != list(range(10)), "not simply the first rows"
    # Every row has its turn: the expected count of each is 40 of 200 draws.
    counts = np.zeros(50)
    for seed in range(200):
        counts[sample_target(pool, 10, seed)[1]] += 1
    assert counts.min() > 20 and counts.max() < 65


@pytest.mark.parametrize("count", [-1, 0, 1, 9, 10, 11])
def test_impossible_target_samples(count: int) -> None:
    with pytest.raises(ConfigError, match=f"sample of {count} rows cannot be drawn .* 10"):
        sample_target(rows(*map(str, range(10))), count, seed=0)


def test_demo_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"demo_pool\.jsonl does not exist"):
        demo_paths()
    write(tmp_path / "demo_pool.jsonl", ("a", "b"))
    write(tmp_path / "demo_target.jsonl", ("a", "b"))
    pool, target = demo_paths()
    assert (pool.name, target.name) == ("demo_pool.jsonl", "demo_target.jsonl")
    assert demo_paths().truth == tmp_path / "demo_truth.jsonl"


REAL = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(
    ("name", "accepted", "rejected", "described"),
    [
        ("alpaca_en_demo.json", 999, {}, "prompt <- instruction + input, response <- output"),
        (
            "code_alpaca_2k.json",
            2015,
            {"empty response": 2},
            "prompt <- instruction + input, response <- output",
        ),
        ("gsm8k_train.jsonl", 7473, {}, "prompt <- question, response <- answer"),
        ("gsm8k_test.jsonl", 1319, {}, "prompt <- question, response <- answer"),
    ],
)
def test_real_files(name: str, accepted: int, rejected: dict[str, int], described: str) -> None:
    dataset = load_files([REAL / name])
    assert dataset.report.accepted == len(dataset) == accepted
    assert dataset.report.reasons() == rejected
    assert dataset.sources[0].mapping.describe() == described
    # The plainest reader there is, as reference.
    text = (REAL / name).read_text(encoding="utf-8")
    plain = (
        json.loads(text)
        if name.endswith(".json")
        else [json.loads(line) for line in text.splitlines()]
    )
    response = described.rsplit(" ", 1)[1]
    kept = [row for row in plain if row[response].strip()]
    assert [json.loads(raw) for raw in dataset.raw] == kept
