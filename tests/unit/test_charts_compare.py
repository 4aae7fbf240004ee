"""Charts of a comparison: titles that say the finding, axes with units, no user markup."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncift_core.pipeline.comparison_words import coverage_words, headline
from nncift_core.selection import comparison
from pages._ui.compare.charts import (
    COLORS,
    SYMBOLS,
    agreement_chart,
    coverage_chart,
    diversity_chart,
    overlap_chart,
)
from pages._ui.compare.composition_charts import composition_chart, length_chart

N_TRAIN = 50


def _found(*sizes: int) -> dict[str, Any]:
    """What ``compare`` would return for prefixes of one order."""
    orders = [np.arange(size) for size in sizes]
    over = comparison.overlap(orders, N_TRAIN)
    pairs = [(a, b) for a in range(len(sizes)) for b in range(a + 1, len(sizes))]
    quartiles = {"lower": 1.0, "median": 2.0, "upper": 4.0, "mean": 2.0, "total": 9}
    agreements = []
    for a, b in pairs:
        one = comparison.agreement(orders[a], orders[b], N_TRAIN)
        agreements.append(
            {
                "pair": [a, b],
                "spearman": one.spearman,
                "kendall": one.kendall,
                "average_overlap": one.average_overlap,
                "average_overlap_chance": one.average_overlap_chance,
                "depth": one.depth.tolist(),
                "at_depth": one.at_depth.tolist(),
                "chance": one.chance.tolist(),
            }
        )
    part = {"unit": "characters", "pool": quartiles, "selections": [quartiles for _ in sizes]}
    return {
        "selections": [{"letter": letter} for letter, _ in zip("ABCD", sizes, strict=False)],
        "n_train": N_TRAIN,
        "in_all": min(sizes),
        "overlap": {
            "shared": over.shared.tolist(),
            "of_smaller": over.of_smaller.tolist(),
            "chance": over.chance.tolist(),
        },
        "agreement": agreements,
        "coverage": {
            "exact": True,
            "title": "DELIFT (SE)",
            "run_id": "r-1",
            "selections": [
                {
                    "share": 0.9 + i / 100,
                    "random_share": 0.85,
                    "random_spread": 0.01,
                    "gap_closed": 0.3 + i / 10,
                }
                for i, _ in enumerate(sizes)
            ],
        },
        "diversity": {
            "selections": [
                {
                    "nearest": 0.4 - i / 10,
                    "novelsum": None if i else 0.5,
                    "nearest_random": 0.3,
                    "novelsum_random": 0.6,
                }
                for i, _ in enumerate(sizes)
            ]
        },
        "lengths": {"prompt": part, "response": part},
        "composition": {
            "subtask": {
                "families": 3,
                "names": ["<b>bold</b>", "a" * 60, "c"],
                "pool": [20, 20, 10],
                "selections": [
                    {"rows": [size, 0, 0], "families": 1, "distance": 0.6, "distance_random": 0.1}
                    for size in sizes
                ],
            }
        },
        "planted": None,
    }


@pytest.mark.parametrize("sizes", [(10, 20), (5, 10, 20), (2, 5, 10, 20)])
def test_every_chart_names_its_axes_and_says_something(sizes: tuple[int, ...]) -> None:
    found = _found(*sizes)
    for figure in (
        overlap_chart(found),
        agreement_chart(found),
        coverage_chart(found),
        diversity_chart(found),
        length_chart(found),
        composition_chart(found, "subtask"),
    ):
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text and figure.layout.height
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)", "the theme shows through"


def test_titles_say_the_finding() -> None:
    found = _found(5, 10, 20)
    assert overlap_chart(found).layout.title.text.startswith("From 100 %")
    assert coverage_chart(found).layout.title.text == "C covers the targets best"
    assert (
        diversity_chart(found).layout.title.text.replace("<br>", " ")
        == "A is the most diverse, more diverse than random rows"
    )
    two = _found(10, 20)
    assert overlap_chart(two).layout.title.text == "A and B have 100 % in common"
    assert agreement_chart(two).layout.title.text == "100 % of the first 10 rows are common"
    longer = agreement_chart(_found(40, 50)).layout.title.text.replace("<br>", " ")
    assert longer == "100 % of the first 40 rows are common, 100 % of the first 10"


def test_the_numbers_stand_in_the_matrix() -> None:
    text = overlap_chart(_found(10, 20)).data[0].text
    assert [list(row) for row in text] == [["10 rows", "10<br>100 %"], ["10<br>100 %", "20 rows"]]


def test_a_measure_that_is_not_known_has_no_mark() -> None:
    figure = diversity_chart(_found(5, 10, 20))
    drawn = [trace for trace in figure.data if trace.xaxis == "x2" and trace.text]
    assert len(drawn) == 1


def test_each_letter_has_a_color_and_a_mark_of_its_own() -> None:
    assert len(set(COLORS.values())) == len(set(SYMBOLS.values())) == 4
    figure = composition_chart(_found(5, 10), "subtask")
    labels = figure.layout.yaxis.ticktext
    assert labels[0] == "&lt;b&gt;bold&lt;/b&gt;" and labels[1].endswith("…")
    assert {trace.name for trace in figure.data} == {"pool", "A", "B"}


def test_labels_of_lines_do_not_overlap() -> None:
    figure = agreement_chart(_found(2, 5, 10, 20))
    heights = sorted(note.y for note in figure.layout.annotations)
    assert len(heights) == 7
    assert min(np.diff(heights)) > 0.069


def test_the_sentence_tells_of_each_kind() -> None:
    words = headline(_found(5, 10, 20))
    assert words[0].startswith("All three share 5 rows.")
    assert words[1].startswith("By true influence (DELIFT (SE), run r-1), C covers")
    assert words[1].endswith("whole pool; B 40 %, A 30 %.")


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        ((0.5, -0.44), "A covers the targets best: it closes 50 % of the gap between random rows"),
        ((0.5, -0.44), "whole pool; B covers them no better than random rows do."),
        ((-0.1, 0.2, 0.0), "whole pool; C and A cover them no better than random rows do."),
        ((0.3, 0.2, -2.0), "whole pool; B 20 %; C covers them no better than random rows do."),
        ((-0.2, -0.1), "none of the two covers the targets better than random rows of the same "),
        ((-0.2, -0.1), "number; B comes nearest."),
        ((-0.2, 0.0, -0.1), "none of the three covers"),
    ],
)
def test_what_random_rows_do_as_well_is_said_in_words(gaps: tuple[float, ...], words: str) -> None:
    found = _found(*range(5, 5 + len(gaps)))
    for one, gap in zip(found["coverage"]["selections"], gaps, strict=True):
        one["gap_closed"] = gap
    (sentence,) = coverage_words(found)
    assert words in sentence
    assert "-" not in sentence.replace("r-1", "")
