"""Groups of duplicates: what is one, what is none, and the same groups every time."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pytest

from data.demo import generate
from nncift_core.datasets.identity import assign_ids
from nncift_core.errors import Cancelled, ConfigError
from nncift_core.progress import SilentProgress
from nncift_core.selection import duplicates, row_texts
from nncift_core.selection.duplicates import DuplicateGroups, duplicate_groups
from nncift_core.selection.minhash import colliding
from nncift_core.types import Row

Text = tuple[str, str]

FILLER: list[Text] = [
    (f"Explain what {word} are used for in a {place}.", f"In a {place}, {word} hold things up.")
    for word in ("beams", "bolts", "cables", "hinges", "planks", "ropes", "screws", "wires")
    for place in ("barn", "boat", "bridge", "cabin", "garage", "harbour", "mill", "tower")
]
"""A pool to stand in, of rows that are no duplicates of each other."""


def rows_of(texts: Sequence[Text]) -> list[Row]:
    ids = assign_ids(texts)
    return [Row(id, *text) for id, text in zip(ids, texts, strict=True)]


def pairs_of(groups: DuplicateGroups) -> set[tuple[int, int]]:
    return {
        (int(a), int(b))
        for number in range(groups.n_groups)
        for a, b in combinations(groups.members(number), 2)
    }


def are_near(one: Text, other: Text, pool: Iterable[Text] = FILLER) -> bool:
    return (0, 1) in pairs_of(duplicate_groups(rows_of([one, other, *pool]), None))


CAPITAL = ("What is the capital of France?", "Paris")
LETTER = (
    "Write a letter to Anna about the broken lamp in the hall.",
    "Dear Anna, the lamp in the hall is broken. Please send somebody to mend it.",
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CAPITAL, ("WHAT IS THE CAPITAL OF FRANCE", "paris.")),
        (CAPITAL, ("what's the capital of France?", "Paris!")),
        (CAPITAL, ("Hello! What is the capital of France? Many thanks.", "Paris")),
        (CAPITAL, ("Please tell me the capital of France.", "Paris")),
        (CAPITAL, ("What  is the\ncapital of France ?", " Paris\n")),
        (
            LETTER,
            ("Hi, please write a letter to Anna about the broken lamp in the hall.", LETTER[1]),
        ),
        (
            ("Sum up for the mill: 3 sacks and 4 sacks.", "7 sacks"),
            ("Sum up 3 sacks and 4 sacks. Thank you.", "7 sacks"),
        ),
        (
            ("For the Oak Field Nursery: what is a young swan called in books?", "A cygnet"),
            ("What is a young swan called in books? - Oak Field Nursery", "A cygnet"),
        ),
        (("法国的首都是哪里？", "巴黎"), ("请问法国的首都是哪里", "巴黎。")),
        (("Où est la tour Eiffel ?", "À Paris"), ("OÙ EST LA TOUR EIFFEL", "à paris.")),
    ],
)
def test_one_task_in_other_words_with_one_answer(one: Text, other: Text) -> None:
    assert are_near(one, other)
    assert are_near(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("What is 12 + 7?", "19"), ("What is 13 + 7?", "20")),
        # One answer, yet another sum; another sign; another order.
        (("What is 12 + 7?", "19"), ("What is 13 + 6?", "19")),
        (("What is 12 + 7?", "19"), ("What is 7 + 12?", "19")),
        (("Work out 5 + 0 for me, please.", "5"), ("Work out 5 - 0 for me, please.", "5")),
        (("Is -3 a whole number?", "Yes"), ("Is 3 a whole number?", "Yes")),
        (LETTER, tuple(text.replace("Anna", "Bert") for text in LETTER)),
        (CAPITAL, tuple(text.replace("France", "Paris") for text in CAPITAL)),
        # A name or a thing in the prompt alone.
        (("Is a whale a mammal?", "Yes"), ("Is a dog a mammal?", "Yes")),
        (("Is Rome larger than Paris?", "No"), ("Is Paris larger than Rome?", "No")),
        (("Label this: the plates broke.", "bad"), ("Label this: the forks broke.", "bad")),
        # One prompt with two answers, one of them wrong or cut off.
        (CAPITAL, (CAPITAL[0], "Lyon")),
        (LETTER, (LETTER[0], LETTER[1][:40])),
        (("Which of these swim?", "Ducks"), ("Which of these do not swim?", "Ducks")),
        # One answer to prompts that share hardly a word.
        (CAPITAL, ("Where did the painter Manet live until his death?", "Paris")),
        # Nothing to compare.
        (("???", "!!!"), ("...", "!!!")),
        (("一只猫有几条腿", "四"), ("一只狗有几条腿", "四")),
        # Vowel signs are no punctuation.
        (("कि का अर्थ क्या है", "x"), ("की का अर्थ क्या है", "x")),
    ],
)
def test_another_task_or_another_answer(one: Text, other: Text) -> None:
    assert not are_near(one, other)
    assert not are_near(other, one)


def test_many_templated_rows_are_no_duplicates() -> None:
    texts = [(f"What is {a} + {b}?", str(a + b)) for a in range(10, 40) for b in range(10, 40)]
    names = ("Anna", "Bert", "Cleo", "Dora", "Emil", "Finn", "Gina", "Hugo")
    things = ("apples", "books", "chairs", "drums", "eggs", "flags", "gloves", "hats")
    texts += [
        (f"Write to {name} that the {thing} have come.", f"Dear {name}, the {thing} have come.")
        for name in names
        for thing in things
    ]
    # Labels: thousands of prompts, two answers.
    texts += [
        (f"Is this good or bad? The {thing} of {name} {verb}.", ("good", "bad")[number % 2])
        for number, verb in enumerate(("shine", "broke", "sparkle", "rotted"))
        for name in names
        for thing in things
    ]
    assert duplicate_groups(rows_of(texts), None).n_groups == 0


def test_the_same_words_in_another_order_are_another_task() -> None:
    before = "Put these into the code of our old harbour school, please:"
    one = (f"{before} amber, bronze, copper, dust, ember.", "the code")
    other = (f"{before} dust, amber, bronze, copper, ember.", "the code")
    assert not are_near(one, other)
    assert are_near(one, (f"Put these into code, please: {one[0].split(': ')[1]}", "the code"))


@pytest.mark.parametrize("names", ["Anna Bert Cleo Dora", "Anna_May Finn_Ole Jan_Piet"])
def test_names_that_occur_beside_many_answers(names: str) -> None:
    # No name is particular here; it is exchanged for another, and all else is the same.
    texts = [
        (f"{name} has {a} apples and buys {b} more. How many are there?", f"{a + b} apples")
        for name in names.replace("_", "\t").split(" ")
        for a in range(3, 9)
        for b in range(3, 9)
    ]
    assert duplicate_groups(rows_of(texts), None).n_groups == 0


def test_beside_a_label_every_word_tells() -> None:
    # Other answers make these words common; one word stands for two, so none is exchanged.
    texts = [(f"Where can I see a {animal}?", place) for animal in ("killer whale", "dog", "cat")
             for place in ("zoo", "park", "sea", "barn", "yard", "street")]  # fmt: skip
    ask = "Read this slowly and say in one word whether it is good or bad: the song of the"
    pair = [(f"{ask} killer whale", "good"), (f"{ask} dog", "good")]
    labels = [
        (f"Say whether it is good or bad: {text}", ("good", "bad")[number % 2])
        for number, (text, _) in enumerate(FILLER)
    ]
    rows = rows_of([*pair, *texts, *labels])
    assert (0, 1) not in pairs_of(duplicate_groups(rows, None))


@pytest.mark.parametrize("seed", [0, 3])
def test_planted_near_duplicates_of_the_demo(seed: int) -> None:
    demo = generate(seed=seed, n_pool=600, n_target=20)
    texts = [(example.prompt, example.response) for example in demo.pool]
    planted = {
        (min(row.line, row.near_duplicate_of), max(row.line, row.near_duplicate_of))
        for row in demo.truth
        if row.near_duplicate_of is not None
    }
    found = pairs_of(duplicate_groups(rows_of(texts), None))
    assert len(planted) == 60
    assert len(planted & found) >= 59
    assert found <= planted


def test_without_the_rule_of_particular_words_the_demo_has_false_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The classic mistake: to go by likeness alone.
    demo = generate(seed=0)
    rows = rows_of([(example.prompt, example.response) for example in demo.pool])
    right = len(pairs_of(duplicate_groups(rows, None)))
    monkeypatch.setattr(row_texts, "PARTICULAR_SHARE", 0.0)
    monkeypatch.setattr(row_texts, "PARTICULAR_LEAST", 0)
    assert right == 200
    assert len(pairs_of(duplicate_groups(rows, None))) > 210


def test_levels() -> None:
    texts = [
        CAPITAL,
        LETTER,
        CAPITAL,
        (CAPITAL[0].upper(), "Paris"),
        (" ".join(LETTER[0].split()), LETTER[1] + "\n"),
    ]
    rows = rows_of(texts)
    near = duplicate_groups(rows, None)
    exact = duplicate_groups(rows, None, level="exact")
    keep = duplicate_groups(rows, None, level="keep")
    assert near.group.tolist() == [0, 1, 0, 0, 1]
    assert exact.group.tolist() == [0, 1, 0, -1, 1]
    assert keep.group.tolist() == [-1] * 5
    for groups in (near, exact, keep):
        assert groups.exact.tolist() == [True, True, True, False, True]
    assert near.counts() == {"groups": 2, "rows": 5, "exact": 4, "near": 1, "removable": 3}
    assert keep.counts() == {"groups": 0, "rows": 0, "exact": 0, "near": 0, "removable": 0}
    assert near.members(0).tolist() == [0, 2, 3]
    assert near.group.dtype == np.int64


def test_equal_content_is_near_too_whatever_the_text() -> None:
    # Composed and decomposed letters, other white space, texts without a word.
    texts = [
        ("caf\u00e9 ouvert", "oui"), ("cafe\u0301\u00a0ouvert", " oui"),
        ("...", "?"), (" ...\n", "?"),
        ("\u00c5ngstr\u00f6m", "10"), ("A\u030angstro\u0308m", "10"),
    ]  # fmt: skip
    rows = rows_of(texts)
    assert [row.content_hash for row in rows[::2]] == [row.content_hash for row in rows[1::2]]
    for level in ("near", "exact"):
        assert duplicate_groups(rows, None, level=level).group.tolist() == [0, 0, 1, 1, 2, 2]


def test_no_rows_and_one_row() -> None:
    for level in duplicates.LEVELS:
        assert duplicate_groups([], None, level=level).counts()["groups"] == 0
        assert duplicate_groups(rows_of([CAPITAL]), None, level=level).group.tolist() == [-1]


def test_a_level_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"'nearly'.*Did you mean 'near'"):
        duplicate_groups(rows_of([CAPITAL]), None, level="nearly")


def test_vectors_for_other_rows() -> None:
    with pytest.raises(ValueError, match="1 rows but 2 vectors"):
        duplicate_groups(rows_of([CAPITAL]), np.zeros((2, 3), np.float32))


def test_embeddings_let_other_wordings_pass_but_nothing_else() -> None:
    city = ("Name the city that is the capital of France.", "Paris")
    sums = [("What is 12 + 7?", "19"), ("What is 13 + 6?", "19")]
    rows = rows_of([CAPITAL, city, *sums, *FILLER])
    alike = np.ones((len(rows), 4), np.float32)
    apart = np.eye(len(rows), dtype=np.float32)
    broken = np.full((len(rows), 4), np.nan, np.float32)
    assert pairs_of(duplicate_groups(rows, None)) == set()
    assert pairs_of(duplicate_groups(rows, apart)) == set()
    assert pairs_of(duplicate_groups(rows, broken)) == set()
    assert pairs_of(duplicate_groups(rows, 0 * alike)) == set()
    assert pairs_of(duplicate_groups(rows, alike)) == {(0, 1)}


def test_a_chain_is_not_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each is near the next alone: the middle goes with one side.
    words = "amber bronze copper dust ember flint garnet hazel".split()
    texts = [(" ".join(words[k : k + 5]), "same") for k in range(4)]
    monkeypatch.setattr(row_texts, "PARTICULAR_LEAST", 0)
    monkeypatch.setattr(row_texts, "PARTICULAR_SHARE", 0)
    rows = rows_of([*texts, *[(f"filler {k}", f"other {k}") for k in range(40)]])
    groups = duplicate_groups(rows, None)
    assert groups.group[:4].tolist() == [0, 0, 1, 1]


def _varied(count: int, seed: int) -> list[Text]:
    """Prompts about few things with one answer, so that they all fall into one block."""
    draw = random.Random(seed)
    things = [f"thing{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(300)]
    before = ("", "Hello. ", "Please help. ", "Good morning. ", "Hi there, ")
    after = ("", " Thanks.", " Thank you very much.", " Many thanks!")
    texts = []
    for _ in range(count):
        own = sorted(draw.sample(things, 4)) if not texts or draw.random() < 0.6 else None
        core = f"Sort {' and '.join(own)} for me" if own else draw.choice(texts)[0].split("|")[1]
        texts.append((f"{draw.choice(before)}|{core}|{draw.choice(after)}", "done"))
    return texts


def test_minhash_finds_what_all_pairs_find(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of([*_varied(400, 1), *FILLER])
    by_hash = duplicate_groups(rows, None)
    monkeypatch.setattr(duplicates, "ALL_PAIRS", 10_000)
    everything = duplicate_groups(rows, None)
    assert everything.n_groups > 50
    assert by_hash.group.tolist() == everything.group.tolist()


def test_colliding_pairs() -> None:
    draw = random.Random(0)
    sets = [{f"w{draw.randrange(5000)}".encode() for _ in range(20)} for _ in range(100)]
    sets += [{*one, b"new"} for one in sets[:50]]
    numbers = list(range(1000, 1150))
    found = colliding(numbers, [sorted(one) for one in sets])
    assert {(1000 + k, 1100 + k) for k in range(50)} <= set(found)
    assert len(found) < 80
    assert found == sorted(set(found))


def test_a_bucket_of_many_equal_sets_stays_small() -> None:
    pairs = colliding(range(500), [[b"same"]] * 500)
    assert len(pairs) < 500 * 45
    # All hang together through the first.
    assert {b for a, b in pairs if a == 0} == set(range(1, 500))


def test_rows_in_another_order_have_the_same_pairs() -> None:
    demo = generate(seed=1, n_pool=400, n_target=20)
    texts = [(example.prompt, example.response) for example in demo.pool]
    order = np.random.default_rng(0).permutation(len(texts))
    straight = pairs_of(duplicate_groups(rows_of(texts), None))
    turned = pairs_of(duplicate_groups(rows_of([texts[k] for k in order]), None))
    assert len(straight) == 40
    assert {tuple(sorted((int(order[a]), int(order[b])))) for a, b in turned} == straight


def test_groups_do_not_depend_on_the_hash_seed() -> None:
    script = (
        "from tests.unit.selection.test_duplicates import _varied, rows_of\n"
        "from nncift_core.selection.duplicates import duplicate_groups\n"
        "print(duplicate_groups(rows_of(_varied(200, 3)), None).group.tolist())"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert "0" in printed[0]


class _Recorder(SilentProgress):
    def __init__(self, cancel_after: int | None = None) -> None:
        self.stages: list[tuple[str, int, str]] = []
        self.done = 0
        self.calls = 0
        self.cancel_after = cancel_after

    def stage(self, name: str, total: int, unit: str) -> None:
        self.stages.append((name, total, unit))

    def advance(self, count: int = 1) -> None:
        self.done += count
        self.calls += 1
        if self.calls == self.cancel_after:
            raise Cancelled


@pytest.mark.parametrize("level", duplicates.LEVELS)
def test_progress_counts_every_row(level: str) -> None:
    progress = _Recorder()
    rows = rows_of([*_varied(700, 4), *FILLER])
    duplicate_groups(rows, None, level=level, progress=progress)
    assert progress.stages == [("duplicates", len(rows), "rows")]
    assert progress.done == len(rows)


def test_it_can_be_cancelled_at_every_turn() -> None:
    rows = rows_of([*_varied(700, 4), *FILLER])
    whole = _Recorder()
    duplicate_groups(rows, None, progress=whole)
    assert whole.calls > 5
    for call in {1, 2, 3, whole.calls // 2, whole.calls - 1, whole.calls}:
        with pytest.raises(Cancelled):
            duplicate_groups(rows, None, progress=_Recorder(call))


def test_importing_it_loads_no_heavy_library() -> None:
    script = (
        "import sys, nncift_core.selection.duplicates\n"
        "print({'torch', 'sklearn', 'scipy', 'datasketch'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
