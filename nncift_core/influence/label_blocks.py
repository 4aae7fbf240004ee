"""What a label plan is made of: blocks of pairs or rows by role and matrix, and what pairs cost.

Knows nothing of how they are drawn, nor of influence functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nncift_core.types import IndexArray, Row

ROLES = ("q1", "q2", "q3", "q4", "q1u")
"""q1: trained on; q2: unseen pool rows x seen targets; q3: seen x unseen; q4: both unseen.

q1u: pairs of seen rows with seen targets that are not trained on; a block has none. Stored
labels name a role by its place here.
"""

MATRICES = ("target", "pool", "existing")
"""X: pool helps target; W: pool helps pool; E: existing rows help pool rows."""


@dataclass(frozen=True)
class PairCost:
    """What a pair costs, in units of a target's query and response.

    A row that is shown to ``k`` targets costs ``ratio + k``.

    Attributes:
        ratio: The length of a row as prefix over that of a target as query and response; 0
            where a pair needs no prefix.
    """

    ratio: float = 1.0

    @classmethod
    def of(cls, pool: Sequence[Row], target: Sequence[Row]) -> PairCost:
        """From the mean lengths of the texts of pool rows and target rows; opens no tokenizer."""
        shown, answered = (
            sum(len(row.prompt) + len(row.response) for row in rows) / max(1, len(rows))
            for rows in (pool, target)
        )
        return cls(shown / max(1.0, answered))


@dataclass(frozen=True)
class LabelBlock:
    """Pairs of some pool rows and some target rows, self pairs left out.

    Attributes:
        role: ``q1`` (trained on) or another of ``ROLES`` (only measured with).
        helpers: ``(a,)`` positions among the rows that help, ascending.
        helped: ``(b,)`` positions among the rows that are helped, ascending; only 0 for a
            pointwise function, which has no second side.
        matrix: Which of ``MATRICES`` it is a part of.
        columns: ``(a, k)`` for each helper the places in ``helped`` of its targets, all
            different; None where every helper is paired with all of them.
    """

    role: str
    helpers: IndexArray
    helped: IndexArray
    matrix: str = "target"
    columns: IndexArray | None = None

    @property
    def targets_of_each(self) -> int:
        """Pairs of each helper."""
        return len(self.helped) if self.columns is None else self.columns.shape[1]

    @property
    def n_pairs(self) -> int:
        """Pairs in the block, self pairs included."""
        return len(self.helpers) * self.targets_of_each

    def cost(self, ratio: float) -> float:
        """What the pairs cost, in units of a target's query and response; see ``PairCost``."""
        return len(self.helpers) * (ratio + self.targets_of_each)


@dataclass(frozen=True)
class LabelPlan:
    """The blocks to label, by matrix and in the order of ROLES; an empty block is left out."""

    blocks: tuple[LabelBlock, ...]

    def block(self, role: str, matrix: str = "target") -> LabelBlock | None:
        """The block of ``role``, None when the data are too few for it."""
        found = (b for b in self.blocks if (b.role, b.matrix) == (role, matrix))
        return next(found, None)

    @property
    def training_pairs(self) -> int:
        """Pairs to train on."""
        return sum(block.n_pairs for block in self.blocks if block.role == "q1")

    @property
    def evaluation_pairs(self) -> int:
        """Pairs that only measure."""
        return sum(block.n_pairs for block in self.blocks if block.role != "q1")
