"""Which rows of a pool say the same, so that a selection keeps at most one of them.

Two rows are **near** duplicates when a person would call one a copy of the other with a new
greeting, other case or punctuation, or the task put in other words, and the answer is the same.
Likeness alone does not show that: templated rows that differ in one number are more alike than
many real copies. So all of this must hold (the reading of texts is in ``row_texts``):

1. the answers are equal but for case and punctuation;
2. the prompts hold the same numbers, signs and negations in the same order;
3. not each of the prompts has a *particular* word that the other lacks, one that stands beside few
   different answers of the pool (beside a label every word is particular): where each has one,
   something else is asked; the particular words that both have come in the same order, but for one
   part that may change ends; and no word is exchanged for another while all around stays the same;
4. the prompts' shingles (words, and pairs of neighbours) have a Jaccard similarity of at least
   ``LIKE``, or ``LIKE_WITH_MORE`` where one prompt has particular words besides all of the
   other's, or ``LIKE_FOR_LABELS`` where very many prompts share the answer. Where the rows'
   embeddings have a cosine of at least ``COSINE``, ``COSINE_LOWERS`` less is enough.

Points 1 and 2 are equalities, so rows are first sorted into blocks by them; no table of all pairs
is made. In a large block MinHash finds the pairs to look at; every pair is then checked exactly.
The same rows give the same groups in every process.

A group is a centre and the rows that are near that very row. Chains are not followed: where A is
near B and B near C, but A not near C, B goes with the nearer of the two. So what is dropped is at
most two steps from what is kept.

Measured by the texts alone. The demo pool, 2,000 rows with 200 planted near duplicates: 200 found
and no other pair. Seven such pools, on which the thresholds were chosen: 1,398 of 1,400 and 5 other
pairs; six more pools afterwards: 1,199 of 1,200 and 2. Each other pair is one task of one house in
two wordings with one answer. Real pools of 999, 2,017 and 7,473 rows of instructions, code and
sums: all 14 groups are right. In 15,000 real rows, half of them copies with a greeting, other case
or punctuation, all are found but 36 whose numbers are written otherwise (20,000 and 20000).

Knows no files and no objectives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nncift_core.datasets.lazy_rows import hashes_of
from nncift_core.errors import unknown_name
from nncift_core.progress import Progress, SilentProgress
from nncift_core.selection.minhash import colliding
from nncift_core.selection.row_texts import (
    Prompt,
    Reading,
    jaccard,
    read_prompts,
    read_rows,
    same_order,
    swaps_a_word,
)
from nncift_core.types import FloatArray, IndexArray, Row

NEAR, EXACT, KEEP = "near", "exact", "keep"

LEVELS = (NEAR, EXACT, KEEP)
"""What counts as a duplicate: also nearly the same, only equal content, or nothing."""

LIKE, LIKE_WITH_MORE, LIKE_FOR_LABELS = 0.35, 0.5, 0.7
"""Least Jaccard similarity of the prompts' shingles, see the module's text."""

COSINE, COSINE_LOWERS = 0.95, 0.2

LABEL_SHARE, LABEL_LEAST = 0.01, 16
"""An answer that more prompts share than either is a label, and says little about its prompt."""

ALL_PAIRS = 48
"""Blocks of at most so many different texts are compared pair by pair, without MinHash."""

_ROWS_A_STEP = 512


@dataclass(frozen=True, eq=False)
class DuplicateGroups:
    """Groups of rows of which a selection keeps at most one.

    Attributes:
        group: ``(n_train,)`` number of each row's group, -1 for rows without a duplicate; groups
            are numbered by first appearance.
        exact: ``(n_train,)`` whether the row's content occurs again in the pool, at any level.
    """

    group: IndexArray
    exact: NDArray[np.bool_]

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.group.max(initial=-1)) + 1

    def members(self, number: int) -> IndexArray:
        """Positions of a group's rows, ascending."""
        return np.flatnonzero(self.group == number)

    def counts(self) -> dict[str, int]:
        """How many there are.

        Returns:
            ``groups``; ``rows`` in groups; of these ``exact`` (the content occurs again) and
            ``near`` (it does not); ``removable``, the rows beyond one a group.
        """
        inside = self.group >= 0
        rows, groups = int(inside.sum()), self.n_groups
        exact = int((self.exact & inside).sum())
        return {
            "groups": groups,
            "rows": rows,
            "exact": exact,
            "near": rows - exact,
            "removable": rows - groups,
        }


def duplicate_groups(
    rows: Sequence[Row],
    embeddings: FloatArray | None,
    *,
    level: str = NEAR,
    progress: Progress | None = None,
) -> DuplicateGroups:
    """The groups of duplicates among rows.

    Args:
        rows: ``n_train`` rows of the pool.
        embeddings: ``(n_train, d)`` vectors of the rows, or None to go by the texts alone. They
            let pass pairs whose wording differs more; all other demands stay.
        level: ``near``, ``exact`` or ``keep``.
        progress: Told of stage ``duplicates`` in rows.

    Raises:
        ConfigError: There is no such level.
        Cancelled: Between rows.
        ValueError: There is not one vector a row.
    """
    if level not in LEVELS:
        raise unknown_name("level of duplicates", level, LEVELS)
    if embeddings is not None and len(embeddings) != len(rows):
        raise ValueError(f"{len(rows)} rows but {len(embeddings)} vectors")
    progress = progress or SilentProgress()
    progress.stage("duplicates", len(rows), "rows")
    contents = _numbers(hashes_of(rows))
    exact = (np.bincount(contents)[contents] > 1) if len(rows) else np.zeros(0, dtype=bool)
    if level == NEAR:
        group = _near_groups(rows, embeddings, progress)
    else:
        progress.advance(len(rows))
        group = contents if level == EXACT else np.arange(len(rows), dtype=np.int64)
    return DuplicateGroups(_without_singles(group), exact)


