"""What is asked of a study besides its data and settings, and how its points are named.

Costs no import of torch. Knows nothing of folders or of how points are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nncift_core.errors import ConfigError
from nncift_core.network import AUTO, estimator
from nncift_core.studies.label_size import FRACTIONS
from nncift_core.studies.shapes import Shape, shape_name

LABEL_SIZE, NETWORK_SIZE = KINDS = ("label-size", "network-size")

SHAPE_CHOICES = ("all", "small")
NETWORKS = ("paper", "auto")
MOST_SEEDS = 100


@dataclass(frozen=True)
class StudyRequest:
    """What is asked of a study, besides its data and settings.

    Attributes:
        kind: ``label-size`` or ``network-size``.
        fractions: Of the label-size study, ascending.
        networks: Of the label-size study: names of estimators.
        seeds: How often everything is drawn and trained, each time from the next seed.
        shapes: Of the network-size study: ``all``, or ``small`` for up to a million parameters.
        large: Whether shapes above 30 million parameters are trained too.
        longer: Whether each shape is trained a second time, longer and faster.

    Raises:
        ConfigError: Something is unknown or impossible.
    """

    kind: str
    fractions: tuple[float, ...] = FRACTIONS
    networks: tuple[str, ...] = NETWORKS
    seeds: int = 1
    shapes: str = "all"
    large: bool = False
    longer: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"The study {self.kind!r} is unknown.", f"Choose one of: {', '.join(KINDS)}."
            )
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise ConfigError(
                f"A study of {self.seeds} seeds is not possible.",
                f"Give a number from 1 to {MOST_SEEDS}.",
            )
        if self.shapes not in SHAPE_CHOICES:
            raise ConfigError(
                f"The shapes {self.shapes!r} are unknown.",
                f"Choose one of: {', '.join(SHAPE_CHOICES)}.",
            )
        if self.kind != LABEL_SIZE:
            return
        if not self.fractions or not self.networks:
            raise ConfigError(
                "The study has nothing to compute.", "Name at least one fraction and one network."
            )
        for fraction in self.fractions:
            if not 0 < fraction <= 1:
                raise ConfigError(
                    f"The fraction {fraction} is outside 0 to 1.",
                    "Give shares of the rows above 0 and at most 1, such as 0.01,0.05,0.1.",
                )
        for name in self.networks:
            if name != AUTO:
                estimator(name)
        object.__setattr__(self, "fractions", tuple(sorted(set(self.fractions))))
        object.__setattr__(self, "networks", tuple(dict.fromkeys(self.networks)))

    @property
    def trainings(self) -> tuple[str, ...]:
        """How the network-size study trains each shape."""
        return ("paper", "longer") if self.longer else ("paper",)


def label_point(fraction: float, network: str, seed: int) -> str:
    """Name of a point of the label-size study."""
    return f"u{fraction:g}-{network}-s{seed}"


def shape_point(shape: Shape, training: str, seed: int) -> str:
    """Name of a point of the network-size study."""
    return f"{shape_name(shape)}-{training}-s{seed}"


def words_of(request: StudyRequest) -> str:
    """``8 fractions, paper and auto, 3 seeds``."""
    seeds = f", {request.seeds} seeds" if request.seeds > 1 else ""
    if request.kind == LABEL_SIZE:
        count = len(request.fractions)
        fractions = f"{count} fraction{'s' if count > 1 else ''}"
        return f"{fractions}, {_listed(request.networks)}{seeds}"
    shapes = "small shapes" if request.shapes == "small" else "all shapes"
    more = " with the large ones" if request.large and request.shapes == "all" else ""
    return f"{shapes}{more}{', trained longer too' if request.longer else ''}{seeds}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
