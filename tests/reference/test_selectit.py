"""SelectIT against its definition: one rating prompt at a time, all logits, float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from nncift_core import influence
from nncift_core.config import LanguageModelConfig, SelectITConfig
from nncift_core.influence import selectit
from nncift_core.influence.rating_prompts import SCORES, K, rating_message
from nncift_core.lm import scoring
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.prompts import flatten
from nncift_core.types import Row
from tests.slow_lm import SlowEngine, SlowModel
from tests.tiny_lm import make_rows, make_tiny_model

MODELS = {
    "llama": ("llama", None, "single", 400),
    "llama-spaced": ("llama", "llama3", "spaced", 400),
    "qwen2-chat": ("qwen2", "chatml", "single", 400),
    # Another vocabulary: its tokens have other numbers.
    "gemma-chat": ("gemma", "gemma", "spaced", 330),
    "gpt2": ("gpt2", None, "single", 340),
}
ALPHA = 0.2

Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            family, chat, digits, vocab = MODELS[name]
            made[name] = make_tiny_model(
                tmp_path_factory.mktemp(name),
                family,
                chat_template=chat,
                digits=digits,
                vocab=vocab,
                seed=5,
                # Milder, so that all digits have a probability that counts.
                scale=2.0,
                positions=512,
            )
        return made[name]

    return get


@pytest.fixture(scope="module")
def rows(folder_of: Folders) -> list[Row]:
    return make_rows(folder_of("llama"), 6, seed=2)


def opened(folder: Path) -> LanguageModel:
    return open_model(LanguageModelConfig(model=str(folder)))


def slow_chances(model: LanguageModel, rows: Sequence[Row]) -> np.ndarray:
    """P, ``(rows, K, 5)``: each rating prompt read whole."""
    slow = SlowModel(model.settings.model)
    vocabulary = model.tokenizer.get_vocab()
    found = np.empty((len(rows), K, len(SCORES)))
    for place, row in enumerate(rows):
        for number in range(K):
            message = model.prompter.message(rating_message(number, row.prompt, row.response))
            chances = np.exp(slow.log_probs(flatten(message))[-1])
            # Byte-level vocabularies spell a space as Ġ.
            spelled = [
                [vocabulary[text] for text in (str(score), f"Ġ{score}") if text in vocabulary]
                for score in SCORES
            ]
            p = np.array([chances[some].sum() for some in spelled])
            found[place, number] = p / p.sum()
    return found


def slow_score(chances: np.ndarray, alpha: float = ALPHA) -> float:
    """One row's score from its ``(K, 5)`` P, written out."""
    scores = []
    for p in chances:
        base = 1
        for score in SCORES:
            if p[score - 1] >= p[base - 1]:
                base = score
        others = [abs(p[base - 1] - p[k - 1]) for k in SCORES if k != base]
        scores.append(base * sum(others) / 4)
    mean = sum(scores) / len(scores)
    deviation = (sum((score - mean) ** 2 for score in scores) / len(scores)) ** 0.5
    return float(mean / (1 + alpha * deviation))


def slow_scores(models: Sequence[LanguageModel], rows: Sequence[Row]) -> np.ndarray:
    parameters = [sum(p.numel() for p in model.model.parameters()) for model in models]
    found = [[slow_score(chances) for chances in slow_chances(model, rows)] for model in models]
    return np.array(parameters) @ np.array(found) / sum(parameters)


@pytest.mark.parametrize("name", MODELS)
def test_chances_and_scores_are_what_their_definition_says(
    folder_of: Folders, rows: list[Row], name: str
) -> None:
    model = opened(folder_of(name))
    method = influence.create("selectit", model=model)
    expected = slow_chances(model, rows)
    found = method._chances(0, rows, _Silent())
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    scores = method.scores(rows)
    ordered = np.sort(expected, axis=-1)
    clear = (ordered[..., -1] - ordered[..., -2] > 1e-6).all(axis=-1)
    assert clear.sum() >= 5
    wanted = np.array([slow_score(chances) for chances in expected])
    np.testing.assert_allclose(scores[clear], wanted[clear], rtol=2e-5)
    assert np.ptp(wanted) > 0.01


class _Silent:
    def advance(self, count: int = 1) -> None:
        pass


