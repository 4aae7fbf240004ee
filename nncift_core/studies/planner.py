"""How much to label: from a learning curve and the cost of labels to a proposal.

A wanted accuracy gives the smallest label fraction that reaches it, a time budget the largest one
that it pays for. Says plainly when labels will not help, and when all of them can be had. Knows
costs and a curve, nothing of runs, models or files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from nncift_core.errors import ConfigError
from nncift_core.studies.learning_curve import FAR, LearningCurve
from nncift_core.studies.plan_costs import Rates, Seconds, Work, about

STEP = 0.005
FRACTIONS = tuple(round(STEP * step, 3) for step in range(1, 101))
"""Label fractions that are proposed: what the app's slider offers, 0.5 % to 50 %."""

WIDE = 0.5
"""An interval of R² that is wider says little."""

UNNEEDED = (
    "Labels of {title} cost no language model, so there is nothing to plan: use --exact, which "
    "computes every value and has no error."
)

EXACT_SHARE = 0.5
"""From this share of all labels on the rest is better computed than predicted."""


@dataclass(frozen=True)
class Goal:
    """What is wanted: an R² over unlabelled pairs, or a time budget in seconds. One of them."""

    accuracy: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.accuracy is None) == (self.seconds is None):
            raise ConfigError(
                "A plan needs a goal: a time budget or a wanted accuracy, one of them.",
                "Give --time 30m or --accuracy 0.6.",
            )
        if self.accuracy is not None and not 0 < self.accuracy < 1:
            raise ConfigError(
                f"The accuracy {self.accuracy:g} is outside 0 to 1.",
                "Give an R² such as 0.6; 0 is predicting the mean, 1 is exact.",
            )
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise ConfigError("The time budget is not above 0.", "Give a time such as 30m or 2h.")


@dataclass(frozen=True)
class Option:
    """A label fraction with what it costs and gives.

    Attributes:
        fraction: u; 1 for labelling everything.
        training: Labels that are trained on.
        evaluation: Labels that only measure.
        units: Units of labelling.
        seconds: About how long the run takes.
        seconds_ci: The interval of that, from the spread of rates.
        r2: Expected R² over unlabelled pairs; None for labelling everything.
        r2_ci: Its 95 % interval.
        far: Whether it lies beyond what the labels at hand can tell.
    """

    fraction: float
    training: int
    evaluation: int
    units: int
    seconds: float
    seconds_ci: Seconds
    r2: float | None
    r2_ci: Seconds | None
    far: bool


