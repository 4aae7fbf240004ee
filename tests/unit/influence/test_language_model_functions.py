"""DELIFT and SelectIT beside their values: opening, identity, contexts, notes, cancelling."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import influence
from nncift_core.config import LanguageModelConfig, SelectITConfig
from nncift_core.errors import Cancelled, ModelError
from nncift_core.influence import delift, model_access, selectit
from nncift_core.influence.rating_prompts import K, rating_message
from nncift_core.influence.shards import FolderShards, MemoryShards
from nncift_core.lm import scoring, sources
from nncift_core.lm.devices import LOCKS_VARIABLE
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.prompts import Prompter, Segment, flatten
from nncift_core.types import Row
from tests.slow_lm import SlowEngine
from tests.tiny_lm import CHATS, make_rows, make_tiny_model, make_tokenizer

NAMES = ("delift", "selectit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(
        tmp_path_factory.mktemp("chat"), "qwen2", chat_template="chatml", positions=512
    )


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a chat template."""
    return make_tiny_model(tmp_path_factory.mktemp("base"), "llama", positions=512)


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return open_model(LanguageModelConfig(model=str(folder)))


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    return make_rows(folder, 8, seed=3)


@pytest.fixture(autouse=True)
def locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))
    yield


def with_context(model: LanguageModel, context: int) -> LanguageModel:
    return dataclasses.replace(model, context=context)


def values(method: Any, rows: list[Row], progress: Any = None) -> np.ndarray:
    """Whatever a function computes of some rows."""
    if hasattr(method, "scores"):
        return np.asarray(method.scores(rows, progress))
    return np.asarray(method.matrix(rows[:4], rows[4:], progress))


# Opening


@pytest.mark.parametrize("name", NAMES)
def test_a_model_can_be_a_name_settings_or_open(
    folder: Path, model: LanguageModel, rows: list[Row], name: str
) -> None:
    named = influence.create(name, model=str(folder))
    configured = influence.create(name, model=LanguageModelConfig(model=str(folder)))
    opened = influence.create(name, model=model)
    assert named.identity == configured.identity == opened.identity
    np.testing.assert_array_equal(values(named, rows), values(opened, rows))
    np.testing.assert_array_equal(values(configured, rows), values(opened, rows))
    assert values(named, rows).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_opened_when_a_value_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, folder: Path, rows: list[Row], name: str
) -> None:
    opened: list[LanguageModelConfig] = []

    def watched(settings: LanguageModelConfig) -> LanguageModel:
        opened.append(settings)
        return open_model(settings)

    monkeypatch.setattr(model_access, "open_model", watched)
    method = influence.create(name, model=str(folder))
    assert len(method.identity) == 16
    assert method.notes() == []
    assert not opened
    values(method, rows)
    values(method, rows)
    assert opened == [LanguageModelConfig(model=str(folder))]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_model_is_named_and_building_does_not_look(name: str) -> None:
    method = influence.create(name, model="/nowhere/at/all")
    with pytest.raises(ModelError, match=r"/nowhere/at/all.*does not exist"):
        _ = method.identity
    row = Row("0-0", "a", "b")
    with pytest.raises(ModelError, match=r"/nowhere/at/all.*does not exist"):
        values(method, [row] * 5)


def test_the_default_is_the_demo_model_and_it_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch, base_folder: Path, rows: list[Row]
) -> None:
    monkeypatch.setattr(sources, "demo_model_dir", lambda: base_folder)
    for name in NAMES:
        method = influence.create(name)
        assert method.notes() == [model_access.DEMO_NOTE]
        assert np.isfinite(values(method, rows)).all()
        # That a small model of this project has no chat template is not worth a word.
        assert method.notes() == [model_access.DEMO_NOTE]


def test_a_base_model_is_used_with_the_plain_template_and_says_so(
    base_folder: Path, rows: list[Row]
) -> None:
    for name in NAMES:
        method = influence.create(name, model=str(base_folder))
        assert np.isfinite(values(method, rows)).all()
        (note,) = method.notes()
        assert "no chat template" in note and str(base_folder) in note
        chosen = LanguageModelConfig(model=str(base_folder), template="plain")
        method = influence.create(name, model=chosen)
        values(method, rows)
        assert method.notes() == []


