"""The explanation of one selection: why each row is in or out, and what is covered how well.

Values are on the scale that selection works on, 0 to about 1 between the lowest and the highest
training label, and in the influence function's own units beside it. Of a pointwise function there
are scores and ranks and no targets. Knows a run and an order, not where the order is from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.pipeline.demands import Demands
from nncift_core.pipeline.explained import (
    CoverageReport,
    RowExplanation,
    TargetLine,
    WorstLine,
    chosen_words,
    left_out_words,
    score_words,
)
from nncift_core.pipeline.influence_rows import RunInfluence, places_of, target_clusters
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.view import RunView
from nncift_core.progress import Progress, SilentProgress
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.explanations import (
    REACHED,
    TOP,
    Covered,
    ReadRows,
    TargetValue,
    best_possible,
    coverage_by_group,
    explain_chosen,
    explain_left_out,
    target_coverage,
    worst_covered,
)
from nncift_core.selection.left_out import CHOSEN, COVERED, GAINS_LESS, LeftOut
from nncift_core.types import FloatArray, IndexArray

MOST_CELLS_COUNTED = 200_000_000
"""Pairs up to which the rows left out are told apart by what they would add to targets."""


class Explanation:
    """Why the rows of one selection are in and the others out.

    Args:
        view: The run that was chosen from.
        objective: What was maximised.
        order: The nested order as far as it is known.
        n_rows: How many rows of it are chosen.
        reasons: ``(n_rows,)`` why each was picked.
        rounds: ``(n_rows,)`` round of each, from 1.
        demands: What was demanded.
        read_rows: Scaled influence where it lies ready; read from the run if None.
        covered: What the chosen rows cover, where it was computed before.
        possible: Gives the best value of the pool on each target, where somebody keeps it.
        row_ids: Ids of the pool rows, where somebody has them at hand.
    """

    def __init__(
        self,
        view: RunView,
        objective: str,
        order: IndexArray,
        n_rows: int,
        reasons: Sequence[str],
        rounds: Sequence[int] | NDArray[np.int32],
        demands: Demands,
        *,
        read_rows: ReadRows | None = None,
        covered: Covered | None = None,
        possible: Callable[[], FloatArray] | None = None,
        row_ids: Sequence[str] | None = None,
    ) -> None:
        self.view, self.objective = view, objective
        self.order = np.asarray(order, dtype=np.int64)
        self.chosen = self.order[:n_rows]
        self.demands = demands
        self._reasons, self._rounds = reasons, rounds
        self._read_rows, self._known, self._possible = read_rows, covered, possible
        self._row_ids = row_ids

    @property
    def roles(self) -> Roles:
        """The rows of the run."""
        return self.view.roles

    @property
    def pointwise(self) -> bool:
        """Whether rows are scored alone, so that there is nothing to say of targets."""
        return self.view.pointwise

    @functools.cached_property
    def influence(self) -> RunInfluence:
        """Influence in both units; of a pairwise run only."""
        return RunInfluence(self.view)

    @property
    def read_rows(self) -> ReadRows:
        """Scaled influence of pool rows; of a pairwise run only."""
        return self.influence.scaled if self._read_rows is None else self._read_rows

    @functools.cached_property
    def covered(self) -> Covered:
        """What the chosen rows cover; without the best possible values where nobody asked."""
        return self._known or target_coverage(self.read_rows, self.chosen)

    @functools.cached_property
    def left_out(self) -> LeftOut:
        """What became of every row; its sentences name covering rows for pairwise runs."""
        by_score = OBJECTIVES[self.objective].needs == {"row-scores"}
        targets = not self.pointwise and not by_score
        return LeftOut(
            self,
            self.demands.constraints,
            self._row_ids or [row.id for row in self.roles.pool],
            self.demands.ban_reasons,
            self.demands.groups,
            chosen=len(self.chosen),
            read_rows=self.read_rows if targets else None,
            covered=self.covered if targets else None,
            scores=self.view.row_scores if by_score else None,
        )

    def position_of(self, row_id: str) -> int:
        """Position in the pool of a row. Raises: ConfigError."""
        found = places_of(self.view).get(row_id)
        if found is not None:
            return found
        if any(row.id == row_id for row in self.roles.target):
            raise ConfigError(
                f"Row {row_id!r} is a target row, so it can be neither chosen nor left out.",
                "Give the id of a pool row.",
            )
        raise ConfigError(
            f"There is no row {row_id!r} in the pool of run {self.view.run_id}.",
            "Exports, their manifests and the app show row ids.",
        )

    def row(self, position: int, top: int = TOP) -> RowExplanation:
        """Why one row is in or out.

        Args:
            position: In the pool.
            top: Targets listed at most.
        """
        kind = self.left_out.kind(position)
        chosen = kind == CHOSEN
        rank = int(np.flatnonzero(self.chosen == position)[0]) if chosen else None
        if rank is not None:
            reason, round_ = self._reasons[rank], int(self._rounds[rank])
        else:
            reason, round_ = self.left_out.reasons([position], covering=False)[0], None
        scores = self.view.row_scores
        score = float(scores[position]) if np.isfinite(scores[position]) else None
        known: dict[str, Any] = {
            "row_id": self.roles.pool[position].id,
            "position": position,
            "input_row": int(self.roles.pool_positions[position]) + 1,
            "chosen": chosen,
            "kind": kind,
            "reason": reason,
            "rank": None if rank is None else rank + 1,
            "round": round_,
            "score": score,
            "score_rank": None if score is None else int((scores > score).sum()) + 1,
        }
        if self.pointwise:
            words = score_words(reason, known, len(self.roles.pool))
            return RowExplanation(**known, sentence=words)
        if chosen:
            found = explain_chosen(self.read_rows, self.chosen, position, top, covered=self.covered)
            words = chosen_words(found, reason, known["round"], self._best_in_round(position))
            lines = self._lines(position, found.targets)
            return RowExplanation(
                **known, sentence=words, targets=lines, best_of=found.best_of, lost=found.lost
            )
        missed = explain_left_out(self.read_rows, self.chosen, position, top, covered=self.covered)
        later = position in self.order[len(self.chosen) :]
        if kind == GAINS_LESS and missed.targets and not missed.better_of and not later:
            known["kind"] = COVERED
        known["reason"] = self.left_out.reasons([position])[0]
        pool = self.roles.pool
        return RowExplanation(
            **known,
            sentence=left_out_words(missed, reason, known["kind"]),
            targets=self._lines(position, missed.targets),
            covered_by=tuple((pool[row].id, number) for row, number in missed.covered_by),
            better_of=missed.better_of,
            added=missed.added,
        )

    def coverage(self, top: int = TOP, progress: Progress | None = None) -> CoverageReport:
        """How well targets are covered, by subtask and cluster, and the worst of them.

        Args:
            top: Targets listed at most.
            progress: Told of stage ``read`` in rows where the whole pool must be read.

        Raises:
            ConfigError: Rows are scored alone.
            Cancelled: From ``progress``.
        """
        if self.pointwise:
            raise ConfigError(
                f"Method {self.view.spec.config.method!r} scores rows alone, so no targets are "
                "covered.",
            )
        covered = self.with_possible(progress)
        subtasks = [row.subtask for row in self.roles.target]
        numbers, examples = target_clusters(self.view)
        clusters = [] if numbers is None else [f"cluster {number}" for number in numbers.tolist()]
        (everything,) = coverage_by_group(covered)
        worst = worst_covered(covered, top)
        return CoverageReport(
            everything,
            tuple(coverage_by_group(covered, subtasks)),
            tuple(coverage_by_group(covered, clusters)) if clusters else (),
            examples,
            tuple(
                WorstLine(
                    **self._target(item.target),
                    best_row_id=None
                    if item.best_row is None
                    else self.roles.pool[item.best_row].id,
                    best=item.best,
                    best_original=self._original(item.best_row, item.target),
                    possible=item.possible,
                    share=item.share,
                )
                for item in worst
            ),
            REACHED,
        )

    def left_out_counts(self) -> dict[str, int]:
        """Rows left out by kind. In large runs COVERED rows count as those that gain less."""
        cells = len(self.roles.pool) * max(1, len(self.roles.target))
        return self.left_out.counts(by_coverage=cells <= MOST_CELLS_COUNTED)

    def with_possible(self, progress: Progress | None = None) -> Covered:
        """What the chosen rows cover, with the best value of the pool on each target.

        Args:
            progress: Told of stage ``read`` in rows where the whole pool must be read.

        Raises:
            Cancelled: From ``progress``.
        """
        if self.covered.possible is None:
            if self._possible is not None:
                possible = self._possible()
            else:
                n_train = len(self.roles.pool)
                progress = progress or SilentProgress()
                progress.stage("read", n_train, "rows")
                possible = best_possible(self.read_rows, n_train, progress)
            self.covered = replace(self.covered, possible=possible)
        return self.covered

    def _best_in_round(self, position: int) -> int | None:
        """Targets that a row covers best of the rows of its round; None where there is one."""
        rounds = np.asarray(self._rounds[: len(self.chosen)])
        if not len(rounds) or rounds[-1] == rounds[0]:
            return None
        rank = int(np.flatnonzero(self.chosen == position)[0])
        mates = self.chosen[rounds == rounds[rank]]
        return explain_chosen(self.read_rows, mates, position).best_of

    def _lines(self, position: int, items: Sequence[TargetValue]) -> tuple[TargetLine, ...]:
        pool = self.roles.pool
        return tuple(
            TargetLine(
                **self._target(item.target),
                value=item.value,
                value_original=self._original(position, item.target),
                other_row_id=None if item.other_row is None else pool[item.other_row].id,
                other_position=item.other_row,
                other=item.other,
                other_original=self._original(item.other_row, item.target),
                difference=item.difference,
                best=item.best,
            )
            for item in items
        )

    def _target(self, target: int) -> dict[str, Any]:
        row = self.roles.target[target]
        return {"target_id": row.id, "target": target, "prompt": row.prompt, "subtask": row.subtask}

    def _original(self, position: int | None, target: int) -> float | None:
        """One value in the influence function's own units."""
        if position is None:
            return None
        pair = np.array([position]), np.array([target])
        return float(self.view.estimates.subset(*pair).block(0, 1)[0, 0])
