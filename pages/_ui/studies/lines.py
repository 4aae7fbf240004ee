"""The numbers of a study's charts: lines over fractions, ranges of axes, titles, words.

Knows points on one common scale (see ``studies.common_scale``), nothing of Plotly, Streamlit, jobs
or files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any, Literal

from nncift_core.network import AUTO
from nncift_core.studies.common_scale import BASELINES
from nncift_core.studies.shapes import shape_name
from pages._ui.format import number, percent
from pages._ui.trust.estimators import title_of

Metric = Literal["r2", "mse"]
Points = Sequence[Mapping[str, Any]]

METRICS: Mapping[str, str] = {"r2": "R²", "mse": "Squared error"}
"""What may be drawn, in words."""

AXES: Mapping[str, str] = {"r2": "R² (1 = exact)", "mse": "squared error (scaled)"}

_LEAST_R2 = -0.5
"""R² below this is drawn at the lower edge; hovering tells its value."""
_LEAST_MSE = 1e-6
_USUAL_MSE = 0.01


@dataclass(frozen=True)
class Mean:
    """One place of a line: the mean over seeds, and how sure it is.

    Attributes:
        x: Where it is drawn.
        value: Mean over the seeds.
        low: Lower end: of the 95 % interval for one seed, the lowest of several seeds; None if
            there is no interval.
        high: Upper end.
        seeds: How many there are.
    """

    x: float
    value: float
    low: float | None
    high: float | None
    seeds: int


def network_line(points: Points, network: str, quadrant: str, metric: Metric) -> list[Mean]:
    """A network's line in a quadrant, by ascending fraction in percent."""
    grouped: dict[float, list[Mapping[str, Any]]] = defaultdict(list)
    for point in points:
        metrics = point["quadrants"].get(quadrant)
        if point["network"] == network and metrics and metrics.get(metric) is not None:
            grouped[100 * float(point["fraction"])].append(metrics)
    return [_mean(x, found, metric) for x, found in sorted(grouped.items())]


def used_network_words(network: str) -> str:
    """A network as the legend names it."""
    return "Best on kept-out labels" if network == AUTO else title_of(network)


def label_words(points: Points, metric: Metric, quadrants: Mapping[str, str]) -> str:
    """A text alternative of the chart by label fraction."""
    sentences = []
    for network in dict.fromkeys(str(point["network"]) for point in points):
        parts = []
        for quadrant, words in quadrants.items():
            line = network_line(points, network, quadrant, metric)
            if line:
                parts.append(
                    f"{words} ({quadrant.upper()}) {number(line[0].value)} at u = "
                    f"{percent(line[0].x / 100)} to {number(line[-1].value)} at "
                    f"{percent(line[-1].x / 100)}"
                )
        if parts:
            sentences.append(f"{used_network_words(network)}: {'; '.join(parts)}.")
    if not sentences:
        return f"No {METRICS[metric]} is known yet."
    return f"{METRICS[metric]} by label fraction. {' '.join(sentences)}"


ENOUGH = 0.03
"""R² that more labels must add to be worth a word."""


def run_words(points: Points, run: Mapping[str, Any], metric: Metric, unseen: str) -> str:
    """What more labels would give a run: by the line of its own estimator, else by the best one.

    Args:
        points: Finished points on one scale.
        run: The run as a point of that scale: ``fraction``, ``network``, ``quadrants``.
        metric: What is spoken of.
        unseen: What Q4 measures, in words.
    """
    own_line = network_line(points, str(run["network"]), "q4", metric)
    best = (str(run["network"]), own_line) if len(own_line) > 1 else _best_line(points, metric)
    if best is None:
        return "Too few points are finished to say what more labels would give."
    network, line = best
    first, last = line[0], line[-1]
    text = (
        f"{METRICS[metric]} on {unseen} (Q4) goes from {number(first.value)} at u = "
        f"{percent(first.x / 100)} to {number(last.value)} at {percent(last.x / 100)} "
        f"({used_network_words(network)})."
    )
    own = (run["quadrants"].get("q4") or {}).get(metric)
    if own is None:
        return text
    share = float(run["fraction"])
    text += f" This run, at u = {percent(share)}, has {number(own)}"
    if 100 * share >= last.x:
        return f"{text}; more labels than it has were not tried."
    gain = last.value - own if metric == "r2" else own - last.value
    enough = ENOUGH if metric == "r2" else 0.2 * own
    if gain < -enough:
        why = "" if network == run["network"] else ": its own estimator is no part of the study"
        return f"{text}, which is better than that line{why}."
    if gain < enough:
        return f"{text}: more labels would change little."
    at = percent(last.x / 100)
    if metric == "mse":
        left = percent(round(last.value / own, 2))
        return f"{text}: with u = {at} about {left} of that error would be left."
    return f"{text}: with u = {at} about {number(gain, 2)} more could be had."


