"""Checks of a finished run: what an honest estimate must pass, and what only the truth can tell.

Each check gets arrays and an estimator and gives a status, one sentence and its numbers. Knows
nothing of runs, models or files. The checks are this project's addition to NN-CIFT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nncift_core.network.bootstrap import intervals
from nncift_core.network.quadrants import r_squared
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, Pairs

DoubleArray = NDArray[np.float64]
Interval = tuple[float, float]
Status = Literal["passed", "failed", "reported", "skipped"]
Fit = Callable[..., Any]

SHUFFLES = 3
RESAMPLES = 1000
ROUNDING = 1e-4
"""Scores may differ by this share of the labels' range: rounding, whatever else was computed."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: ``shuffled``, ``duplicates``, ``wrong-answers`` or ``subsets``.
        title: What is asked.
        status: How it went; ``reported`` where there is a number and no right or wrong.
        sentence: The finding, or why it was skipped.
        numbers: What was measured.
    """

    name: str
    title: str
    status: Status
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The check as JSON types."""
        return asdict(self)


SHUFFLED = ("shuffled", "Nothing is learned from shuffled labels")
DUPLICATES = ("duplicates", "Exact copies get equal scores")
WRONG_ANSWERS = ("wrong-answers", "Copies with a wrong answer score lower")


def shuffled_labels(
    fit: Fit,
    name: str,
    helpers: FloatArray,
    helped: FloatArray,
    by_role: Mapping[str, Pairs],
    *,
    seed: int,
    progress: Progress | None = None,
    shuffles: int = SHUFFLES,
) -> Check:
    """Train on labels that were dealt anew: on pairs kept apart the R² must be about 0.

    Args:
        fit: The estimators' ``fit``.
        name: The run's estimator.
        helpers: ``(n_train, d)`` embeddings.
        helped: ``(n_target, d)`` embeddings; ``(1, 0)`` for a pointwise function.
        by_role: The run's labels, by role.
        seed: Of the shuffles.
        progress: Advanced by fits; the caller begins the stage.
        shuffles: Fits.
    """
    training = by_role["q1"]
    measured = {role: pairs for role, pairs in by_role.items() if role != "q1" and len(pairs)}
    if not measured:
        return Check(*SHUFFLED, "skipped", "No labels were kept apart to measure with.")
    shared = sum(_shared(training, pairs) for pairs in measured.values())
    if shared:
        sentence = f"{shared:,} of the pairs kept apart were trained on: the quadrants flatter."
        return Check(*SHUFFLED, "failed", sentence, {"shared_pairs": shared})
    guesses: dict[str, list[DoubleArray]] = {role: [] for role in measured}
    progress = progress or SilentProgress()
    for number in range(shuffles):
        rng = np.random.default_rng((seed, 21, number))
        dealt = Pairs(training.helper, training.helped, rng.permutation(training.value))
        fitted = fit(
            name, helpers, helped, {**by_role, "q1": dealt}, seed + number, SilentProgress()
        )
        for role, pairs in measured.items():
            scaled = fitted.predict(helpers, helped, pairs).astype(np.float64)
            guesses[role].append(fitted.scale.lo + fitted.scale.width * scaled)
        progress.advance()
    found: dict[str, Any] = {}
    for role, pairs in measured.items():
        truth = np.tile(pairs.value.astype(np.float64), shuffles)
        row, column = np.tile(pairs.helper, shuffles), np.tile(pairs.helped, shuffles)
        guess = np.concatenate(guesses[role])
        spread = intervals(row, None if helped.shape[1] == 0 else column, truth, guess, seed)
        found[role] = {"r2": r_squared(truth, guess), "r2_ci": spread.r2, "n": len(pairs)}
    leaks = [role for role, row in found.items() if row["r2_ci"] and row["r2_ci"][0] > 0]
    worst = max(found, key=lambda role: found[role]["r2"] or -np.inf)
    numbers = {"shuffles": shuffles, "quadrants": found}
    if leaks:
        row = found[leaks[0]]
        return Check(
            *SHUFFLED,
            "failed",
            f"With shuffled labels R² in {leaks[0].upper()} is still {_with_ci(row['r2'], row)}: "
            "the estimate knows labels that it must not know (a leak).",
            numbers,
        )
    row = found["q4"] if "q4" in found else found[worst]
    where = "Q4" if "q4" in found else worst.upper()
    return Check(
        *SHUFFLED,
        "passed",
        f"With shuffled labels R² in {where} is {_with_ci(row['r2'], row)}: what the run found "
        "comes from its labels.",
        numbers,
    )


