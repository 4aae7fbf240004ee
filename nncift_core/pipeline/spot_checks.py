"""Spot checks: a few new labels that say whether a run's estimates hold where it measured nothing.

A check labels pairs that have no label, of the rows that were added to the run or of its whole
pool, through the same influence function as the run. What it labels is kept, counted as its cost
and never becomes part of the run: neither the network nor a selection sees it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.datasets import find_self_pairs
from nncift_core.errors import DataError
from nncift_core.files import plain, read_json, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.label import Labels, together
from nncift_core.influence.label_plan import LabelBlock
from nncift_core.network.predict import Predictor
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.check_draw import draw_check, draw_rows
from nncift_core.pipeline.check_jobs import LABELS, MOST_PAIRS, list_spot_checks
from nncift_core.pipeline.check_result import Expected, measure_check
from nncift_core.pipeline.estimates import Estimates, read_estimates
from nncift_core.pipeline.labelling import label_more
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import IndexArray, Pairs

_MOST_CANDIDATES = 4 * MOST_PAIRS


def work_on(
    workspace: Workspace, job_dir: Path, job: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Label, compare and write ``result.json``.

    Returns:
        What was found: the fields of ``CheckResult`` with ``run_id``, ``rows``, ``unit`` and
        ``units`` (the cost), ``missing`` (pairs without a value) and ``seconds``.

    Raises:
        NNCIFTError: The rows cannot be labelled; what was labelled is kept.
        Cancelled: By ``progress``.
    """
    run_id, kind = str(job["run_id"]), str(job["rows"])
    files = RunFiles(workspace.run_dir(run_id))
    spec = RunSpec.read(files.config)
    roles = read_roles(workspace, spec)
    estimates = read_estimates(workspace, spec, roles, files)
    labels = estimates.labels
    assert labels is not None and isinstance(estimates.raw, Predictor)
    start = time.monotonic()
    block = _draw(workspace, spec, roles, labels, job, job_dir)
    pairs, unit, units = label_more(workspace, spec, roles, block, progress)
    if not len(pairs):
        raise DataError(
            f"None of the {block.n_pairs:,} drawn pairs has a value.",
            "Check other rows, or choose a model with a longer context in a new run.",
        )
    pointwise = METHODS[spec.config.method].pointwise
    by_role = {"q4": pairs} if pointwise else _by_quadrant(pairs, labels)
    Labels(by_role).save(job_dir / LABELS)
    pairs = together(by_role.values())
    predicted = estimates.raw.pairs(pairs.helper, pairs.helped)
    expected = _expected(workspace, run_id, files, estimates, by_role, pointwise=pointwise)
    found = measure_check(pairs, predicted, expected, spec.config.seed, pointwise=pointwise)
    result = {
        "run_id": run_id,
        "rows": kind,
        "unit": unit,
        "units": units,
        "missing": block.n_pairs - len(pairs),
        "seconds": round(time.monotonic() - start, 3),
        **asdict(found),
    }
    write_json(job_dir / "result.json", result)
    return dict(plain(result))


def _draw(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    labels: Labels,
    job: Mapping[str, Any],
    job_dir: Path,
) -> LabelBlock:
    """The pairs to label: none that the run or an earlier check has labelled."""
    n_pool = len(roles.pool)
    first = n_pool - len(roles.added) if job["rows"] == "added" else 0
    candidates = np.arange(first, n_pool, dtype=np.int64)
    seed = (spec.config.seed, 11, int(job["ordinal"]))
    taken = [labels.everything, *_earlier(workspace, str(job["run_id"]), job_dir)]
    method = METHODS[spec.config.method]
    if method.pointwise:
        known = np.zeros(n_pool, dtype=bool)
        for pairs in taken:
            known[pairs.helper] = True
        rows = draw_rows(candidates, known[first:], int(job["pairs"]), seed)
        return LabelBlock("q4", rows, np.zeros(1, dtype=np.int64))
    # One byte a pair of the rows in question, at most; drawn rows would need to be known first.
    drawn = _sample(candidates, seed)
    place = np.full(n_pool, -1, dtype=np.int64)
    place[drawn] = np.arange(len(drawn))
    pairs_known: NDArray[np.bool_] = np.zeros((len(drawn), len(roles.target)), dtype=bool)
    for pairs in taken:
        here = place[pairs.helper] >= 0
        pairs_known[place[pairs.helper[here]], pairs.helped[here]] = True
    pairs_known[find_self_pairs([roles.pool[i] for i in drawn], roles.target)] = True
    free = "gradients" in method.needs
    helpers, helped, columns = draw_check(
        drawn, pairs_known, int(job["pairs"]), seed, all_shared=free
    )
    return LabelBlock("q4", helpers, helped, columns=columns)


def _sample(candidates: IndexArray, seed: tuple[int, ...]) -> IndexArray:
    """At most so many rows that looking at all their pairs is cheap."""
    if len(candidates) <= _MOST_CANDIDATES:
        return candidates
    drawn: IndexArray = np.random.default_rng((*seed, 1)).choice(
        candidates, _MOST_CANDIDATES, replace=False
    )
    return np.sort(drawn)


def _earlier(workspace: Workspace, run_id: str, job_dir: Path) -> list[Pairs]:
    """What other checks of the run have labelled."""
    return [
        Labels.load(check.folder / LABELS).everything
        for check in list_spot_checks(workspace, run_id)
        if check.folder.name != job_dir.name and (check.folder / LABELS).is_file()
    ]


def _by_quadrant(pairs: Pairs, labels: Labels) -> dict[str, Pairs]:
    """The pairs by what the run knows of their rows: both, one side, none."""
    row = np.isin(pairs.helper, labels.training.helper)
    column = np.isin(pairs.helped, labels.training.helped)
    kinds = {"q1u": row & column, "q2": ~row & column, "q3": row & ~column, "q4": ~row & ~column}
    return {
        role: Pairs(pairs.helper[here], pairs.helped[here], pairs.value[here])
        for role, here in kinds.items()
        if here.any()
    }


def _expected(
    workspace: Workspace,
    run_id: str,
    files: RunFiles,
    estimates: Estimates,
    by_role: Mapping[str, Pairs],
    *,
    pointwise: bool,
) -> Expected:
    """What the run says of these pairs: the error of their quadrant, and its interval."""
    assert estimates.labels is not None and estimates.scale is not None
    quadrants = workspace.catalog.quadrant_metrics(run_id)
    path = files.folder / "uncertainty.json"
    uncertainty = read_json(path) if path.is_file() else {}
    kinds = uncertainty.get("rows" if pointwise else "pairs") or {}
    mse, high, half = [], [], []
    for role, pairs in by_role.items():
        metrics = quadrants.get(role) or {}
        error, interval = metrics.get("mse"), metrics.get("mse_ci")
        calibration = kinds.get("unseen" if pointwise else role) or {}
        mse.append(_filled(error, pairs))
        high.append(_filled(interval[1] if interval else error, pairs))
        half.append(_filled(calibration.get("half_width"), pairs))
    return Expected(
        lo=estimates.scale.lo,
        hi=estimates.scale.hi,
        mean=float(estimates.labels.training.value.astype(np.float64).mean()),
        mse=np.concatenate(mse),
        mse_high=np.concatenate(high),
        half_width=np.concatenate(half),
        level=float(uncertainty.get("level") or 0.9),
    )


def _filled(value: float | None, pairs: Pairs) -> NDArray[np.float64]:
    return np.full(len(pairs), np.nan if value is None else value, dtype=np.float64)
