"""The checks of one finished run, each with the arrays that it needs.

Knows the run's files, rows, embeddings and estimator; what passes is ``studies.audit_checks``'
business, what true influence costs ``audit_truth``'s.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.datasets import assign_ids
from nncift_core.influence import METHODS
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.audit_truth import Truth
from nncift_core.pipeline.embedding import Vectors, embed_rows
from nncift_core.pipeline.estimates import Estimates, read_estimates
from nncift_core.pipeline.inputs import network_inputs
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.selection import OBJECTIVES
from nncift_core.store import Workspace
from nncift_core.studies import audit_checks, audit_subsets
from nncift_core.studies.audit_checks import WRONG_ANSWERS, Check
from nncift_core.studies.audit_subsets import SUBSETS
from nncift_core.studies.curve_points import chosen_name
from nncift_core.types import FloatArray, IndexArray, Pairs, Row

COPIED_ROWS = 8
"""Labelled rows, and as many unlabelled ones, that are copied exactly."""

WRONG_ROWS = 32
"""Labelled rows that are copied with another row's answer."""

SHARES = (0.1, 0.3)
"""Budgets that subsets of the sample are compared at."""

DoubleArray = NDArray[np.float64]


@dataclass
class RunAudit:
    """One run as its audit sees it."""

    workspace: Workspace
    spec: RunSpec
    roles: Roles
    files: RunFiles
    vectors: Vectors
    estimates: Estimates
    fitted: Any
    truth: Truth
    progress: Progress

    @classmethod
    def open(
        cls, workspace: Workspace, run_id: str, seconds: float, progress: Progress
    ) -> RunAudit:
        """Read a run. Raises: NNCIFTError."""
        from nncift_core.network.fitting import Fitted

        files = RunFiles(workspace.run_dir(run_id))
        spec = RunSpec.read(files.config)
        roles = read_roles(workspace, spec)
        embedded = embed_rows(workspace, spec, roles, progress)
        vectors = network_inputs(workspace, spec, roles, embedded, progress)
        estimates = read_estimates(workspace, spec, roles, files)
        fitted = Fitted.load(files.network)
        truth = Truth(workspace, spec, roles, seconds, progress)
        return cls(workspace, spec, roles, files, vectors, estimates, fitted, truth, progress)

    @property
    def name(self) -> str:
        """The run's estimator."""
        return chosen_name(self.fitted, self.spec.config.network)

    @property
    def pointwise(self) -> bool:
        """Whether the method scores single rows."""
        return METHODS[self.spec.config.method].pointwise

    @property
    def pool(self) -> FloatArray:
        """What the estimator sees of the pool, without rows that were added after labelling."""
        return self.vectors.pool[: len(self.roles.original_pool)]

    @property
    def helped(self) -> FloatArray:
        """The same of the helped side; none for a pointwise method."""
        return np.empty((1, 0), dtype=np.float32) if self.pointwise else self.vectors.target

    @property
    def by_role(self) -> dict[str, Pairs]:
        """The run's labels of X."""
        assert self.estimates.labels is not None
        return dict(self.estimates.labels.by_role)

    @property
    def seed(self) -> int:
        """Seed of the audit's draws."""
        return self.spec.config.seed

    def shuffled(self) -> Check:
        """Shuffled labels."""
        from nncift_core.network.fitting import fit

        self.progress.stage("shuffle", audit_checks.SHUFFLES, "fits")
        return audit_checks.shuffled_labels(
            functools.partial(fit, text=self.fitted.text),
            self.name,
            self.pool,
            self.helped,
            self.by_role,
            seed=self.seed,
            progress=self.progress,
        )

    def duplicates(self) -> Check:
        """Exact copies."""
        rng = np.random.default_rng((self.seed, 31))
        labelled, unlabelled = self._some(rng, COPIED_ROWS, True), self._some(rng, COPIED_ROWS)
        rows = np.concatenate([labelled, unlabelled])
        self.progress.stage("copies", len(rows), "rows")
        copies = self._embedded([self.roles.pool[i] for i in rows])
        behind = np.arange(len(rows), dtype=np.int64) + len(rows)
        # Copies in another order and place: a score must not depend on either.
        alone = self._scores(np.concatenate([self.pool[rows], copies[::-1]]), known=False)
        unseen = alone[: len(rows)], alone[behind][::-1]
        fitted_on = self._fitted_helpers()
        n_pool = len(fitted_on)
        stacked = np.concatenate([fitted_on, copies, copies[::-1]])
        wanted = np.concatenate([rows, n_pool + np.arange(2 * len(rows), dtype=np.int64)])
        scores = self._scores(stacked, known=True, rows=wanted)
        first, one, two = np.split(scores, 3)
        two = two[::-1]
        free = len(labelled)
        self.progress.advance(len(rows))
        assert self.estimates.scale is not None
        return audit_checks.equal_scores(
            unseen, (one, two), (first[free:], one[free:]), self.estimates.scale.width
        )

    def wrong_answers(self) -> Check:
        """Copies with another row's answer."""
        rng = np.random.default_rng((self.seed, 32))
        rows = self._some(rng, WRONG_ROWS, True)
        changed, kept = exchange_answers(self.roles.pool, rows, rng)
        if len(kept) < 2:
            return Check(*WRONG_ANSWERS, "skipped", "No row has an answer to exchange.")
        self.progress.stage("wrong answers", len(kept), "rows")
        scores = self._scores(
            np.concatenate([self.pool[kept], self._embedded(changed)]), known=False
        )
        original, worse = np.split(scores, 2)
        self.progress.advance(len(kept))
        pairs = [(self.roles.pool[i], row) for i, row in zip(kept, changed, strict=True)]
        truth, why = self.truth.of_copies(pairs, rng)
        expected = "cosine-of-inputs" not in METHODS[self.spec.config.method].needs
        return audit_checks.worse_copies(
            original, worse, expected=expected, seed=self.seed, truth=truth, why_no_truth=why
        )

    def subsets(self) -> Check:
        """Subsets of a sample by estimates, by true influence and by chance."""
        rng = np.random.default_rng((self.seed, 33))
        sample = self.truth.sample(rng)
        if isinstance(sample, str):
            return Check(*SUBSETS, "skipped", sample)
        lo, hi = self._range()
        needs = OBJECTIVES[self.spec.config.objective].needs
        objective = self.spec.config.objective if needs <= _READABLE else "fl"
        if self.pointwise:
            estimated = self.estimates.best.block(0, len(self.roles.pool))[sample.rows]
        else:
            chosen = self.estimates.subset(sample.rows, sample.columns)
            estimated = chosen.block(0, len(sample.rows))
        ids = [self.roles.pool[i].id for i in sample.rows]
        score = audit_subsets.mean_scores
        if "subtask-scores" in METHODS[self.spec.config.method].needs:
            score = audit_subsets.best_subtask_scores
        subtasks = None
        if not self.pointwise:
            subtasks = [self.roles.target[j].subtask for j in sample.columns]
        true, guess = (
            audit_subsets.sample_matrices(values, lo, hi, subtasks, score)
            for values in (sample.values, estimated)
        )
        closed = [
            audit_subsets.gap_closed(
                objective, true, guess, max(1, round(share * len(ids))), ids, self.seed, score
            )
            for share in SHARES
        ]
        return audit_subsets.subsets(objective, closed, len(sample.rows), len(sample.columns))

    def _range(self) -> tuple[float, float]:
        assert self.estimates.scale is not None
        return self.estimates.scale.lo, self.estimates.scale.hi

    def _some(self, rng: np.random.Generator, count: int, labelled: bool = False) -> IndexArray:
        """Rows of the pool that have labels to train on, or that have none at all."""
        if labelled:
            known = np.unique(self.by_role["q1"].helper)
        else:
            seen = np.concatenate([pairs.helper for pairs in self.by_role.values()])
            known = np.setdiff1d(np.arange(len(self.pool)), seen)
        drawn: IndexArray = rng.permutation(known)[:count].astype(np.int64)
        return drawn

    def _embedded(self, rows: list[Row]) -> FloatArray:
        alone = replace(
            self.roles, pool=rows, target=[], existing=[], n_original=None, n_before=None
        )
        quiet = _Silent(self.progress)
        embedded = embed_rows(self.workspace, self.spec, alone, quiet)
        return network_inputs(self.workspace, self.spec, alone, embedded, quiet).pool

    def _fitted_helpers(self) -> FloatArray:
        """All rows that helped when the estimator was fitted: copies must stand behind them."""
        assert self.estimates.labels is not None
        if not self.estimates.labels.others:
            return self.pool
        return np.concatenate([self.pool, self.vectors.existing])

    def _scores(
        self, helpers: FloatArray, *, known: bool, rows: IndexArray | None = None
    ) -> DoubleArray:
        """Predicted row scores, original units; of some of the helpers."""
        from nncift_core.network.predict import Predictor

        predictor = Predictor(self.fitted.project(helpers, self.helped, known=known))
        if rows is not None:
            columns = np.arange(predictor.n_target, dtype=np.int64)
            predictor = predictor.subset(rows, columns)
        values = predictor.block(0, predictor.n_train)
        return self.truth.row_scores(values)


