"""The files of one run's folder: their names, and which stages they say are done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nncift_core.files import read_json, write_json

STAGES = ("embed", "label", "train", "predict", "select")


@dataclass(frozen=True)
class RunFiles:
    """Where the artifacts of a run lie. A file that exists is complete."""

    folder: Path

    @property
    def config(self) -> Path:
        """Data and settings; replays the run."""
        return self.folder / "config.json"

    @property
    def labels(self) -> Path:
        """Labelled pairs."""
        return self.folder / "labels.npy"

    @property
    def influence(self) -> Path:
        """``(n_train, n_target)`` true influence of an exact run of a language-model method.

        ``(n_train, 1)`` for a pointwise function.
        """
        return self.exact_matrix("target")

    def exact_matrix(self, matrix: str) -> Path:
        """The true values of X (``target``), W (``pool``) or E (``existing``)."""
        return self.folder / ("influence.npy" if matrix == "target" else f"influence_{matrix}.npy")

    @property
    def network(self) -> Path:
        """Trained weights with their scale and history."""
        return self.folder / "network.safetensors"

    @property
    def quadrants(self) -> Path:
        """Quadrant metrics."""
        return self.folder / "quadrants.json"

    @property
    def uncertainty(self) -> Path:
        """Intervals of pairs and of row scores, calibrated and checked on reserved labels."""
        return self.folder / "uncertainty.json"

    @property
    def estimators(self) -> Path:
        """What was tried on labels that were kept out, and which of it was used."""
        return self.folder / "estimators.json"

    def intervals(self) -> Mapping[str, Any]:
        """What ``uncertainty`` holds; empty where there is none. Raises: WorkspaceError."""
        found: Mapping[str, Any] = {}
        if self.uncertainty.is_file():
            found = read_json(self.uncertainty)
        return found

    def candidates(self) -> Sequence[Mapping[str, Any]]:
        """What ``estimators`` holds; empty where there is none. Raises: WorkspaceError."""
        found: Sequence[Mapping[str, Any]] = ()
        if self.estimators.is_file():
            found = read_json(self.estimators)
        return found

    @property
    def projected_helpers(self) -> Path:
        """``(n_train, hidden)`` pool rows through the first layer.

        Where E was labelled, the existing rows come after them.
        """
        return self.folder / "projected_helpers.npy"

    @property
    def projected_helped(self) -> Path:
        """``(n_target, hidden)`` target rows through the first layer.

        One row for a pointwise function. Where W or E was labelled, the pool rows, as rows that
        are helped, come after them.
        """
        return self.folder / "projected_helped.npy"

    @property
    def row_mean(self) -> Path:
        """``(n_train,)`` mean influence of each pool row."""
        return self.folder / "row_mean.npy"

    @property
    def column_mean(self) -> Path:
        """``(n_target,)`` mean influence on each target row."""
        return self.folder / "column_mean.npy"

    @property
    def row_scores(self) -> Path:
        """``(n_train,)`` what top-k ranks by; absent where that is the row mean."""
        return self.folder / "row_scores.npy"

    @property
    def overview(self) -> Path:
        """Lowest, highest and mean influence, and a histogram."""
        return self.folder / "overview.json"

    @property
    def row_tokens(self) -> Path:
        """``(n_train,)`` tokens of each pool row, once somebody asked."""
        return self.folder / "row_tokens.npy"

    @property
    def row_clusters(self) -> Path:
        """``(n_train,)`` cluster of each pool row, once somebody asked."""
        return self.folder / "row_clusters.npy"

    @property
    def duplicates(self) -> Path:
        """``(n_train,)`` group of near duplicates of each pool row, -1 for none, once needed."""
        return self.folder / "duplicates.npy"

    @property
    def result(self) -> Path:
        """The run's summary; written last, so that it exists only for complete runs."""
        return self.folder / "result.json"

    @property
    def _seconds(self) -> Path:
        return self.folder / "seconds.json"

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage so far, all attempts added up."""
        spent: Mapping[str, Any] = read_json(self._seconds) if self._seconds.is_file() else {}
        return {stage: round(float(spent.get(stage, 0.0)), 3) for stage in STAGES}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the block to the stage, also when it is cancelled or fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            spent = self.seconds()
            spent[stage] += time.monotonic() - start
            write_json(self._seconds, spent)
