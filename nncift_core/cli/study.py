"""``nncift study``: errors against the number of labels, or against the size of the network.

Knows how to ask for a study and how to show its points, nothing of how they are computed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.given import given_run
from nncift_core.cli.output import checked_output, say, show
from nncift_core.cli.parsing import Once, add_data, add_workspace
from nncift_core.cli.settings import SETTINGS, add_settings
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.errors import ConfigError
from nncift_core.export import guard_inputs
from nncift_core.files import json_text, write_text
from nncift_core.pipeline.study_request import (
    KINDS,
    LABEL_SIZE,
    NETWORK_SIZE,
    NETWORKS,
    SHAPE_CHOICES,
    StudyRequest,
)
from nncift_core.studies.label_size import FRACTIONS

_OWN = {
    LABEL_SIZE: ("fractions", "networks"),
    NETWORK_SIZE: ("shapes", "large", "longer"),
}
"""Options that only one of the studies has."""

_UNREAD = (
    *("network", "budget", "objective", "exact", "second_round", "existing"),
    *(setting.name for setting in SETTINGS if setting.group == "selection"),
)
"""Options of a run that would change nothing in a study."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    study = commands.add_parser(
        "study", help="measure how errors depend on labels, or on the size of the network"
    )
    study.add_argument(
        "kind", choices=KINDS, metavar="|".join(KINDS), help="what is varied: labels or the network"
    )
    add_data(study)
    add_settings(study, Once)
    own = study.add_argument_group("the study")
    own.add_argument(
        "--fractions",
        action=Once,
        metavar="LIST",
        help="label-size: label fractions, separated by commas "
        f"(default: {','.join(f'{u:g}' for u in FRACTIONS)})",
    )
    own.add_argument(
        "--networks",
        action=Once,
        metavar="LIST",
        help="label-size: networks and rivals, separated by commas "
        f"(default: {','.join(NETWORKS)})",
    )
    own.add_argument(
        "--shapes",
        action=Once,
        metavar="WHICH",
        help=f"network-size: {' or '.join(SHAPE_CHOICES)}, which are those of up to a million "
        "parameters (default: all)",
    )
    own.add_argument(
        "--large",
        action="store_true",
        default=None,
        help="network-size: also shapes above 30 million parameters",
    )
    own.add_argument(
        "--longer",
        action="store_true",
        default=None,
        help="network-size: train each shape a second time, 60 epochs at 1e-3",
    )
    own.add_argument(
        "--seeds",
        action=Once,
        type=int,
        default=1,
        metavar="N",
        help="do all of it N times, each from the next seed (default: %(default)s)",
    )
    out = study.add_argument_group("results")
    out.add_argument("--output", action=Once, metavar="FILE", help="the points as JSON lines")
    out.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    add_workspace(out)


def study(options: argparse.Namespace) -> None:
    """``nncift study``."""
    request = _request(options)
    given = given_run(options)
    output = checked_output(options.output)
    if output is not None:
        sources = (given.spec.train, given.spec.target)
        guard_inputs(output, [path for source in sources if source for path in source.files])
    folder = pipeline.create_study(given.workspace, given.spec, request)
    say(f"Study {folder.name} in {given.workspace.path}")
    progress = _PointLines()
    try:
        # A complete study answers at once: all its points are there.
        result = pipeline.work(folder, echo=progress)
    finally:
        progress.close()
    if output is not None:
        write_text(output, "".join(f"{json_text(point)}\n" for point in result["points"]))
    show(json_text(result) if options.json else study_table(result))


class _PointLines(TerminalProgress):
    """Progress that also says each finished point."""

    def point(self, kind: str, values: Mapping[str, Any]) -> None:
        """A line for a point of the study."""
        if kind == "study":
            # The training that it comes from is over.
            self.close()
            unseen = values["quadrants"].get("q4") or {}
            self._write(f"{values['name']}: R2 {_number(unseen.get('r2'))} in Q4", end="\n")


