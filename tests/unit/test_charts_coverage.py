"""The chart of coverage: which groups it draws, what its title finds, and user text in it."""

from __future__ import annotations

from nncift_core.selection.explanations import GroupCoverage
from pages._ui.select.coverage_charts import MOST_BARS, coverage_chart, coverage_title, drawn_groups


def _group(name: str, share: float | None, n_target: int = 4) -> GroupCoverage:
    if share is None:
        return GroupCoverage(name, n_target, 0.0, 0.0, None, None)
    return GroupCoverage(name, n_target, share * 0.8, 0.8, share, share)


EVERYTHING = _group("all targets", 0.8, 40)


def test_the_worst_groups_are_drawn_the_worst_first() -> None:
    groups = [_group(f"g{place}", 1 - place / 30) for place in range(MOST_BARS + 3)]
    drawn = drawn_groups([*groups, _group("hopeless", None)])
    assert [group.name for group in drawn] == [group.name for group in groups[:2:-1]]
    figure = coverage_chart(groups, EVERYTHING, "cluster")
    (bars,) = figure.data
    assert len(bars.x) == MOST_BARS
    assert list(bars.x) == sorted(bars.x)
    assert figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.yaxis.ticktext[0] == groups[-1].name
    # The line to compare with stands where all targets together are.
    assert figure.layout.shapes[0].x0 == 80.0
    assert "%" in figure.layout.xaxis.title.text and figure.layout.yaxis.title.text == "cluster"


def test_titles_say_what_is_found() -> None:
    wide = [_group("math", 0.5), _group("chat", 0.9)]
    assert coverage_title(wide, "subtask") == "Covered least: math, 50 % of what is possible"
    even = [_group("math", 0.88), _group("chat", 0.9)]
    assert coverage_title(even, "subtask") == "Each subtask gets 88 % or more of what is possible"
    assert coverage_title([_group("math", None)], "subtask") == "No pool row helps any subtask"


def test_names_of_users_are_drawn_literally_and_short() -> None:
    groups = [_group("<b>bold</b> & more", 0.5), _group("x" * 90, 0.9)]
    examples = {"<b>bold</b> & more": "<i>a target</i>"}
    figure = coverage_chart(groups, EVERYTHING, "subtask", examples)
    ticks = list(figure.layout.yaxis.ticktext)
    assert ticks[0] == "&lt;b&gt;bold&lt;/b&gt; &amp; more" and len(ticks[1]) < 40
    assert "<b>" not in figure.layout.title.text
    assert "<i>" not in str(figure.data[0].customdata)
    # Two names that begin alike keep two bars.
    twins = [_group("y" * 50 + "1", 0.4), _group("y" * 50 + "2", 0.6)]
    assert len(set(coverage_chart(twins, EVERYTHING, "subtask").data[0].y)) == 2
