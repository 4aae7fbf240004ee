"""What deserves a look in a dataset: one sentence each, with the button that shows those rows.

The open hint is in the URL as ``hint=NAME`` or ``hint=NAME:VALUE``; the browser shows its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.datasets.row_filter import RowFilter
from nncift_core.datasets.statistics import language_name
from nncift_core.store import DatasetRecord, Workspace
from nncift_core.store.row_hints import HINTS, SHORT
from nncift_core.types import IndexArray
from pages._ui.format import counted, percent, plain, shortened
from pages._ui.row_filter import write_filter

if TYPE_CHECKING:
    from nncift_core.pipeline.data_statistics import DataStatistics, NearDuplicates

HINT = "hint"
"""In the URL: which rows are shown."""

NEAR, LANGUAGE = "near", "language"
_MOST_LANGUAGES = 4
_LEAST_SHARE = 0.005
"""Of the sample: fewer rows of a language are as likely misread."""


@dataclass(frozen=True)
class Hint:
    """A sentence about rows, and their name in the URL; none where there are none to show."""

    sentence: str
    address: str = ""


def hints_of(
    dataset: DatasetRecord, statistics: DataStatistics, near: NearDuplicates | None
) -> list[Hint]:
    """Everything that deserves a look, as markdown sentences."""
    found = []
    if dataset.exact_duplicates:
        verb = "repeats" if dataset.exact_duplicates == 1 else "repeat"
        found.append(
            Hint(
                f"{counted(dataset.exact_duplicates, 'row')} {verb} an earlier row exactly. "
                "A selection takes one of each.",
                "repeated",
            )
        )
    if near is not None and near.near:
        found.append(
            Hint(
                f"{counted(near.near, 'row')} say the same as another row in other words. "
                f"Without all duplicates {counted(near.removable, 'row')} fewer remain.",
                NEAR,
            )
        )
    for hint in statistics.hints:
        found.append(_noticed(hint.name, hint.value, hint.count, statistics.rows))
    return [*found, *_languages(statistics)]


def _noticed(name: str, value: str, count: int, rows: int) -> Hint:
    amount = counted(count, "response")
    one = count == 1
    if name == "short":
        words = f"{amount} {'has' if one else 'have'} fewer than {SHORT} characters."
    elif name == "echo":
        words = f"{amount} only {'repeats' if one else 'repeat'} the prompt."
    elif name == "no-words":
        words = f"{amount} {'holds' if one else 'hold'} no letter and no digit."
    else:
        words = (
            f"{amount} ({percent(count / max(1, rows))}) begin with the same words: "
            f"“{plain(shortened(value, 80))}”"
        )
    return Hint(words, f"{name}:{value}" if value else name)


def _languages(statistics: DataStatistics) -> list[Hint]:
    """The languages in one sentence, and one more for each beside the most frequent."""
    told = {code: count for code, count in statistics.languages.items() if code}
    sample = (
        f"a sample of {statistics.sampled:,} of {statistics.rows:,} rows"
        if statistics.sampled < statistics.rows
        else "all rows"
    )
    if not told:
        return [Hint(f"No language could be told ({sample}): texts are short, code or sums.")]
    total = max(1, statistics.sampled)
    (main, most), *others = list(told.items())
    rest = statistics.languages.get("", 0)
    sentence = f"~ {percent(round(most / total, 2))} {plain(language_name(main))}"
    if rest:
        sentence += f", ~ {percent(round(rest / total, 2))} too short to tell, code or sums"
    found = [Hint(f"Languages: {sentence} ({sample}; a guess from the letters).")]
    where = "the sample" if statistics.sampled < statistics.rows else "all rows"
    for code, count in others[:_MOST_LANGUAGES]:
        if count < _LEAST_SHARE * statistics.sampled:
            break
        verb = "seems" if count == 1 else "seem"
        found.append(
            Hint(
                f"{counted(count, 'row')} of {where} {verb} to be {plain(language_name(code))}.",
                f"{LANGUAGE}:{code}",
            )
        )
    return found


def draw_hints(hints: list[Hint], key: str, to_first_page: Callable[[], None]) -> None:
    """The sentences, each with its button."""
    if not any(hint.address for hint in hints):
        st.markdown(":material/check: Nothing in the rows asks for a second look.")
    for number, hint in enumerate(hints):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
            st.markdown(hint.sentence, width="stretch")
            if hint.address:
                st.button(
                    "Show",
                    key=f"{key}-hint-{number}",
                    type="tertiary",
                    icon=":material/filter_alt:",
                    on_click=_show,
                    args=(hint.address, to_first_page),
                    help="Only these rows in the table below.",
                )


def open_hint() -> tuple[str, str]:
    """Name and value of the hint in the URL; empty where there is none."""
    name, _, value = st.query_params.get(HINT, "").partition(":")
    return name, value


def close_hint() -> None:
    """All rows again; for callbacks."""
    if HINT in st.query_params:
        del st.query_params[HINT]


def is_hint(name: str) -> bool:
    """Whether there is a hint of this name."""
    return name in HINTS or name in (NEAR, LANGUAGE)


def hint_words(name: str, value: str) -> str:
    """Which rows an open hint shows, as markdown."""
    words = {
        "repeated": "that repeat an earlier row exactly",
        "short": f"whose response has fewer than {SHORT} characters",
        "echo": "whose response only repeats the prompt",
        "no-words": "whose response holds no letter and no digit",
        "opening": f"whose response begins with “{plain(shortened(value, 80))}”",
        NEAR: "that say the same as another row",
        LANGUAGE: f"of the sample that seem to be {plain(language_name(value))}",
    }
    return f"Only rows {words[name]}."


@st.cache_data(max_entries=32, show_spinner="Looking for these rows ...")
def hint_positions(
    path: Path, dataset_id: str, name: str, value: str, _workspace: Any
) -> IndexArray:
    """Ascending positions of the rows that a hint shows; a stored dataset never changes."""
    from nncift_core.pipeline.data_statistics import hinted_rows

    return hinted_rows(_workspace, dataset_id, name, value)


def rows_of_hint(workspace: Workspace, dataset: DatasetRecord) -> IndexArray | None:
    """The rows of the hint in the URL; None where there is no such hint."""
    name, value = open_hint()
    if not is_hint(name):
        return None
    found: IndexArray = hint_positions(workspace.path, dataset.id, name, value, workspace)
    return found


def _show(address: str, to_first_page: Callable[[], None]) -> None:
    # A filter would hide some of the rows that the hint is about.
    write_filter(RowFilter())
    st.query_params[HINT] = address
    to_first_page()
