"""DELIFT against its definition: one pair at a time, no cache, all logits, float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from nncift_core import influence
from nncift_core.config import LanguageModelConfig
from nncift_core.influence import delift
from nncift_core.lm import scoring
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.prompts import Prompter, flatten
from nncift_core.types import Row
from tests.slow_lm import SlowEngine, SlowModel
from tests.tiny_lm import make_rows, make_tiny_model

MODELS = {
    "llama": ("llama", None),
    "llama-chat": ("llama", "llama3"),
    "qwen2-chat": ("qwen2", "chatml"),
    "gemma-chat": ("gemma", "gemma"),
    "phi3-chat": ("phi3", "phi3"),
    "gpt2": ("gpt2", None),
}
HELPERS = 5


class Case:
    """A model, rows it has an opinion of, and a context that some pairs do not fit."""

    def __init__(self, folder: Path, family: str, chat: str | None) -> None:
        make_tiny_model(folder, family, chat_template=chat, seed=3)
        self.folder = folder
        self.rows = make_rows(folder, HELPERS + 4, seed=1)
        self.helpers, self.helped = self.rows[:HELPERS], self.rows[HELPERS:]
        self.slow = SlowModel(folder)

    def open(self, context: int = 0) -> LanguageModel:
        return open_model(LanguageModelConfig(model=str(self.folder), context=context))

    def tight(self) -> int:
        """A context that all targets fit behind an example, and few whole examples do."""
        prompter = self.open().prompter
        prefixes = [flatten(prompter.example_prefix([(r.prompt, r.response)])) for r in self.rows]
        return _longest(prompter, self.helped) + min(map(len, prefixes)) - 3


@pytest.fixture(scope="module")
def case_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            made[name] = Case(tmp_path_factory.mktemp(name), *MODELS[name])
        return made[name]

    return get


def _longest(prompter: Prompter, rows: Sequence[Row]) -> int:
    return max(
        len(flatten(prompter.query(row.prompt))) + len(prompter.response(row.response))
        for row in rows
    )


def slow_distance(case: Case, model: LanguageModel, target: Row, example: Row | None) -> float:
    """d(j) as it is defined; an example loses token after token until the prompt fits."""
    prompter = model.prompter
    query = flatten(prompter.query(target.prompt))
    response = prompter.response(target.response)
    if example is None:
        before = flatten(prompter.example_prefix([]))
    else:
        opening, first, _, second, _ = prompter.example_prefix([("a", "a")])
        prompt = prompter.text_ids(example.prompt)
        answer = prompter.text_ids(example.response)
        while True:
            before = [*opening.ids, *first.ids, *prompt, *second.ids, *answer]
            if len(before) + len(query) + len(response) <= model.context:
                break
            (answer or prompt).pop()
    start = len(before) + len(query)
    logs = case.slow.log_probs([*before, *query, *response])
    p = np.array([np.exp(logs[start + t - 1, token]) for t, token in enumerate(response)])
    return float(np.linalg.norm(p - 1) / np.sqrt(len(response)))


def slow_matrix(case: Case, model: LanguageModel) -> np.ndarray:
    return np.array(
        [
            [
                slow_distance(case, model, target, None)
                - slow_distance(case, model, target, example)
                for target in case.helped
            ]
            for example in case.helpers
        ]
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tight", [False, True], ids=["whole", "cut"])
def test_influence_is_what_its_definition_says(
    case_of: Callable[[str], Case], name: str, tight: bool
) -> None:
    case = case_of(name)
    model = case.open(case.tight() if tight else 0)
    method = influence.create("delift", model=model)
    expected = slow_matrix(case, model)
    # Otherwise the comparison would say nothing.
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(method.matrix(case.helpers, case.helped), expected, atol=1e-5)
    assert any("example was cut" in note for note in method.notes()) == tight


@pytest.mark.parametrize("name", ["llama", "qwen2-chat"])
def test_the_stand_in_engine_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, case_of: Callable[[str], Case], name: str
) -> None:
    case = case_of(name)
    monkeypatch.setattr(scoring, "ScoringEngine", SlowEngine)
    model = case.open(case.tight())
    found = influence.create("delift", model=model).matrix(case.helpers, case.helped)
    np.testing.assert_allclose(found, slow_matrix(case, model), atol=1e-6)


def test_a_pair_has_the_value_it_has_alone(case_of: Callable[[str], Case]) -> None:
    case = case_of("qwen2-chat")
    model = case.open(case.tight())
    together = influence.create("delift", model=model).matrix(case.rows, case.rows[::-1])
    alone = influence.create("delift", model=model)
    for i, j in ((0, 0), (3, 7), (8, 2), (5, 5)):
        value = alone.matrix([case.rows[i]], [case.rows[::-1][j]])
        np.testing.assert_allclose(value, together[i : i + 1, j : j + 1], atol=2e-6)


COLUMNS = np.array([[2, 0], [3, 1], [0, 1], [3, 2], [1, 2]])
"""Targets of each helper, in no order."""


@pytest.mark.parametrize("name", ["llama", "qwen2-chat", "gpt2"])
@pytest.mark.parametrize("tight", [False, True], ids=["whole", "cut"])
def test_targets_of_its_own_for_each_helper(
    case_of: Callable[[str], Case], name: str, tight: bool
) -> None:
    case = case_of(name)
    model = case.open(case.tight() if tight else 0)
    expected = np.take_along_axis(slow_matrix(case, model), COLUMNS, axis=1)
    method = influence.create("delift", model=model)
    found = method.values_at(case.helpers, case.helped, COLUMNS)
    assert found.shape == COLUMNS.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # A pair has that value whatever is computed with it.
    for i, places in enumerate(COLUMNS):
        alone = influence.create("delift", model=model)
        one = alone.values_at([case.helpers[i]], case.helped, places[None, :1])
        np.testing.assert_allclose(one, expected[i : i + 1, :1], atol=1e-5)
    whole = method.matrix(case.helpers, case.helped)
    np.testing.assert_allclose(np.take_along_axis(whole, COLUMNS, axis=1), found, atol=2e-6)


def test_each_helper_is_read_once(
    monkeypatch: pytest.MonkeyPatch, case_of: Callable[[str], Case]
) -> None:
    case = case_of("llama")
    read: list[int] = []
    right = scoring.ScoringEngine.log_probs_of_groups

    def watched(self: object, groups: Sequence[scoring.Group], *rest: object) -> object:
        read.append(len(groups))
        assert len({tuple(prefix) for prefix, _ in groups}) == len(groups)
        return right(self, groups, *rest)  # type: ignore[arg-type]

    model = case.open()
    method = influence.create("delift", model=model)
    _ = method._access.engine
    monkeypatch.setattr(scoring.ScoringEngine, "log_probs_of_groups", watched)
    method.values_at(case.helpers, case.helped, COLUMNS)
    # The targets alone, then all helpers together, one prefix each.
    assert read == [1, HELPERS]


def columns_of_the_next_helper(columns: np.ndarray) -> np.ndarray:
    return np.roll(columns, 1, axis=0)


def columns_the_other_way_round(columns: np.ndarray) -> np.ndarray:
    return columns[:, ::-1]


def columns_transposed(columns: np.ndarray) -> np.ndarray:
    return columns.T.reshape(columns.shape)


@pytest.mark.parametrize(
    "fault", [columns_of_the_next_helper, columns_the_other_way_round, columns_transposed]
)
def test_misplaced_targets_show(
    monkeypatch: pytest.MonkeyPatch,
    case_of: Callable[[str], Case],
    fault: Callable[..., np.ndarray],
) -> None:
    case = case_of("llama")
    model = case.open()
    expected = np.take_along_axis(slow_matrix(case, model), COLUMNS, axis=1)
    right = delift.Delift._block
    monkeypatch.setattr(
        delift.Delift,
        "_block",
        lambda self, a, b, columns, look: right(self, a, b, fault(columns), look),
    )
    found = influence.create("delift", model=model).values_at(case.helpers, case.helped, COLUMNS)
    assert np.nanmax(np.abs(found - expected)) > 1e-3


def logits_not_shifted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scoring, "ScoringEngine", SlowEngine)
    patch.setattr(SlowEngine, "shift", 0)


def transposed(patch: pytest.MonkeyPatch) -> None:
    right = delift.Delift.matrix
    patch.setattr(delift.Delift, "matrix", lambda self, a, b: right(self, b, a).T)


def target_cut_and_scored_as_perfect(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scoring, "ScoringEngine", SlowEngine)
    patch.setattr(SlowEngine, "loses", "response")
    patch.setattr(delift, "cut", lambda segments, room: flatten(segments))


def query_cut_from_the_right(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scoring, "ScoringEngine", SlowEngine)
    patch.setattr(SlowEngine, "loses", "query")
    patch.setattr(delift, "cut", lambda segments, room: flatten(segments))


def example_cut_from_its_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delift, "cut", lambda segments, room: flatten(segments)[-room:])


def closing_token_not_counted(patch: pytest.MonkeyPatch) -> None:
    right = delift.distance
    patch.setattr(delift, "distance", lambda logs: right(logs[:-1]))


def sign_flipped(patch: pytest.MonkeyPatch) -> None:
    right = delift.distance
    patch.setattr(delift, "distance", lambda logs: -right(logs))


def mean_instead_of_norm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delift, "distance", lambda logs: float(np.mean(1 - np.exp(logs))))


def norm_without_length(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delift, "distance", lambda logs: float(np.linalg.norm(np.exp(logs) - 1)))


def loss_instead_of_probability(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delift, "distance", lambda logs: float(-np.mean(logs)))


FAULTS = [
    logits_not_shifted,
    transposed,
    target_cut_and_scored_as_perfect,
    query_cut_from_the_right,
    example_cut_from_its_start,
    closing_token_not_counted,
    sign_flipped,
    mean_instead_of_norm,
    norm_without_length,
    loss_instead_of_probability,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_shows(
    monkeypatch: pytest.MonkeyPatch,
    case_of: Callable[[str], Case],
    fault: Callable[[pytest.MonkeyPatch], None],
) -> None:
    case = case_of("llama")
    model = case.open(case.tight())
    expected = slow_matrix(case, model)
    fault(monkeypatch)
    found = influence.create("delift", model=model).matrix(case.helpers, case.helped)
    assert np.nanmax(np.abs(found - expected)) > 1e-3
