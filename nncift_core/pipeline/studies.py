"""Studies as jobs: how errors depend on the number of labels or on the size of the network.

A study's folder is named after its data and settings, and a finished point is a file in it, so
a study that is asked for again goes on where it stopped, also with other networks, shapes or
seeds. Knows how studies are asked for, stored and read; ``study_work`` computes them. Costs no
import of torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nncift_core import jobs
from nncift_core.callers import require_change
from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.files import json_text, named_errors, read_json
from nncift_core.influence import METHODS
from nncift_core.influence.designs import DESIGNS, design_of
from nncift_core.influence.shards import digest
from nncift_core.jobs import JobState
from nncift_core.network import AUTO
from nncift_core.pipeline.spec import RunSpec
from nncift_core.pipeline.study_request import LABEL_SIZE, StudyRequest
from nncift_core.progress import Progress
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace
from nncift_core.store.ids import checked_id

JOB_FILES = ("result.json", "planned.json", "state.json", "points.jsonl", "cancel")


@dataclass(frozen=True)
class Study:
    """A study as its folder tells it.

    Attributes:
        id: Name of its folder.
        folder: Its job folder.
        spec: Data and settings.
        request: What was asked of it last.
        points: The finished points that were asked for, in the order of the study; squared
            errors in the labels' own units (see ``studies.measured``).
        planned: Names of all points that were asked for; empty until the work has begun.
    """

    id: str
    folder: Path
    spec: RunSpec
    request: StudyRequest
    points: tuple[dict[str, Any], ...]
    planned: tuple[str, ...]

    @property
    def state(self) -> JobState:
        """How its job is now. Raises: ConfigError, WorkspaceError."""
        return jobs.read_state(self.folder)

    @property
    def asked_at(self) -> str:
        """When it was asked for last, as an ISO time."""
        when = (self.folder / "job.json").stat().st_mtime
        return datetime.fromtimestamp(when, tz=UTC).isoformat()

    @property
    def seconds_left(self) -> float | None:
        """About how long training the missing points takes, labels not counted.

        At the pace of the finished ones, those of the same network first; None before the first
        one and before the work began.
        """
        weights = _weights(self.folder)
        done = {str(point["name"]): float(point["seconds"]) for point in self.points}
        finished = {name: weights[name] for name in done if weights.get(name)}
        if not finished or not self.planned:
            return None
        usual = sum(done[name] for name in finished) / sum(finished.values())
        left = 0.0
        for name in self.planned:
            if name not in done:
                alike = [one for one in finished if _kind_of(one) == _kind_of(name)]
                spent = sum(done[one] for one in alike)
                pace = spent / sum(finished[one] for one in alike) if alike else usual
                left += pace * weights[name]
        return left


def study_spec(spec: RunSpec, request: StudyRequest) -> RunSpec:
    """The same data with the settings that a study follows; those that change nothing set alike."""
    config = spec.config
    design = design_of(config.design, METHODS[config.method])
    config = replace(
        config,
        design=design if design in DESIGNS else RunConfig.design,
        budget=RunConfig.budget,
        objective=METHODS[config.method].default_objective,
        network=AUTO,
        second_round=0.0,
        selection=SelectionConfig(),
        exact=False,
        label_fraction=(
            RunConfig.label_fraction if request.kind == LABEL_SIZE else config.label_fraction
        ),
    )
    return replace(spec, config=config, existing=None, extends=None, added=None, grown_from=())


def study_folder(workspace: Workspace, spec: RunSpec, request: StudyRequest) -> Path:
    """The job folder of a study of this data and these settings; need not exist.

    Fractions belong to the settings, since the largest decides which rows measure them all.
    Networks, shapes and seeds do not: their points stand beside each other.
    """
    parts = {key: value for key, value in study_spec(spec, request).as_json().items()}
    # Where the rows came from changes nothing of what they are.
    for role in ("train", "target"):
        if parts[role]:
            parts[role] = parts[role]["id"]
    fractions = request.fractions if request.kind == LABEL_SIZE else ()
    name = digest(request.kind, json_text(parts), json_text(fractions))
    return workspace.studies_dir / f"{request.kind}-{name}"


def create_study(workspace: Workspace, spec: RunSpec, request: StudyRequest) -> Path:
    """Record a study, or ask more of one that exists; nothing is computed yet.

    Returns:
        Its job folder. Finished points are kept, and so is the result where the same was asked
        before.

    Raises:
        ConfigError: The study is at work on something else.
        WorkspaceError: The folder cannot be written.
    """
    folder = study_folder(workspace, spec, request)
    job = {"kind": "study", "request": asdict(request)}
    if folder.is_dir():
        if _request(folder) == request:
            return folder
        require_change()
        if jobs.read_state(folder).live:
            raise ConfigError(
                "This study is at work with other networks, shapes or seeds.",
                "Wait for it, or cancel it first.",
            )
        with named_errors(folder):
            for name in JOB_FILES:
                (folder / name).unlink(missing_ok=True)
        jobs.create(folder, job)
        return folder
    jobs.create(folder, job)
    study_spec(spec, request).write(folder, folder.name)
    return folder


def read_study(folder: Path) -> Study:
    """Read a study, at work or not.

    Raises:
        ConfigError: There is no such study.
        WorkspaceError: It cannot be read.
    """
    if not (folder / jobs.state.JOB_FILE).is_file():
        raise ConfigError(
            f"There is no study {folder.name!r} in this workspace.", "It may have been deleted."
        )
    planned = tuple(_weights(folder))
    found = {}
    for path in points_folder(folder).glob("*.json"):
        point = read_json(path)
        found[str(point["name"])] = point
    # What was asked for in earlier times stays as files and is not shown.
    points = tuple(found[name] for name in planned or sorted(found) if name in found)
    return Study(
        folder.name,
        folder,
        RunSpec.read(folder / "config.json"),
        _request(folder),
        points,
        planned,
    )


def find_study(workspace: Workspace, study_id: str) -> Study:
    """A study by its id. Raises: ConfigError, WorkspaceError."""
    return read_study(workspace.studies_dir / checked_id("study", study_id))


def studies_of(
    workspace: Workspace, pool_id: str, target_id: str | None, sample: int | None
) -> list[Study]:
    """The studies of a project's data, the latest first; broken folders are left out.

    Args:
        workspace: Where they are.
        pool_id: The project's pool.
        target_id: Its target set, None for a sample of the pool.
        sample: Rows of that sample.
    """
    found = []
    folders = [f for f in workspace.studies_dir.iterdir() if (f / "job.json").is_file()]
    for folder in sorted(folders, key=lambda f: (f / "job.json").stat().st_mtime, reverse=True):
        with suppress(NNCIFTError, KeyError, TypeError):
            study = read_study(folder)
            target = study.spec.target.id if study.spec.target else None
            same = (study.spec.train.id, target, study.spec.target_sample)
            pointwise = METHODS[study.spec.config.method].pointwise
            if same == (pool_id, target_id, sample) or (pointwise and same[0] == pool_id):
                found.append(study)
    return found


def discard_study(study: Study) -> None:
    """Remove a study with its points; labels are kept. Raises: ConfigError, WorkspaceError."""
    require_change()
    if study.state.live:
        raise ConfigError(f"Study {study.id} is at work.", "Cancel it first.")
    with named_errors(study.folder):
        shutil.rmtree(study.folder)


def work_on(
    workspace: Workspace, job_dir: Path, job: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    """Compute the missing points of a study and write its result.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished points are kept.
    """
    # Here, since it needs torch.
    from nncift_core.pipeline.study_work import compute

    del job
    return compute(workspace, job_dir, _request(job_dir), progress)


def points_folder(folder: Path) -> Path:
    """One JSON file for each finished point."""
    return folder / "points"


def weights_file(folder: Path) -> Path:
    """The names of all points that are asked for, in order, each with its share of the work."""
    return folder / "planned.json"


def _request(folder: Path) -> StudyRequest:
    stored = dict(jobs.read_job(folder)["request"])
    for name in ("fractions", "networks"):
        stored[name] = tuple(stored[name])
    return StudyRequest(**stored)


def _weights(folder: Path) -> dict[str, float]:
    path = weights_file(folder)
    return dict(_numbers(read_json(path))) if path.is_file() else {}


def _numbers(stored: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, weight in stored.items():
        yield name, float(weight)


def _kind_of(name: str) -> str:
    """The network or the training that a point's name holds before its seed."""
    return name.rsplit("-", 2)[-2]