def equal_scores(
    unseen: tuple[DoubleArray, DoubleArray],
    copies: tuple[DoubleArray, DoubleArray],
    unlabelled: tuple[DoubleArray, DoubleArray],
    width: float,
) -> Check:
    """Rows of equal content must get equal scores wherever they stand.

    Args:
        unseen: Scores of rows and of their copies, nothing known about either.
        copies: Scores of two copies of each row that stand behind the rows of the run.
        unlabelled: Scores of unlabelled rows of the run and of their copies behind them.
        width: Range of the training labels, which differences are compared with.
    """
    worst = {}
    for name, (left, right) in (
        ("unseen", unseen), ("copies", copies), ("unlabelled", unlabelled),
    ):  # fmt: skip
        worst[name] = float(np.abs(left - right).max() / width) if len(left) else None
    known = [value for value in worst.values() if value is not None]
    if not known:
        return Check(*DUPLICATES, "skipped", "There is no row to copy.")
    numbers = {"largest_difference": worst, "allowed": ROUNDING, "rows": len(unseen[0])}
    if max(known) > ROUNDING:
        sentence = (
            f"Copies of a row differ by up to {max(known):.2g} of the labels' range: the estimate "
            "depends on where a row stands."
        )
        return Check(*DUPLICATES, "failed", sentence, numbers)
    rows = len(unseen[0])
    sentence = (
        f"Copies of {rows} rows score alike (largest difference {max(known):.1g} of the range)."
    )
    return Check(*DUPLICATES, "passed", sentence, numbers)


def worse_copies(
    original: DoubleArray,
    changed: DoubleArray,
    *,
    expected: bool,
    seed: int,
    truth: tuple[DoubleArray, DoubleArray] | None = None,
    why_no_truth: str = "",
) -> Check:
    """Rows whose answer belongs to another row should score lower.

    Args:
        original: ``(rows,)`` predicted scores of labelled rows, nothing known about them.
        changed: ``(rows,)`` predicted scores of their copies with another row's answer.
        expected: Whether the influence function can know; else the numbers are only reported.
        seed: Of the bootstrap.
        truth: True scores of some of the rows and of their copies.
        why_no_truth: Why there are none.
    """
    numbers: dict[str, Any] = {"estimated": _lower(original, changed, seed)}
    estimated = numbers["estimated"]
    words = (
        f"{estimated['share_lower']:.0%} of {len(original)} copies with a wrong answer score "
        f"lower by the estimate (mean difference {_with_ci(estimated['mean'], estimated)})"
    )
    numbers["true"] = None
    if truth is not None:
        numbers["true"] = true = _lower(*truth, seed)
        words += f"; by true influence {true['share_lower']:.0%} of {len(truth[0])} do"
    elif why_no_truth:
        words += f"; {why_no_truth}"
    if not expected:
        sentence = f"{words}. A cosine cannot know whether an answer is right."
        return Check(*WRONG_ANSWERS, "reported", sentence, numbers)
    if estimated["ci"] is not None and estimated["ci"][1] < 0:
        return Check(*WRONG_ANSWERS, "passed", f"{words}.", numbers)
    blame = ""
    if numbers["true"] is not None and len(original) > 1:
        seen = numbers["true"]["ci"] is not None and numbers["true"]["ci"][1] < 0
        blame = (
            " The influence function tells them apart, the estimate does not."
            if seen
            else " The influence function itself does not tell them apart on these rows."
        )
    sentence = f"{words}: wrong answers do not certainly score lower.{blame}"
    return Check(*WRONG_ANSWERS, "failed", sentence, numbers)


def _lower(original: DoubleArray, changed: DoubleArray, seed: int) -> dict[str, Any]:
    difference = changed - original
    spread: Interval | None = None
    if len(difference) > 1:
        rng = np.random.default_rng((seed, 22))
        drawn = rng.integers(len(difference), size=(RESAMPLES, len(difference)))
        low, high = np.quantile(difference[drawn].mean(axis=1), [0.025, 0.975])
        spread = float(low), float(high)
    return {
        "rows": len(difference),
        "share_lower": float((difference < 0).mean()),
        "mean": float(difference.mean()),
        "ci": spread,
    }


def _shared(training: Pairs, measured: Pairs) -> int:
    width = int(max(training.helped.max(), measured.helped.max())) + 1
    keys = training.helper * width + training.helped
    return int(np.isin(measured.helper * width + measured.helped, keys).sum())


def _with_ci(value: float | None, row: Mapping[str, Any]) -> str:
    spread = row.get("r2_ci") or row.get("ci")
    text = "-" if value is None else f"{value:.2g}"
    return text if spread is None else f"{text} [{spread[0]:.2g}, {spread[1]:.2g}]"