def test_models_are_weighted_by_their_parameters(folder_of: Folders, rows: list[Row]) -> None:
    names = ("qwen2-chat", "gemma-chat", "gpt2")
    first, *more = (folder_of(name) for name in names)
    settings = SelectITConfig(more_models=", ".join(map(str, more)))
    found = influence.create("selectit", model=str(first), settings=settings).scores(rows)
    expected = slow_scores([opened(folder_of(name)) for name in names], rows)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_a_row_has_the_score_it_has_alone(folder_of: Folders, rows: list[Row]) -> None:
    method = influence.create("selectit", model=str(folder_of("qwen2-chat")))
    together = method.scores(rows)
    alone = np.concatenate([method.scores([row]) for row in rows])
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_the_published_code_smooths_the_chances_once_more() -> None:
    chances = np.array([0.1, 0.2, 0.05, 0.6, 0.05])
    smooth = np.exp(chances) / np.exp(chances).sum()
    expected = 4 * sum(smooth[3] - smooth[k] for k in (0, 1, 2, 4)) / 4
    assert selectit.token_scores(chances, "code") == pytest.approx(expected)
    assert selectit.token_scores(chances) == pytest.approx(4 * (0.5 + 0.4 + 0.55 + 0.55) / 4)


def test_of_equal_chances_the_higher_score_is_the_base() -> None:
    chances = np.array([[0.4, 0.0, 0.4, 0.2, 0.0], [0.2, 0.2, 0.2, 0.2, 0.2]])
    np.testing.assert_allclose(selectit.token_scores(chances), [3 * 1.0 / 4, 0.0])


def test_prompts_that_agree_are_worth_more_than_prompts_that_do_not() -> None:
    scores = np.array([[2.0, 2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 2.0, 3.0, 4.0]])
    found = selectit.sentence_score(scores, ALPHA)
    np.testing.assert_allclose(found, [2.0, 2.0 / (1 + ALPHA * 2**0.5)])


# Faults. Each is planted, and the comparison with the definition must notice.


def position_of_the_logits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scoring, "ScoringEngine", SlowEngine)
    patch.setattr(SlowEngine, "shift", 2)


def lowest_base(patch: pytest.MonkeyPatch) -> None:
    right = selectit.token_scores
    patch.setattr(selectit, "token_scores", lambda p, v: right(p[..., ::-1], v))


def one_rating_prompt_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(selectit, "rating_message", lambda n, p, r: rating_message(2, p, r))


def tokens_of_another_model(patch: pytest.MonkeyPatch) -> None:
    right, kept = selectit.digit_tokens, []
    patch.setattr(
        selectit, "digit_tokens", lambda p: kept[0] if kept else kept.append(right(p)) or kept[0]
    )


def sample_deviation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        selectit,
        "sentence_score",
        lambda s, alpha: s.mean(-1) / (1 + alpha * s.std(axis=-1, ddof=1)),
    )


def one_more_softmax(patch: pytest.MonkeyPatch) -> None:
    right = selectit.token_scores
    patch.setattr(selectit, "token_scores", lambda p, v: right(p, "code"))


def digits_without_their_spaces(patch: pytest.MonkeyPatch) -> None:
    right = selectit.digit_tokens
    patch.setattr(selectit, "digit_tokens", lambda p: [some[:1] for some in right(p)])


def not_normalised(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        selectit,
        "digit_chances",
        lambda logs, columns: np.stack([np.exp(logs[:, c]).sum(1) for c in columns], axis=1),
    )


def plain_mean_of_models(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(np, "average", lambda values, axis, weights: np.mean(values, axis=axis))


FAULTS = [
    position_of_the_logits,
    lowest_base,
    one_rating_prompt_for_all,
    tokens_of_another_model,
    sample_deviation,
    one_more_softmax,
    digits_without_their_spaces,
    not_normalised,
    plain_mean_of_models,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_shows_in_the_scores(
    monkeypatch: pytest.MonkeyPatch,
    folder_of: Folders,
    rows: list[Row],
    fault: Callable[[pytest.MonkeyPatch], None],
) -> None:
    names = ("qwen2-chat", "gemma-chat")
    first, second = (folder_of(name) for name in names)
    expected = slow_scores([opened(first), opened(second)], rows[:3])
    fault(monkeypatch)
    settings = SelectITConfig(more_models=str(second))
    found = influence.create("selectit", model=str(first), settings=settings).scores(rows[:3])
    assert (np.abs(found / expected - 1) > 1e-3).any()


def test_ties_to_the_lower_digit_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "argmax", lambda values, axis: 4 - values[..., ::-1].argmax(axis))
    chances = np.array([[0.4, 0.0, 0.4, 0.2, 0.0]])
    assert selectit.token_scores(chances)[0] == pytest.approx(1 / 4)
    assert slow_score(np.repeat(chances, K, axis=0)) == pytest.approx(3 / 4)