_READABLE = frozenset({"target-matrix", "row-scores"})
"""What a sample's matrices hold: for an objective that reads more, FL (target) stands in."""


def exchange_answers(
    pool: Any, rows: IndexArray, rng: np.random.Generator
) -> tuple[list[Row], IndexArray]:
    """Copies of rows with the answer of another row: of another subtask, or of another prompt.

    Returns:
        The copies, and the positions of the rows that they are of; a row without a fitting
        partner is left out.
    """
    found: list[tuple[int, str]] = []
    several = len({row.subtask for row in pool}) > 1
    for i in rows:
        row = pool[i]
        for j in rng.permutation(len(pool)):
            other = pool[j]
            differs = other.subtask != row.subtask if several else other.prompt != row.prompt
            if differs and other.response != row.response:
                found.append((int(i), other.response))
                break
    ids = assign_ids((pool[i].prompt, answer) for i, answer in found)
    copies = [
        Row(row_id, pool[i].prompt, answer, pool[i].subtask)
        for row_id, (i, answer) in zip(ids, found, strict=True)
    ]
    return copies, np.array([i for i, _ in found], dtype=np.int64)


class _Silent:
    """Lets work be cancelled without a stage of its own."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, name: str, total: int, unit: str) -> None:
        """Ignored."""

    def advance(self, count: int = 1) -> None:
        """Raises: Cancelled."""
        self._progress.advance(0)

    def point(self, kind: str, values: Any) -> None:
        """Ignored."""

    def warn(self, message: str) -> None:
        """Passed on."""
        self._progress.warn(message)
