"""The demo as a whole: bytes, shares, ids and truth of the committed files."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from data.demo import FAMILIES, generate
from data.make_demo import main
from nncift_core.datasets.identity import assign_ids, content_hash

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("demo_pool.jsonl", "demo_target.jsonl", "demo_truth.jsonl")


@pytest.fixture(scope="module")
def demo():
    return generate()


@pytest.fixture(scope="module")
def truth(demo):
    return [json.loads(line) for line in demo.files()["demo_truth.jsonl"].splitlines()]


def test_committed_files_are_those_of_the_generator(demo):
    for name, text in demo.files().items():
        assert (ROOT / "data" / name).read_bytes() == text.encode("utf-8"), (
            f"data/{name} is stale: run `python data/make_demo.py`"
        )


def test_the_script_writes_the_same_bytes_under_another_hash_seed(tmp_path):
    arguments = ["--seed", "3", "--pool", "150", "--target", "40", "--output"]
    for folder, hash_seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, str(ROOT / "data" / "make_demo.py"), *arguments, tmp_path / folder],
            check=True,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert len((tmp_path / "a" / NAMES[0]).read_text().splitlines()) == 150


def test_the_script_leaves_no_partial_file_and_refuses_tiny_sizes(tmp_path, capsys):
    main(["--pool", "100", "--target", "20", "--output", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    with pytest.raises(SystemExit):
        main(["--pool", "5", "--output", str(tmp_path)])
    assert "--pool must be at least 20" in capsys.readouterr().err


def test_another_seed_gives_other_rows(demo):
    other = generate(1, 200, 40)
    known = {example.prompt for example in (*demo.pool, *demo.target)}
    assert sum(example.prompt in known for example in (*other.pool, *other.target)) == 0


def test_generate_refuses_sizes_that_cannot_hold_the_plan():
    with pytest.raises(ValueError, match="n_pool >= 20"):
        generate(0, 19, 10)


def test_shares(demo, truth):
    pool = [row for row in truth if row["split"] == "pool"]
    target = [row for row in truth if row["split"] == "target"]
    assert (len(pool), len(target)) == (2000, 400)
    faults = Counter(row["fault"] for row in pool)
    assert faults["wrong_value"] + faults["other_answer"] + faults["wrong_format"] == 200
    assert max(faults[k] for k in ("wrong_value", "other_answer", "wrong_format")) == 67
    assert faults["truncated"] == 40
    assert sum(row["near_duplicate_of"] is not None for row in pool) == 200
    assert sum(not row["in_target_family"] for row in pool) == 500
    on_target = sum(row["in_target_context"] for row in pool)
    off_context = sum(row["in_target_family"] and not row["in_target_context"] for row in pool)
    assert 800 <= on_target <= 1000
    assert on_target + off_context == 1500
    assert len({row["family"] for row in pool}) == len(FAMILIES)
    assert len({row["family"] for row in target}) == 3 * len(FAMILIES) // 4
    assert all(row["fault"] is None and row["near_duplicate_of"] is None for row in target)


def test_target_and_pool_agree_on_what_is_in_the_target(truth):
    families = {row["family"] for row in truth if row["split"] == "target"}
    contexts = {row["context"] for row in truth if row["split"] == "target"}
    for row in truth:
        assert row["in_target_family"] == (row["family"] in families)
        assert row["in_target_context"] == (row["context"] in contexts)
    clean = {row["context"] for row in truth if row["split"] == "pool" and row["fault"] is None}
    assert contexts <= clean


def test_ids_belong_to_the_lines_of_the_files(demo, truth):
    files = demo.files()
    for split in ("pool", "target"):
        rows = [json.loads(line) for line in files[f"demo_{split}.jsonl"].splitlines()]
        mine = [row for row in truth if row["split"] == split]
        assert [row["line"] for row in mine] == list(range(len(rows)))
        assert [row["id"] for row in mine] == assign_ids((r["prompt"], r["response"]) for r in rows)
        assert [row["family"] for row in mine] == [row["subtask"] for row in rows]


def test_rows_tell_nothing_of_the_truth(demo):
    files = demo.files()
    for name in NAMES[:2]:
        for line in files[name].splitlines():
            row = json.loads(line)
            assert list(row) == ["prompt", "response", "subtask"]
            assert row["prompt"].strip() and row["response"].strip()
        assert not any(word in files[name] for word in ("wrong_value", "near_duplicate", "/0-"))


def test_no_row_occurs_twice(demo):
    rows = [*demo.pool, *demo.target]
    assert len({content_hash(row.prompt, row.response) for row in rows}) == len(rows)
    assert len({row.prompt for row in rows}) == len(rows)


def test_faults_are_where_the_truth_says_and_nowhere_else(demo):
    for example, planted in zip((*demo.pool, *demo.target), demo.truth, strict=True):
        family = FAMILIES[example.family]
        context = example.context
        right = family.respond(family.solve(example.facts, context.rule), context)
        assert (example.response == right) == (planted.fault is None)
        if planted.fault == "truncated":
            assert right.startswith(example.response)


def test_other_answers_are_answers_of_other_rows(demo):
    responses = Counter(
        (example.context.name, example.response) for example in demo.pool if example.fault is None
    )
    taken = [example for example in demo.pool if example.fault == "other_answer"]
    assert all(responses[(example.context.name, example.response)] for example in taken)


def test_near_duplicates_reword_a_right_row(demo):
    for example, planted in zip(demo.pool, demo.truth, strict=False):
        if planted.near_duplicate_of is None:
            continue
        source = demo.pool[planted.near_duplicate_of]
        assert demo.truth[planted.near_duplicate_of].near_duplicate_of is None
        assert example.fault is None and source.fault is None
        assert example.prompt != source.prompt
        assert (example.body, example.response) == (source.body, source.response)
        assert example.context == source.context


def test_apart_from_planted_duplicates_no_task_repeats(demo):
    planted = [truth.near_duplicate_of is not None for truth in demo.truth]
    tasks = [
        (example.context.name, example.body)
        for example, is_copy in zip((*demo.pool, *demo.target), planted, strict=True)
        if not is_copy
    ]
    assert len(set(tasks)) == len(tasks)


def test_rows_are_short(demo):
    """A small model reads several of them at once."""
    lengths = sorted(len(e.prompt) + len(e.response) for e in (*demo.pool, *demo.target))
    assert lengths[-1] <= 330
    assert lengths[len(lengths) // 2] <= 160
