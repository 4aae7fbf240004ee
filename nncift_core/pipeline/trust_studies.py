"""The studies that belong to a run, and the run as one more point of them.

Costs no import of torch. Knows records and files, nothing of how studies are computed or drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nncift_core.config import RunConfig
from nncift_core.influence import METHODS
from nncift_core.influence.designs import design_of
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.studies import Study
from nncift_core.studies.common_scale import common_scale

_HEADER_BYTES = 100_000_000
"""More than any header has; a broken file may say anything."""


def study_of(studies: Sequence[Study], config: RunConfig, kind: str) -> Study | None:
    """The latest study of this kind with finished points, of a run's method and inputs.

    Args:
        studies: Those of the run's data, the latest first.
        config: The run's settings.
        kind: ``label-size`` or ``network-size``.
    """
    wanted = _identity(config)
    for study in studies:
        if study.request.kind == kind and _identity(study.spec.config) == wanted and study.points:
            return study
    return None


def label_range(network: Path) -> tuple[float, float] | None:
    """Lowest and highest training label of a stored network, None where the file is no such one."""
    try:
        with network.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 0 < size < _HEADER_BYTES:
                return None
            about = json.loads(json.loads(file.read(size))["__metadata__"]["nncift"])
        return float(about["lo"]), float(about["hi"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_as_point(
    config: RunConfig,
    stored: Mapping[str, Mapping[str, Any] | None],
    scale: tuple[float, float] | None,
    points: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A run's own errors as a point of a study, squared errors on the study's scale.

    Args:
        config: The run's settings.
        stored: Its quadrant table.
        scale: From ``label_range``; without it squared errors are left out.
        points: The study's points as they are stored.

    Returns:
        ``fraction``, ``network`` and ``quadrants`` with ``r2``, ``mse`` and their intervals.
    """
    common = common_scale(points)
    factor: float | None = None
    if scale is not None and common is not None and common["hi"] > common["lo"]:
        factor = ((scale[1] - scale[0]) / (common["hi"] - common["lo"])) ** 2
    quadrants: dict[str, dict[str, Any]] = {}
    for name, metrics in stored.items():
        if metrics is None or name.startswith(("pool-", "existing-")):
            continue
        values: dict[str, Any] = {key: metrics.get(key) for key in ("r2", "r2_ci")}
        if factor is not None:
            values["mse"] = metrics["mse"] * factor
            ends = metrics.get("mse_ci")
            values["mse_ci"] = None if ends is None else [end * factor for end in ends]
        quadrants[name] = values
    return {
        "fraction": config.label_fraction,
        "network": config.network,
        "quadrants": quadrants,
    }


def _identity(config: RunConfig) -> tuple[Any, ...]:
    """What a study and a run must have in common to be spoken of together."""
    settings = METHODS[config.method].settings
    own = getattr(config, settings) if settings else None
    model = config.lm if needs_model(config) else None
    design = design_of(config.design, METHODS[config.method])
    return config.method, design, config.encoder, model, own