@dataclass(frozen=True)
class Plan:
    """A proposal, or why there is none.

    Attributes:
        verdict: ``good``; ``unsure``: it may not beat the mean; ``mean``: it will not;
            ``exact``: label everything; ``unreachable``; ``unaffordable``.
        sentence: The proposal in words.
        warnings: What else must be known.
        proposal: What to do; None where nothing is worth doing.
        options: Other label fractions, ascending, the proposal among them.
        exact: Labelling everything.
    """

    verdict: str
    sentence: str
    warnings: tuple[str, ...]
    proposal: Option | None
    options: tuple[Option, ...]
    exact: Option

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON types."""
        return asdict(self)


WorkOf = Callable[[float], Work | None]
"""What a label fraction costs; None where it is too small to train on."""


def propose(
    goal: Goal, curve: LearningCurve, work_of: WorkOf, everything: Work, rates: Rates | None
) -> Plan:
    """The plan for a goal.

    Args:
        goal: What is wanted.
        curve: How R² grows with the labels trained on.
        work_of: What each label fraction costs.
        everything: What labelling everything costs, without a network.
        rates: How fast labels come; None where they take no time worth measuring.
    """
    desk = _Desk(curve, work_of, everything, rates)
    exact = desk.exact()
    if desk.smallest is None:
        sentence = "The data are too few to train on a share of them. Use --exact."
        return Plan("exact", sentence, (), None, (), exact)
    if goal.seconds is not None and exact.seconds_ci[1] <= goal.seconds:
        sentence = (
            f"Labelling everything takes {about(exact.seconds)}, which the time budget of "
            f"{about(goal.seconds)} pays for: use --exact, it has no error."
        )
        return Plan("exact", sentence, (), None, desk.ladder(None), exact)
    if goal.seconds is not None:
        return _for_time(goal.seconds, desk)
    assert goal.accuracy is not None
    return _for_accuracy(goal.accuracy, desk)


def _for_time(seconds: float, desk: _Desk) -> Plan:
    smallest = desk.smallest
    assert smallest is not None
    if desk.option(smallest).seconds_ci[1] > seconds:
        least = desk.option(smallest)
        sentence = (
            f"A time budget of {about(seconds)} is too short: the smallest run takes "
            f"{about(least.seconds)}, at most {about(least.seconds_ci[1])}."
        )
        return Plan("unaffordable", sentence, (), None, desk.ladder(None), desk.exact())
    place = desk.last(lambda option: option.seconds_ci[1] <= seconds)
    proposal = desk.option(FRACTIONS[place])
    return desk.judged(proposal, f"In {about(seconds)}")


def _for_accuracy(accuracy: float, desk: _Desk) -> Plan:
    def is_short(option: Option) -> bool:
        return option.r2 is not None and option.r2 < accuracy

    place, start = desk.last(is_short), desk.start
    if desk.curve.explains_nothing:
        return desk.judged(desk.option(FRACTIONS[place]), "")
    if not is_short(desk.option(FRACTIONS[start])):
        place = start - 1
    if place + 1 >= len(FRACTIONS):
        best = desk.option(FRACTIONS[-1])
        sentence = (
            f"R² {accuracy:g} is out of reach of what is expected: a label fraction of "
            f"{best.fraction:g} gives {_r2_words(best)}. Use --exact, another method or another "
            "encoder."
        )
        return Plan(
            "unreachable", sentence, desk.warnings(best), None, desk.ladder(best), desk.exact()
        )
    proposal = desk.option(FRACTIONS[place + 1])
    if proposal.units >= EXACT_SHARE * desk.exact().units:
        sentence = (
            f"R² {accuracy:g} takes {proposal.units / desk.exact().units:.0%} of all labels. "
            "Use --exact: for little more it has no error."
        )
        return Plan("exact", sentence, (), None, desk.ladder(proposal), desk.exact())
    plan = desk.judged(proposal, f"For R² {accuracy:g}")
    assert proposal.r2_ci is not None
    if plan.verdict == "good" and proposal.r2_ci[0] < accuracy:
        short = f"It may fall short of R² {accuracy:g}: the interval begins at "
        note = f"{short}{proposal.r2_ci[0]:.2f}."
        return Plan(
            plan.verdict, plan.sentence, (*plan.warnings, note), proposal, plan.options, plan.exact
        )
    return plan


class _Desk:
    """Options worked out once each, and what they have in common."""

    def __init__(
        self, curve: LearningCurve, work_of: WorkOf, everything: Work, rates: Rates | None
    ) -> None:
        self.curve, self.rates = curve, rates
        self._work_of, self._everything = work_of, everything
        self._known: dict[float, Option | None] = {}
        self.start = next(
            (n for n, fraction in enumerate(FRACTIONS) if self._look(fraction)), len(FRACTIONS)
        )
        self.smallest = FRACTIONS[self.start] if self.start < len(FRACTIONS) else None

    def exact(self) -> Option:
        """Labelling everything."""
        middle, short, long = self._everything.seconds(self.rates)
        units = self._everything.units
        return Option(1.0, 0, 0, units, middle, (short, long), None, None, far=False)

    def option(self, fraction: float) -> Option:
        """What a fraction costs and gives; it must be large enough."""
        found = self._look(fraction)
        assert found is not None
        return found

    def _look(self, fraction: float) -> Option | None:
        if fraction not in self._known:
            work = self._work_of(fraction)
            self._known[fraction] = None if work is None else self._option(fraction, work)
        return self._known[fraction]

    def _option(self, fraction: float, work: Work) -> Option:
        middle, short, long = work.seconds(self.rates)
        return Option(
            fraction,
            work.training,
            work.evaluation,
            work.units,
            middle,
            (short, long),
            self.curve.predict(work.training),
            self.curve.interval(work.training),
            self.curve.is_far(work.training),
        )

    def last(self, holds: Callable[[Option], bool]) -> int:
        """The last fraction's place up to which something holds that ends once.

        Steps double before they halve: large fractions of large data are costly to work out.
        """
        place, step = self.start, 1
        while place + step < len(FRACTIONS) and holds(self.option(FRACTIONS[place + step])):
            place, step = place + step, 2 * step
        while step:
            if place + step < len(FRACTIONS) and holds(self.option(FRACTIONS[place + step])):
                place += step
            step //= 2
        return place

    def judged(self, proposal: Option, goal: str) -> Plan:
        """The plan for an option: whether it beats the mean, and what it gives."""
        assert proposal.r2_ci is not None
        warnings = self.warnings(proposal)
        ladder, exact = self.ladder(proposal), self.exact()
        if self.curve.explains_nothing or proposal.r2_ci[1] <= 0:
            sentence = (
                "The estimates will not beat predicting the mean: "
                f"{self.curve.largest:,} labels explain nothing of the rows kept out "
                f"(R² {self.curve.r2[:, -1].mean():.2f}), and the curve does not rise. "
                f"{_instead(exact)}"
            )
            return Plan("mean", sentence, warnings, None, ladder, exact)
        sentence = (
            f"{goal} label a fraction of {proposal.fraction:g}: {proposal.training:,} labels to "
            f"train on, {_time_words(proposal)}, {_r2_words(proposal)}."
        )
        if proposal.r2_ci[0] <= 0:
            doubt = "It is not certain that this beats predicting the mean. "
            return Plan("unsure", sentence, (doubt + _instead(exact), *warnings), proposal,
                        ladder, exact)  # fmt: skip
        return Plan("good", sentence, warnings, proposal, ladder, exact)

    def warnings(self, option: Option) -> tuple[str, ...]:
        """What must be known of an option."""
        found = []
        if option.far:
            found.append(
                f"{option.training:,} labels are more than {FAR:g} times the "
                f"{self.curve.largest:,} that the curve was measured with: take its R² as a guess."
            )
        if option.r2_ci is not None and option.r2_ci[1] - option.r2_ci[0] > WIDE:
            found.append(
                f"Few labels tell little: the interval of R² is {option.r2_ci[0]:.2f} to "
                f"{option.r2_ci[1]:.2f}. A longer pilot (--pilot-seconds) narrows it."
            )
        return tuple(found)

    def ladder(self, proposal: Option | None) -> tuple[Option, ...]:
        """A few fractions around a proposal, to compare."""
        if self.smallest is None:
            return ()
        middle = proposal.fraction if proposal else self.smallest
        wanted = {self.smallest, *(_on_grid(middle * factor) for factor in (0.25, 0.5, 1, 2))}
        known = [self._look(fraction) for fraction in sorted(wanted)]
        return tuple(option for option in known if option is not None)


def _on_grid(fraction: float) -> float:
    place = round(fraction / STEP)
    return FRACTIONS[min(max(place, 1), len(FRACTIONS)) - 1]


def _instead(exact: Option) -> str:
    return (
        "Label for longer, choose another method or encoder, or use --exact "
        f"({about(exact.seconds)} for everything)."
    )


def _r2_words(option: Option) -> str:
    assert option.r2 is not None and option.r2_ci is not None
    low, high = option.r2_ci
    return f"R² {option.r2:.2f} (95 % interval {low:.2f} to {high:.2f}) over unlabelled pairs"


def _time_words(option: Option) -> str:
    low, high = option.seconds_ci
    return f"about {about(option.seconds)} ({about(low)} to {about(high)})"
