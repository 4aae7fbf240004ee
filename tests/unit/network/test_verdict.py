from __future__ import annotations

from typing import Any

import pytest

from nncift_core.network.verdict import judge


def _metrics(r2: float, r2_lower: float, rho: float, rho_lower: float) -> dict[str, Any]:
    return {
        "r2": r2,
        "r2_ci": [r2_lower, r2 + 0.05],
        "spearman": rho,
        "spearman_ci": [rho_lower, rho + 0.05],
    }


@pytest.mark.parametrize(
    ("unseen", "level"),
    [
        (_metrics(0.81, 0.7, 0.9, 0.8), "pairs"),
        (_metrics(0.81, 0.01, 0.5, 0.01), "pairs"),
        # Not certainly better than the mean, but the order holds.
        (_metrics(0.30, -0.1, 0.9, 0.8), "rows"),
        (_metrics(0.30, 0.1, 0.49, 0.2), "rows"),
        (_metrics(-0.5, -0.9, 0.30, 0.01), "rows"),
        (_metrics(-0.5, -0.9, 0.29, 0.01), "none"),
        # High by chance: the interval holds 0.
        (_metrics(0.30, -0.1, 0.6, -0.1), "none"),
        (_metrics(0.0, -0.2, 0.0, -0.2), "none"),
    ],
)
def test_level_follows_what_is_certain_on_unseen_pairs(unseen: dict[str, Any], level: str) -> None:
    assert judge({"q4": unseen}).level == level


def test_rows_may_be_ranked_by_what_q2_shows() -> None:
    table = {"q2": _metrics(0.2, -0.1, 0.4, 0.2), "q4": _metrics(-0.2, -0.5, 0.1, -0.1)}
    assert judge(table).level == "rows"
    # But unseen rows, not seen ones, must be ranked.
    assert judge({"q3": table["q2"], "q4": table["q4"]}).level == "none"
    assert judge({"q1": table["q2"], "q4": table["q4"]}).level == "none"


def _scored(
    rho: float, rho_lower: float, pair_rank: tuple[float, float] = (0.1, -0.1)
) -> dict[str, Any]:
    return _metrics(-0.2, -0.5, *pair_rank) | {
        "row_spearman": rho,
        "row_spearman_ci": [rho_lower, rho + 0.05],
    }


@pytest.mark.parametrize(
    ("unseen", "level"),
    [
        (_scored(0.5, 0.01), "rows"),
        (_scored(0.49, 0.2), "none"),
        (_scored(0.9, -0.1), "none"),
        # The order of row scores counts, also where that of pairs is better.
        (_scored(0.2, 0.1, (0.8, 0.6)), "none"),
        (_scored(0.9, 0.5) | {"row_spearman_ci": None}, "none"),
        (_metrics(-0.2, -0.5, 0.4, 0.1) | {"row_spearman": None}, "rows"),
    ],
)
def test_rows_are_judged_by_the_order_of_their_scores(unseen: dict[str, Any], level: str) -> None:
    assert judge({"q4": unseen}).level == level
    assert judge({"q2": unseen, "q4": _metrics(-0.2, -0.5, 0.1, -0.1)}).level == level


def test_the_three_levels_in_words() -> None:
    assert judge({"q4": _metrics(0.81, 0.7, 0.9, 0.8)}).sentence == (
        "The estimates explain 81 % of the differences between unseen pairs; predicting the "
        "mean explains 0 %. They are reliable for ranking rows and pairs."
    )
    rows = judge({"q4": _metrics(0.3, -0.1, 0.4, 0.1)})
    assert rows.advice == "They are reliable for ranking rows only."
    none = judge({"q4": _metrics(-0.31, -0.9, 0.1, -0.2)})
    assert "further off than predicting the mean (R² -0.31" in none.finding
    assert none.advice.startswith("They are not better than the mean: label more")


@pytest.mark.parametrize(
    ("r2", "words"), [(0.004, "less than 1 %"), (0.997, "more than 99 %"), (1.0, "100 %")]
)
def test_percentages_do_not_round_to_all_or_nothing(r2: float, words: str) -> None:
    assert words in judge({"q4": _metrics(r2, 0.001, 0.9, 0.8)}).finding


def test_without_measurements_nothing_is_claimed() -> None:
    assert judge({}).level == "unknown"
    assert judge({"q4": None, "q2": None}).level == "unknown"
    constant = _metrics(0.0, 0.0, 0.9, 0.8) | {"r2": None, "r2_ci": None}
    assert judge({"q4": constant}).level == "unknown"
    no_intervals = _metrics(0.9, 0.8, 0.9, 0.8) | {"r2_ci": None, "spearman_ci": None}
    assert judge({"q4": no_intervals}).level == "none"


def test_exact_values_leave_nothing_to_doubt() -> None:
    assert judge({}, exact=True).sentence.startswith("The values are exact")