# Identity


def test_identity_changes_with_what_values_depend_on(folder: Path, base_folder: Path) -> None:
    plain = LanguageModelConfig(model=str(folder))
    found = [
        influence.create(name, **options).identity
        for name, options in [
            ("delift", {"model": plain}),
            ("delift", {"model": str(base_folder)}),
            ("delift", {"model": dataclasses.replace(plain, template="plain")}),
            ("delift", {"model": dataclasses.replace(plain, context=100)}),
            ("selectit", {"model": plain}),
            ("selectit", {"model": plain, "settings": SelectITConfig(alpha=0.3)}),
            ("selectit", {"model": plain, "settings": SelectITConfig(variant="code")}),
            (
                "selectit",
                {"model": plain, "settings": SelectITConfig(more_models=str(base_folder))},
            ),
        ]
    ]
    assert len(set(found)) == len(found)
    same = dataclasses.replace(plain, memory_mb=64, attention="eager")
    assert influence.create("delift", model=same).identity == found[0]


# One device, one run


@pytest.mark.parametrize("name", NAMES)
def test_the_device_is_locked_while_it_computes(
    monkeypatch: pytest.MonkeyPatch,
    model: LanguageModel,
    rows: list[Row],
    name: str,
    recording: Any,
) -> None:
    from nncift_core.lm import devices

    monkeypatch.setattr(devices, "POLL_SECONDS", 0.01)

    class Watching(recording):
        def advance(self, count: int = 1) -> None:
            states.append(devices._held.__dict__["depths"]["cpu"])
            assert count == 0

    states: list[int] = []
    values(influence.create(name, model=model), rows, Watching())
    assert states and set(states) == {1}
    assert devices._held.__dict__["depths"]["cpu"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_cancelled_between_passes(
    model: LanguageModel, rows: list[Row], name: str, recording: Any
) -> None:
    progress = recording(cancel_in="label", cancel_after=1)
    progress.stage("label", 1, "pairs")
    with pytest.raises(Cancelled):
        values(influence.create(name, model=model), rows, progress)


# What does not fit


def test_an_empty_side_has_an_empty_matrix(model: LanguageModel, rows: list[Row]) -> None:
    method = influence.create("delift", model=model)
    assert method.matrix([], rows).shape == (0, 8)
    assert method.matrix(rows, []).shape == (8, 0)
    assert influence.create("selectit", model=model).scores([]).shape == (0,)
    method.prepare([], MemoryShards())


def test_a_target_longer_than_the_context_has_no_values(
    model: LanguageModel, rows: list[Row]
) -> None:
    long = Row("long-0", "word " * 20, "answer " * 60)
    method = influence.create("delift", model=with_context(model, 120))
    found = method.matrix(rows[:3], [rows[4], long, rows[5]])
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_array_equal(found[:, [0, 2]], method.matrix(rows[:3], [rows[4], rows[5]]))
    (note,) = method.notes()
    assert note == (
        "Without a label, longer than the model's context of 120 tokens: target row long-0."
    )


def test_targets_fit_to_the_token(model: LanguageModel, rows: list[Row]) -> None:
    prompter, target = model.prompter, rows[5]
    own = len(flatten(prompter.query(target.prompt))) + len(prompter.response(target.response))
    alone = len(flatten(prompter.example_prefix([])))
    bare = len(flatten(prompter.example_prefix([("", "")])))
    assert alone < bare
    for context, finite in ((own + bare - 1, False), (own + bare, True)):
        method = influence.create("delift", model=with_context(model, context))
        found = method.matrix(rows[:2], [target])
        assert np.isfinite(found).all() == finite
        if finite:
            # Nothing is left of any example, so all are alike.
            assert found[0] == pytest.approx(found[1], abs=1e-6)
            assert "2 of 2 pairs" in method.notes()[0]


def test_many_targets_that_do_not_fit_are_counted(model: LanguageModel, rows: list[Row]) -> None:
    long = [Row(f"{number}-0", f"{number} " * 60, "yes") for number in range(1005)]
    method = influence.create("delift", model=with_context(model, 60))
    assert np.isnan(method.matrix(rows[:1], long)).all()
    assert method.notes()[0].endswith("target rows 0-0, 1-0, 2-0, 3-0, 4-0 and 1,000 more.")


def test_an_example_longer_than_the_context_is_cut(model: LanguageModel, rows: list[Row]) -> None:
    long = Row("long-0", "prompt word", "example " * 400)
    longer = Row("longer-0", "word " * 300, "example " * 400)
    method = influence.create("delift", model=with_context(model, 140))
    found = method.matrix([long, longer, rows[0]], rows[4:6])
    assert np.isfinite(found).all()
    assert "In 4 of 6 pairs the example was cut" in method.notes()[0]
    # The end of the response does not matter any more, its start does.
    same = dataclasses.replace(long, response=long.response + "otherwise")
    np.testing.assert_array_equal(method.matrix([same], rows[4:6]), found[:1])
    other = dataclasses.replace(long, response="colour " + long.response)
    assert np.abs(method.matrix([other], rows[4:6]) - found[:1]).max() > 1e-5


def test_cutting_takes_the_response_then_the_prompt_and_no_word_of_the_template() -> None:
    segments = [
        Segment("template", [1, 2]),
        Segment("prompt", [3, 4, 5]),
        Segment("template", [6]),
        Segment("response", [7, 8]),
    ]
    whole = [1, 2, 3, 4, 5, 6, 7, 8]
    assert delift.cut(segments, 20) == delift.cut(segments, 8) == whole
    assert delift.cut(segments, 7) == [1, 2, 3, 4, 5, 6, 7]
    assert delift.cut(segments, 6) == [1, 2, 3, 4, 5, 6]
    assert delift.cut(segments, 4) == [1, 2, 3, 6]
    assert delift.cut(segments, 3) == [1, 2, 6]


def test_an_empty_response_is_its_closing_token(model: LanguageModel, rows: list[Row]) -> None:
    empty = Row("empty-0", rows[0].prompt, "")
    found = influence.create("delift", model=model).matrix([*rows[:2], empty], [empty])
    assert np.isfinite(found).all() and (np.abs(found) <= 1).all()
    scores = influence.create("selectit", model=model).scores([empty])
    assert np.isfinite(scores).all()


def test_a_row_longer_than_the_context_has_no_score(model: LanguageModel, rows: list[Row]) -> None:
    prefix, suffixes = selectit.rating_tokens(model.prompter, rows[0])
    length = len(prefix) + max(map(len, suffixes))
    for context, finite in ((length - 1, False), (length, True)):
        method = influence.create("selectit", model=with_context(model, context))
        assert np.isfinite(method.scores(rows[:1])).all() == finite
        assert ["1 row has no score" in note for note in method.notes()] == [True] * (not finite)
    long = [dataclasses.replace(rows[0], id=f"{n}-0", response="example " * 500) for n in range(3)]
    method = influence.create("selectit", model=model)
    found = method.scores([rows[1], *long, rows[2]])
    assert np.isnan(found).tolist() == [False, True, True, True, False]
    assert "3 rows have no score" in method.notes()[0] and "(0-0, ...)" in method.notes()[0]
    np.testing.assert_allclose(found[[0, 4]], method.scores(rows[1:3]), rtol=1e-5)


# Preparing


def test_preparing_counts_probes_and_scores_each_target_alone(
    monkeypatch: pytest.MonkeyPatch,
    model: LanguageModel,
    rows: list[Row],
    tmp_path: Path,
    recording: Any,
) -> None:
    monkeypatch.setattr(scoring, "ScoringEngine", SlowEngine)
    long = Row("long-0", "word " * 20, "answer " * 60)
    helpers, helped = [*rows[:3], Row("big-0", "a", "example " * 200)], [*rows[4:6], long, rows[4]]
    tight = with_context(model, 120)
    method = influence.create("delift", model=tight)
    blocks = [(helpers, helped), (rows[5:7], rows[4:6])]
    # Each helped row once without an example besides.
    assert method.planned_units(blocks) == 4 * 4 + 2 * 2 + 3
    progress = recording()
    progress.stage("label", method.planned_units(blocks), method.unit)
    method.prepare(blocks, FolderShards(tmp_path, progress))
    assert progress.done["label"] == 3
    # The three targets that fit, by four helpers, and two by two; the big example is cut.
    assert "In 3 of 16 pairs the example was cut" in method.notes()[0]
    assert "long-0" in method.notes()[1]
    ((prefix, target, response),) = method._access.engine.probed
    assert prefix + target == 120 and target > response
    before = method.notes()
    found = method.matrix(helpers, helped)
    assert method.notes() == before
    expected = influence.create("delift", model=tight).matrix(helpers, helped)
    np.testing.assert_allclose(found, expected, atol=1e-7)

    # A resumed run reads what the first one stored.
    def fails(*_: Any) -> None:
        raise AssertionError("scored again")

    again = influence.create("delift", model=tight)
    monkeypatch.setattr(SlowEngine, "log_probs_of_groups", fails)
    again.prepare(blocks, FolderShards(tmp_path, recording_of(recording)))
    assert again.notes() == before


def recording_of(recording: Any) -> Any:
    progress = recording()
    progress.stage("label", 1, "pairs")
    return progress


def test_shards_are_small_enough_to_lose() -> None:
    method = influence.create("delift", model="unopened")
    assert method.shard_rows(100) * 100 <= delift.SHARD_PAIRS
    assert method.shard_rows(10_000) == 1
    assert method.shard_rows(0) == delift.SHARD_PAIRS


# SelectIT's tokens


@pytest.mark.parametrize("chat", [None, *(name for name in CHATS if name != "raises")])
def test_prefix_and_questions_are_the_whole_message(chat: str | None) -> None:
    prompter = Prompter(make_tokenizer(chat_template=chat))
    row = Row("0-0", "Translate <|end|> the word", " colour\n")
    prefix, suffixes = selectit.rating_tokens(prompter, row)
    assert len(suffixes) == K
    for number, suffix in enumerate(suffixes):
        whole = flatten(prompter.message(rating_message(number, row.prompt, row.response)))
        assert [*prefix, *suffix] == whole
        assert suffix


@pytest.mark.parametrize(("digits", "count"), [("single", 1), ("spaced", 2)])
def test_digits_are_found_with_and_without_a_space(digits: str, count: int) -> None:
    tokenizer = make_tokenizer(digits=digits)
    found = selectit.digit_tokens(Prompter(tokenizer))
    assert [len(tokens) for tokens in found] == [count] * 5
    spelled = [{tokenizer.decode([token]) for token in tokens} for tokens in found]
    spaced = [{str(n), f" {n}"} if count == 2 else {str(n)} for n in range(1, 6)]
    assert spelled == spaced


def test_digits_of_two_tokens_are_refused(tmp_path: Path, rows: list[Row]) -> None:
    folder = make_tiny_model(tmp_path, digits="double", positions=512)
    with pytest.raises(ModelError, match=r"digit 1 in several tokens.*Choose another model"):
        influence.create("selectit", model=str(folder)).scores(rows)


def test_further_models_may_be_short_of_context_and_have_no_adapter(
    folder: Path, base_folder: Path, tmp_path: Path, rows: list[Row]
) -> None:
    short = make_tiny_model(tmp_path, "gpt2", positions=64)
    settings = SelectITConfig(more_models=f" {short} ,")
    method = influence.create(
        "selectit", model=LanguageModelConfig(model=str(base_folder)), settings=settings
    )
    assert len(method._accesses) == 2
    assert np.isnan(method.scores(rows)).all()
    assert any(str(short) in note and "8 rows" in note for note in method.notes())
    adapted = LanguageModelConfig(model=str(folder), adapter="some/adapter")
    method = influence.create("selectit", model=adapted, settings=settings)
    assert [access.settings.adapter for access in method._accesses] == ["some/adapter", ""]