def _request(options: argparse.Namespace) -> StudyRequest:
    """What the options ask for; refused before any file is read. Raises: ConfigError."""
    for kind, names in _OWN.items():
        for name in names:
            if kind != options.kind and getattr(options, name) is not None:
                raise ConfigError(
                    f"The option --{name} belongs to the study {kind}.",
                    f"Leave it out, or use nncift study {kind}.",
                )
    for name in _UNREAD:
        if getattr(options, name) is not None:
            raise ConfigError(
                f"The option --{name.replace('_', '-')} would change nothing in a study.",
                "Leave it out."
                + (" Use --networks to compare several." if name == "network" else ""),
            )
    if options.kind == LABEL_SIZE and options.label_fraction is not None:
        raise ConfigError(
            "The option --label-fraction would change nothing in this study.",
            "Use --fractions to say which ones it compares.",
        )
    values: dict[str, Any] = {"kind": options.kind, "seeds": options.seeds}
    if options.fractions is not None:
        values["fractions"] = _fractions(options.fractions)
    if options.networks is not None:
        values["networks"] = _names(options.networks)
    if options.shapes is not None:
        values["shapes"] = options.shapes
    return StudyRequest(**values, large=bool(options.large), longer=bool(options.longer))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _names(text))
    except ValueError as error:
        raise ConfigError(
            f"The fractions {text[:60]!r} are not numbers separated by commas.",
            "Write them as 0.01,0.05,0.1.",
        ) from error


def study_table(result: Mapping[str, Any]) -> str:
    """The points for people."""
    rows = f"{result['n_train']:,} pool"
    if result["design"] != "rows":
        rows += f" x {result['n_target']:,} target"
    lines = [f"study      {result['study']}", f"rows       {rows}, design {result['design']}"]
    scale = result["scale"]
    if scale is None:
        return "\n".join([*lines, "points     none"])
    lines.append(
        f"errors     on the scale {_number(scale['lo'], 1)} to {_number(scale['hi'], 1)} of the "
        "labels, R2 with its 95 % interval"
    )
    by_labels = result["kind"] == LABEL_SIZE
    columns = _label_columns if by_labels else _shape_columns
    lines.append("")
    lines += _aligned([columns(None), *(columns(point) for point in result["points"])])
    return "\n".join(lines)


def _label_columns(point: Mapping[str, Any] | None) -> list[str]:
    if point is None:
        return ["u", "labels", "network", "seed", *_MEASURED, "seconds"]
    network = point["network"]
    if point["chosen"] not in (None, network):
        network = f"{network} ({point['chosen']})"
    first = [f"{point['fraction']:g}", f"{point['labels']:,}", network, str(point["seed"])]
    return [*first, *_measured(point), f"{point['seconds']:.1f}"]


def _shape_columns(point: Mapping[str, Any] | None) -> list[str]:
    if point is None:
        return ["shape", "parameters", "training", "seed", *_MEASURED, "seconds"]
    shape = "-".join(map(str, point["shape"]))
    first = [shape, f"{point['parameters']:,}", point["training"], str(point["seed"])]
    return [*first, *_measured(point), f"{point['seconds']:.1f}"]


_MEASURED = ("MSE Q1", "MSE Q4", "mean's Q4", "R2 Q2", "R2 Q3", "R2 Q4", "interval")


def _measured(point: Mapping[str, Any]) -> list[str]:
    q1, q2, q3, q4 = (point["quadrants"].get(name) or {} for name in ("q1", "q2", "q3", "q4"))
    interval = q4.get("r2_ci")
    return [
        _number(q1.get("mse"), 1, 4),
        _number(q4.get("mse"), 1, 4),
        _number(q4.get("mse_mean"), 1, 4),
        _number(q2.get("r2")),
        _number(q3.get("r2")),
        _number(q4.get("r2")),
        f"[{_number(interval[0])}, {_number(interval[1])}]" if interval else "-",
    ]


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _number(value: float | None, width: int = 1, places: int = 3) -> str:
    return f"{value:{width}.{places}f}" if value is not None else "-"