def size_words(points: Points, metric: Metric, quadrants: Mapping[str, str]) -> str:
    """A text alternative of the chart by size of the network."""
    parts = []
    for quadrant, words in quadrants.items():
        known = [
            (metrics[metric], point)
            for point in points
            if (metrics := point["quadrants"].get(quadrant)) and metrics.get(metric) is not None
        ]
        if known:
            pick = max if metric == "r2" else min
            value, best = pick(known, key=lambda item: item[0])
            parts.append(
                f"{words} ({quadrant.upper()}) best {number(value)} with shape "
                f"{shape_name(best['shape'])}, {best['parameters']:,} parameters"
            )
    if not parts:
        return f"No {METRICS[metric]} is known yet."
    return f"{METRICS[metric]} of {len(points)} trained networks: {'; '.join(parts)}."


def _mean(x: float, found: Sequence[Mapping[str, Any]], metric: Metric) -> Mean:
    values = [float(metrics[metric]) for metrics in found]
    value = sum(values) / len(values)
    if len(values) > 1:
        return Mean(x, value, min(values), max(values), len(values))
    ends = found[0].get(f"{metric}_ci")
    low, high = ends or (None, None)
    return Mean(x, value, low, high, 1)


def baseline_line(points: Points, quadrant: str, name: str, metric: Metric) -> list[Mean]:
    """A baseline by fraction: the mean over all points there; empty where there is none."""
    key = name if metric == "mse" else name.replace("mse", "r2")
    grouped: dict[float, list[float]] = defaultdict(list)
    for point in points:
        metrics = point["quadrants"].get(quadrant)
        if metrics and metrics.get(key) is not None:
            grouped[100 * float(point["fraction"])].append(float(metrics[key]))
    return [
        Mean(x, sum(values) / len(values), None, None, len(values))
        for x, values in sorted(grouped.items())
    ]


def measured_points(
    points: Points, quadrant: str, metric: Metric
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return [
        (point, metrics)
        for point in points
        if (metrics := point["quadrants"].get(quadrant)) and metrics.get(metric) is not None
    ]


def clipped(
    values: Iterable[float | None], metric: Metric, span: tuple[float, float]
) -> list[float]:
    """Values inside the axis: what lies beyond is drawn at its edge."""
    low, high = span if metric == "r2" else (10 ** span[0], 10 ** span[1])
    return [min(max(value, low), high) for value in values if value is not None]


def axis_span(points: Points, metric: Metric, quadrants: Mapping[str, str]) -> tuple[float, float]:
    """Range of the axis: of R² in tenths, of squared errors in half powers of ten."""
    errors, beside = [], []
    for point in points:
        for name in quadrants:
            metrics = point["quadrants"].get(name) or {}
            keys = [b if metric == "mse" else b.replace("mse", "r2") for b in BASELINES]
            errors += [float(metrics[metric])] if metrics.get(metric) is not None else []
            beside += [float(metrics[key]) for key in keys if metrics.get(key) is not None]
    if metric == "r2":
        least = max(min([0.0, *errors, *beside]), _LEAST_R2)
        return floor(10 * least - 0.5) / 10, 1.02
    # A baseline that is (nearly) exact is drawn at the edge: an axis that reached it would squeeze
    # everything else.
    least = max(min(errors, default=_USUAL_MSE) / 10, _LEAST_MSE)
    usable = [value for value in (*errors, *beside) if value >= least] or [_USUAL_MSE]
    low = floor(2 * log10(min(usable)) - 0.2) / 2
    return low, max(ceil(2 * log10(max(usable)) + 0.2) / 2, low + 1)


def label_title(points: Points, metric: Metric, noun: str) -> str:
    """The finding: what the line that ends best does, or the question while there is none."""
    best = _best_line(points, metric)
    if best is None:
        return f"How many labels do the estimates need? {METRICS[metric]} by label fraction"
    first, last = best[1][0], best[1][-1]
    return (
        f"{METRICS[metric]} on unseen {noun}s (Q4): {number(first.value)} at u = "
        f"{percent(first.x / 100)}, {number(last.value)} at {percent(last.x / 100)} "
        f"({used_network_words(best[0]).lower()})"
    )


def _best_line(points: Points, metric: Metric) -> tuple[str, list[Mean]] | None:
    """The network whose line in Q4 ends best, among those with two points or more."""
    best: tuple[str, list[Mean]] | None = None
    for network in dict.fromkeys(str(point["network"]) for point in points):
        line = network_line(points, network, "q4", metric)
        if len(line) > 1 and (best is None or _better(line[-1], best[1][-1], metric)):
            best = network, line
    return best


def _better(first: Mean, second: Mean, metric: Metric) -> bool:
    return first.value > second.value if metric == "r2" else first.value < second.value


def size_title(points: Points, noun: str) -> str:
    known = measured_points(points, "q4", "mse")
    if len(known) < 2:
        return "How large a network do the estimates need? Errors by number of parameters"
    best, metrics = min(known, key=lambda item: float(item[1]["mse"]))
    return (
        f"Least error on unseen {noun}s (Q4): {number(metrics['mse'])}, shape "
        f"{shape_name(best['shape'])} with {best['parameters']:,} parameters"
    )
