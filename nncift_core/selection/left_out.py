"""Why rows were not chosen: every row of the pool that is not in a selection has one reason.

The first that holds, in this order: it was banned, a duplicate of it is in, a quota it belongs to
is full, its tokens do not fit, chosen rows cover its targets, or other rows gain more. Kinds are
told for the whole pool at once, sentences for a page of rows. Knows positions, ids and demands;
where influence is given it is read for the rows asked for and no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nncift_core.selection.constraints import Constraints
from nncift_core.selection.covered_targets import NOBODY, Covered, ReadRows, row_blocks
from nncift_core.selection.explanations import LeftOutExplanation, explain_left_out
from nncift_core.types import IndexArray

if TYPE_CHECKING:
    from nncift_core.selection.duplicates import DuplicateGroups

CHOSEN = "chosen"
BANNED = "banned"
RULE = "rule"
LENGTH = "length"
DUPLICATE = "duplicate"
QUOTA = "quota"
TOKENS = "tokens"
COVERED = "covered"
SCORES_LESS = "scores-less"
GAINS_LESS = "gains-less"

KINDS: Mapping[str, str] = {
    CHOSEN: "chosen",
    BANNED: "banned by hand",
    RULE: "banned by a rule",
    LENGTH: "too short or too long",
    DUPLICATE: "a duplicate of a chosen row",
    QUOTA: "a quota is full",
    TOKENS: "does not fit into the token budget",
    COVERED: "its targets are covered at least as well by chosen rows",
    SCORES_LESS: "chosen rows have higher scores",
    GAINS_LESS: "chosen rows gain more",
}
"""What can become of a row, in the order of precedence, in words."""

BY_HAND = "banned by hand"
BY_RULE = "banned by rule"
"""How reasons of bans begin; other reasons of bans name a length in tokens."""

_NAMES = tuple(KINDS)
_CODES = {kind: code for code, kind in enumerate(KINDS)}
_TARGETS_NAMED = 3
_ROWS_NAMED = 3


class Ordered(Protocol):
    """A selection, or the part of it that is read here; ``SelectionResult`` is one."""

    @property
    def order(self) -> IndexArray:
        """``(k,)`` positions in the pool, the first picks first."""


class LeftOut:
    """What became of every row of a pool.

    Args:
        result: The selection. Its order may be longer than what is chosen: then it also tells
            where rows would come next.
        constraints: What was demanded of it.
        row_ids: Id of each pool row.
        ban_reasons: By position, why a banned row is banned; a banned row without a reason was
            banned by hand.
        groups: The duplicate groups that the constraints were made of; only needed where those
            of the constraints do not tell them.
        chosen: Rows that are chosen, the first of the order; all of it if None.
        read_rows: Influence of pool rows on the targets on the common scale; None where rows
            have scores of their own.
        covered: ``target_coverage`` of the chosen rows, with ``read_rows``.
        scores: ``(n_train,)`` what rows were ranked by, for objectives that rank single rows.

    Attributes:
        codes: ``(n_train,)`` int8 place of each row's kind in ``KINDS``.
    """

    codes: NDArray[np.int8]

    def __init__(
        self,
        result: Ordered,
        constraints: Constraints,
        row_ids: Sequence[str],
        ban_reasons: Mapping[int, str],
        groups: DuplicateGroups | None = None,
        *,
        chosen: int | None = None,
        read_rows: ReadRows | None = None,
        covered: Covered | None = None,
        scores: NDArray[np.floating] | None = None,
    ) -> None:
        self._order = np.asarray(result.order, dtype=np.int64)
        self._chosen = self._order if chosen is None else self._order[:chosen]
        self._constraints = constraints
        self._row_ids = row_ids
        self._bans = ban_reasons
        self._read_rows, self._covered, self._scores = read_rows, covered, scores
        n_train = len(row_ids)
        self._rank = np.full(n_train, NOBODY, dtype=np.int64)
        self._rank[self._order] = np.arange(1, len(self._order) + 1)
        duplicates = constraints.duplicates
        # Groups that nothing was demanded of keep no row out.
        self._group = groups.group if groups is not None and duplicates is not None else duplicates
        self._holder = self._holders()
        self._full = [
            quota for quota in constraints.quotas if self._is_full(quota.members, quota.most)
        ]
        self._left = self._tokens_left()
        self.codes = self._kinds(n_train)

    def kind(self, position: int) -> str:
        """What became of one row; COVERED counts as GAINS_LESS here, since it takes influence."""
        return _NAMES[int(self.codes[position])]

    def positions(self, kind: str) -> IndexArray:
        """Positions of the rows of a kind, in input order."""
        return np.flatnonzero(self.codes == _CODES[kind])

    def counts(self, *, by_coverage: bool = False) -> dict[str, int]:
        """Rows left out by kind, kinds without rows and chosen rows not included.

        Args:
            by_coverage: Also tell COVERED from GAINS_LESS, which reads the influence of the rows
                that no demand keeps out.
        """
        codes = self.codes
        if by_coverage and self._read_rows is not None and self._covered is not None:
            codes = codes.copy()
            for positions in row_blocks(self.positions(GAINS_LESS), self._covered.n_target):
                adds = (self._read_rows(positions) > self._covered.best).any(axis=1)
                codes[positions[~adds]] = _CODES[COVERED]
        number = np.bincount(codes, minlength=len(KINDS))
        return {
            kind: int(number[code])
            for kind, code in _CODES.items()
            if number[code] and kind != CHOSEN
        }

    def reasons(self, positions: Sequence[int] | IndexArray, *, covering: bool = True) -> list[str]:
        """One reason a row, a sentence without its full stop.

        Args:
            positions: In the pool.
            covering: Whether to read influence and name the rows that cover its targets.
        """
        return [self._reason(int(position), covering) for position in positions]

    def _kinds(self, n_train: int) -> NDArray[np.int8]:
        last = SCORES_LESS if self._scores is not None else GAINS_LESS
        codes = np.full(n_train, _CODES[last], dtype=np.int8)
        # From the weakest reason to the strongest, each overruling those before.
        if self._left is not None:
            assert self._constraints.tokens is not None
            codes[self._constraints.tokens > self._left] = _CODES[TOKENS]
        for quota in self._full:
            codes[quota.members] = _CODES[QUOTA]
        if self._group is not None:
            inside = self._group >= 0
            held = np.zeros(n_train, dtype=bool)
            held[inside] = self._holder[self._group[inside]] != NOBODY
            codes[held] = _CODES[DUPLICATE]
        codes[self._constraints.banned] = _CODES[BANNED]
        for position, reason in self._bans.items():
            codes[position] = _CODES[_kind_of_ban(reason)]
        codes[self._chosen] = _CODES[CHOSEN]
        return codes

    def _holders(self) -> IndexArray:
        """``(n_groups,)`` the chosen row of each duplicate group, NOBODY where none is."""
        if self._group is None:
            return np.empty(0, dtype=np.int64)
        holder = np.full(int(self._group.max(initial=NOBODY)) + 1, NOBODY, dtype=np.int64)
        grouped = self._chosen[self._group[self._chosen] >= 0]
        # The last one written stays: of several pinned rows, the one that was picked first.
        holder[self._group[grouped[::-1]]] = grouped[::-1]
        return holder

    def _is_full(self, members: IndexArray, most: int | None) -> bool:
        return most is not None and self._in(members) >= most

    def _in(self, members: IndexArray) -> int:
        rank = self._rank[members]
        return int(((rank > 0) & (rank <= len(self._chosen))).sum())

    def _tokens_left(self) -> int | None:
        tokens, budget = self._constraints.tokens, self._constraints.token_budget
        if tokens is None or budget is None:
            return None
        return max(0, budget - int(tokens[self._chosen].sum()))

    def _reason(self, position: int, covering: bool) -> str:
        kind = self.kind(position)
        if kind == CHOSEN:
            return f"chosen, rank {self._rank[position]:,}"
        if kind in (BANNED, RULE, LENGTH):
            return self._bans.get(position, BY_HAND)
        if kind == DUPLICATE:
            assert self._group is not None
            other = self._row_ids[self._holder[self._group[position]]]
            nearly = "" if _content(other) == _content(self._row_ids[position]) else "nearly "
            return f"{nearly}the same as chosen row {other}"
        if kind == QUOTA:
            return self._quota_words(position)
        if kind == TOKENS:
            tokens = self._constraints.tokens
            assert tokens is not None and self._constraints.token_budget is not None
            return (
                f"{_tokens(int(tokens[position]))}, but {self._left:,} are left of the token "
                f"budget of {self._constraints.token_budget:,}"
            )
        if kind == SCORES_LESS:
            return self._score_words(position)
        return self._gain_words(position, covering)

    def _quota_words(self, position: int) -> str:
        quota = next(quota for quota in self._full if (quota.members == position).any())
        return f"quota of {quota.name} is full ({self._in(quota.members):,} of {quota.most:,})"

    def _score_words(self, position: int) -> str:
        assert self._scores is not None
        score = float(self._scores[position])
        if not np.isfinite(score):
            return "it has no score"
        rank, about = int(self._rank[position]), ""
        if rank < 0:
            # Of those that nothing but their score keeps out.
            free = self.positions(SCORES_LESS)
            rank = len(self._chosen) + 1 + int((self._scores[free] > score).sum())
            about = "about "
        last = float(self._scores[self._chosen].min()) if len(self._chosen) else None
        # A pinned row may have a score below this one's.
        against = f", the lowest chosen {last:.4g}" if last is not None and last >= score else ""
        return f"its score is {score:.4g}{against}; it would come at rank {about}{rank:,}"

    def _gain_words(self, position: int, covering: bool) -> str:
        rank = int(self._rank[position])
        first = (
            f"next rows gain more; it would come at rank {rank:,}"
            if rank > 0
            else "chosen rows gain more"
        )
        if not covering or self._read_rows is None or self._covered is None:
            return first
        found = explain_left_out(
            self._read_rows, self._chosen, position, _TARGETS_NAMED, covered=self._covered
        )
        if not found.targets:
            return f"{first}; it helps no target"
        if not found.better_of:
            covered = f"its targets are covered by chosen rows: {self._named(found)}"
            return covered if rank < 0 else f"{first}; {covered}"
        if found.covered_by:
            held = sum(number for _, number in found.covered_by)
            of = f"{held} of its {len(found.targets)} best targets"
            return f"{first}; {of} are covered by chosen rows: {self._named(found)}"
        better = f"{found.better_of:,} target{'s' if found.better_of > 1 else ''}"
        return f"{first}; it would cover {better} better than they do, by {found.added:.3g} in all"

    def _named(self, found: LeftOutExplanation) -> str:
        rows = [self._row_ids[row] for row, _ in found.covered_by[:_ROWS_NAMED]]
        return ", ".join(rows)


def left_out_reasons(
    result: Ordered,
    constraints: Constraints,
    positions: Sequence[int] | IndexArray,
    row_ids: Sequence[str],
    ban_reasons: Mapping[int, str],
    groups: DuplicateGroups | None = None,
    *,
    chosen: int | None = None,
    read_rows: ReadRows | None = None,
    covered: Covered | None = None,
    scores: NDArray[np.floating] | None = None,
) -> list[str]:
    """Why each of a page of rows is not chosen; the arguments are those of ``LeftOut``.

    Use ``LeftOut`` itself for several pages of one selection: it reads the demands once.
    """
    left_out = LeftOut(
        result,
        constraints,
        row_ids,
        ban_reasons,
        groups,
        chosen=chosen,
        read_rows=read_rows,
        covered=covered,
        scores=scores,
    )
    return left_out.reasons(positions)


def _kind_of_ban(reason: str) -> str:
    if reason.startswith(BY_RULE):
        return RULE
    return BANNED if reason.startswith(BY_HAND) else LENGTH


def _content(row_id: str) -> str:
    """The part of a row's id that rows of equal content share."""
    return row_id.rsplit("-", 1)[0]


def _tokens(number: int) -> str:
    return f"{number:,} token{'' if number == 1 else 's'}"
