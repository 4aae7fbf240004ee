"""The points of a study as files: which there will be, which are there, and one more.

A point is written whole, at once, and never computed again. Knows nothing of how it is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.errors import NNCIFTError
from nncift_core.files import plain, read_json, remove_partials, write_json
from nncift_core.influence import METHODS
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import Vectors
from nncift_core.pipeline.inputs import network_inputs, uses_states
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.pipeline.studies import points_folder, weights_file
from nncift_core.pipeline.study_request import StudyRequest
from nncift_core.pipeline.study_sizes import plan_design
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, Pairs


class StudyWork:
    """What both studies have in common.

    Args:
        workspace: Where rows, labels and embeddings are.
        folder: The study's.
        request: What is asked for.
        spec: Data and settings.
        roles: The rows.
        vectors: Their embeddings.
        progress: Told of everything.
    """

    def __init__(
        self,
        workspace: Workspace,
        folder: Path,
        request: StudyRequest,
        spec: RunSpec,
        roles: Roles,
        vectors: Vectors,
        progress: Progress,
    ) -> None:
        self.workspace, self.folder, self.request = workspace, folder, request
        self.spec, self.roles = spec, roles
        self.vectors = vectors
        self.helpers, self.helped = self._sides(vectors)
        self._inputs: dict[bool, tuple[FloatArray, FloatArray]] = {}
        self.clusters = cluster_rows(vectors)
        self.progress = progress
        self.design = plan_design(spec.config)
        self._weights: dict[str, float] = {}
        remove_partials(points_folder(folder))

    def inputs(self, network: str) -> tuple[FloatArray, FloatArray]:
        """What a network sees of both sides, as in a run with it; embeddings come first.

        Raises:
            NNCIFTError: Something the user can mend.
            Cancelled: Rows that were read are kept.
        """
        spec = replace(self.spec, config=replace(self.spec.config, network=network))
        wider = uses_states(spec.config)
        if wider not in self._inputs:
            found = network_inputs(self.workspace, spec, self.roles, self.vectors, self.progress)
            self._inputs[wider] = self._sides(found)
        return self._inputs[wider]

    def _sides(self, vectors: Vectors) -> tuple[FloatArray, FloatArray]:
        """``(n_train, d)`` and ``(n_target, d)``; ``(1, 0)`` for a function of single rows."""
        if METHODS[self.spec.config.method].pointwise:
            return vectors.pool, np.empty((1, 0), dtype=np.float32)
        return vectors.pool, vectors.target

    def run(self) -> None:
        """Compute what is missing."""
        raise NotImplementedError

    def finished(self) -> list[dict[str, Any]]:
        """The finished points that are asked for, in their order."""
        return [self._read(name) for name in self._weights if not self.is_missing(name)]

    def plan(self, weights: Mapping[str, float]) -> None:
        """Say which points there will be, and send those that are there already."""
        self._weights = dict(weights)
        write_json(weights_file(self.folder), self._weights)
        for point in self.finished():
            self.progress.point("study", point)

    def is_missing(self, name: str) -> bool:
        """Whether a point has to be computed; a spoilt file is no point."""
        path = self._file(name)
        with suppress(NNCIFTError):
            if path.is_file() and self._read(name)["name"] == name:
                return False
        return True

    def keep(self, point: Mapping[str, Any]) -> None:
        """Write a finished point and send it."""
        write_json(self._file(str(point["name"])), point)
        self.progress.point("study", plain(point))

    def common(self, name: str, seed: int, fraction: float, training: Pairs) -> dict[str, Any]:
        """What every point says first."""
        return {
            "name": name,
            "kind": self.request.kind,
            "seed": seed,
            "fraction": fraction,
            "labels": len(training),
            "lo": float(training.value.min()),
            "hi": float(training.value.max()),
        }

    def _read(self, name: str) -> dict[str, Any]:
        point: dict[str, Any] = read_json(self._file(name))
        return point

    def _file(self, name: str) -> Path:
        return points_folder(self.folder) / f"{name}.json"
