"""Settings: budgets of every form, impossible values, texts under the fields."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncift_core.config import Budget, RunConfig, field_texts
from nncift_core.errors import ConfigError
from nncift_core.selection.optimizers import OPTIMIZERS
from nncift_core.selection.use_cases import USE_CASES
from nncift_core.selection_config import FORMER, SelectionConfig, join_ids, split_ids


@pytest.mark.parametrize(
    ("text", "n_train", "rows"),
    [
        ("1", 50, 1),
        ("50", 50, 50),
        ("007", 50, 7),
        ("1.0", 50, 50),
        ("1.", 50, 50),
        (".3", 50, 15),
        ("0.3", 50, 15),
        ("0.3", 2000, 600),
        ("0.001", 50, 1),
        (" 0.5 ", 7, 3),
        # In float arithmetic 0.29 * 100 is 28.999...; floor must still be 29.
        ("0.29", 100, 29),
        ("0.57", 100, 57),
    ],
)
def test_budget_rows(text: str, n_train: int, rows: int) -> None:
    assert Budget(text).rows(n_train) == rows


@pytest.mark.parametrize(
    "text",
    ["0", "0.0", "-1", "-0.3", "1.5", "1.0001", "1e-1", "1.0e-1", "1e2", "nan", "inf", "-inf", ".",
     "", " ", "abc", "30%", "0,3", "1_000", "²", "9" * 5000, "0x10", "0.3.1"],
)  # fmt: skip
def test_budget_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Budget(text)
    assert caught.value.hint


def test_budget_larger_than_the_pool() -> None:
    with pytest.raises(ConfigError, match=r"Budget 5000 is larger than the pool of 2000"):
        Budget("5000").rows(2000)


@given(st.integers(1, 1000), st.integers(1, 100_000))
def test_share_is_the_exact_floor(thousandths: int, n_train: int) -> None:
    exact = Fraction(thousandths, 1000) * n_train
    text = f"{thousandths // 1000}.{thousandths % 1000:03d}"
    assert Budget(text).rows(n_train) == max(1, exact.numerator // exact.denominator)


@pytest.mark.parametrize(
    "values",
    [
        {"label_fraction": 0.0},
        {"label_fraction": -0.05},
        {"label_fraction": 1.01},
        {"label_fraction": float("nan")},
        {"label_fraction": float("inf")},
        {"label_fraction": "0.05"},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": 1.5},
        {"seed": True},
        {"budget": 0.3},
        {"budget": None},
        {"exact": "yes"},
        {"exact": 1},
        {"method": None},
        {"network": ["paper"]},
    ],
)
def test_impossible_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        RunConfig(**values)  # type: ignore[arg-type]


def test_whole_label_fraction_and_round_trip() -> None:
    assert RunConfig(label_fraction=1).label_fraction == 1
    config = RunConfig(seed=7, exact=True, budget="12")
    assert RunConfig.from_json(json.loads(json.dumps(asdict(config)))) == config


def test_every_field_has_its_text() -> None:
    texts = field_texts(RunConfig)
    assert set(texts) == {field.name for field in fields(RunConfig)}
    assert all(len(text) > 10 and text.endswith(".") for text in texts.values())
    assert texts["seed"].startswith("Seed of every random draw")


# What the curator asks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"use_case": "speed"}, "use_case is 'speed'"),
        ({"optimizer": "fast"}, "optimizer is 'fast'"),
        ({"duplicates": "all"}, "duplicates is 'all'"),
        ({"quality_weight": 1.1}, "outside 0 to 1"),
        ({"quality_weight": float("nan")}, "quality_weight is nan"),
        ({"token_budget": -1}, "token_budget is -1"),
        ({"token_budget": 1.5}, "not of type int"),
        ({"least_tokens": -1}, "least_tokens is -1"),
        ({"least_tokens": 9, "most_tokens": 8}, "do not exist"),
        ({"pin": "a-0, b-0", "ban": "c-0,b-0"}, "Row 'b-0' is both pinned and banned"),
        ({"pin": ["a-0"]}, "not of type str"),
    ],
)
def test_selections_that_cannot_be(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SelectionConfig(**values)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_names_of_the_settings_are_those_of_the_registries() -> None:
    for name in (*OPTIMIZERS.names, "auto"):
        assert SelectionConfig(optimizer=name).optimizer == name
    for name in USE_CASES.names:
        assert SelectionConfig(use_case=name).use_case == name
    assert SelectionConfig().use_case == USE_CASES.names[0]


def test_a_run_of_an_older_version_chooses_as_it_did() -> None:
    content = json.loads(json.dumps(asdict(RunConfig(objective="coverage"))))
    del content["selection"]
    config = RunConfig.from_json(content)
    assert config.selection == SelectionConfig(duplicates="keep", optimizer="lazy")
    assert config.objective == "coverage"
    assert dict(FORMER) != {name: getattr(SelectionConfig(), name) for name in FORMER}
    with pytest.raises(ConfigError, match=r"selection\.sort"):
        RunConfig.from_json({"selection": {"sort": "up"}})


def test_ids_of_one_text() -> None:
    config = SelectionConfig(pin=" a-0,b-1\n a-0", ban="")
    assert (config.pinned, config.banned) == (("a-0", "b-1"), ())
    assert split_ids(join_ids(["b", "a", "b"])) == ("b", "a")
    assert set(field_texts(SelectionConfig)) == {field.name for field in fields(SelectionConfig)}