def _numbers(keys: Sequence[bytes | str]) -> IndexArray:
    """Number of each key by first appearance."""
    seen: dict[bytes | str, int] = {}
    return np.fromiter((seen.setdefault(key, len(seen)) for key in keys), np.int64, len(keys))


def _without_singles(group: IndexArray) -> IndexArray:
    """The same groups numbered by first appearance, those of one row as -1."""
    if not len(group):
        return np.empty(0, dtype=np.int64)
    _, first, inverse, size = np.unique(
        group, return_index=True, return_inverse=True, return_counts=True
    )
    several = np.flatnonzero(size > 1)
    number = np.full(len(size), -1, dtype=np.int64)
    number[several[np.argsort(first[several])]] = np.arange(len(several))
    return number[inverse]


def _near_groups(
    rows: Sequence[Row], embeddings: FloatArray | None, progress: Progress
) -> IndexArray:
    """``(n_train,)`` group of each row; every row is in one, most alone."""
    readings: list[Reading] = []
    for start in range(0, len(rows), _ROWS_A_STEP):
        part = rows[start : start + _ROWS_A_STEP]
        readings.extend(read_rows(part))
        progress.advance(len(part))
    # Rows that differ in case and punctuation only are one text from here on.
    text = _numbers([reading.text for reading in readings])
    first = np.unique(text, return_index=True)[1] if len(rows) else text
    answers: dict[bytes, list[int]] = defaultdict(list)
    blocks: dict[bytes, list[int]] = defaultdict(list)
    for number, position in enumerate(first):
        answers[readings[position].answer].append(number)
        blocks[readings[position].answer + readings[position].signs].append(number)
    several = [block for block in blocks.values() if len(block) > 1]
    prompts = read_prompts(
        [rows[position].prompt for position in first],
        list(answers.values()),
        {number for block in several for number in block},
        lambda: progress.advance(0),
    )
    label = max(LABEL_LEAST, LABEL_SHARE * len(first))
    centre = np.arange(len(first), dtype=np.int64)
    for block in several:
        progress.advance(0)
        reading = readings[first[block[0]]]
        is_label = not reading.answers or len(answers[reading.answer]) > label
        _Block(block, prompts, first, embeddings, is_label, progress).group(centre)
    return centre[text]


class _Block:
    """Different texts with one answer and the same signs."""

    def __init__(
        self,
        numbers: Sequence[int],
        prompts: dict[int, Prompt],
        positions: IndexArray,
        vectors: FloatArray | None,
        is_label: bool,
        progress: Progress,
    ) -> None:
        self._numbers = numbers
        self._prompts = prompts
        self._positions = positions
        self._vectors = vectors
        self._is_label = is_label
        self._progress = progress

    def group(self, centre: IndexArray) -> None:
        """Write into ``centre`` the centre of each text's group."""
        found = []
        for count, (a, b) in enumerate(self._candidates()):
            if count % 1024 == 0:
                self._progress.advance(0)
            like = self._likeness(a, b)
            if like is not None:
                found.append((-like, a, b))
        members = {number: [number] for number in self._numbers}
        refused: set[tuple[int, int]] = set()
        for _, a, b in sorted(found):
            one, other = int(centre[a]), int(centre[b])
            # The smaller group joins the larger, so that few texts need a new comparison.
            if (-len(members[other]), other) < (-len(members[one]), one):
                one, other = other, one
            if one == other or (one, other) in refused:
                continue
            if all(self._likeness(one, each) is not None for each in members[other]):
                centre[members[other]] = one
                members[one] += members.pop(other)
            else:
                # Groups only grow, so this one will never join that one.
                refused.add((one, other))

    def _candidates(self) -> Iterator[tuple[int, int]]:
        if len(self._numbers) <= ALL_PAIRS:
            return combinations(self._numbers, 2)
        return iter(colliding(self._numbers, self._features()))

    def _features(self) -> Iterator[list[bytes]]:
        for count, number in enumerate(self._numbers):
            if count % _ROWS_A_STEP == 0:
                self._progress.advance(0)
            yield self._prompts[number].features

    def _likeness(self, a: int, b: int) -> float | None:
        """Jaccard similarity of two prompts that are near, else None."""
        one, other = self._prompts[a], self._prompts[b]
        if not one.words or not other.words:
            return None
        # Beside a label every word tells.
        own, its = (
            (one.content, other.content) if self._is_label else (one.particular, other.particular)
        )
        more = own != its
        if more and not (own <= its or its <= own):
            return None
        like = jaccard(one, other)
        least = LIKE_FOR_LABELS if self._is_label else LIKE_WITH_MORE if more else LIKE
        if like < least and not (like >= least - COSINE_LOWERS and self._mean_the_same(a, b)):
            return None
        return like if same_order(one, other) and not swaps_a_word(one, other) else None

    def _mean_the_same(self, a: int, b: int) -> bool:
        if self._vectors is None:
            return False
        one, other = self._vectors[self._positions[a]], self._vectors[self._positions[b]]
        return _cosine(one, other) >= COSINE


def _cosine(one: FloatArray, other: FloatArray) -> float:
    length = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / length if length > 0 else 0.0
