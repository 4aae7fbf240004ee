"""Compiled arithmetic of selection: gains of single rows, picks of lazy greedy, open rows.

Numba compiles these functions on first use and keeps the result on disk. They know arrays only;
what the arrays mean is said where they are made: ``Function`` in ``finders``, ``Openings`` in
``openings``. Sums are float64, so that gains need no error bound. Reordering of sums is allowed
(that is what makes them fast), assuming finite numbers is not: NaN must be seen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

TIE = 1e-9
"""Gains within this share of the best are ties. A float64 sum of n non-negative terms is right
to n * 1.1e-16, so at 100,000 columns rounding cannot part equal gains, nor join unlike ones."""

ROUNDING = 1e-12
"""How far above its true value a float64 bound may lie, with room to spare."""

BEST, CAPPED, ROOT = 0, 1, 2
"""How a column is covered: by its best row, by that up to a cap, by the root of the sum."""

FULL, SATURATED, TOKENS = 0, 1, 2
"""Why picking stopped: enough picks, no row gains enough, the next row does not fit."""

PINNED, OWED, FREE = 0, 1, 2
"""Phases of a selection: pins, what quotas demand at least, everything else."""

FAST = {"reassoc", "nsz", "contract", "arcp"}

_fast: Any = numba.njit(cache=True, nogil=True, fastmath=FAST)
compiled: Any = numba.njit(cache=True, nogil=True)
"""What compiles a function for this processor; also for modules that loop over rows."""


class Function(NamedTuple):
    """A coverage with its present set. Either ``matrix`` is filled or the sparse three are.

    ``kind``; ``sparse`` 0 or 1; ``matrix`` (n, m) float32 read-only; ``starts`` (n + 1,) int64,
    ``columns`` int32 and ``values`` float32: the entries of each row; ``level`` (m,) float32,
    what is covered; ``total`` and ``root`` (m,) float64, the sum and its root, for ROOT; ``cap``
    (m,) float32, for CAPPED; ``bonus`` (n,) float64 or empty, added to a row's gain whatever is
    covered.
    """

    kind: Any
    sparse: Any
    matrix: Any
    starts: Any
    columns: Any
    values: Any
    level: Any
    total: Any
    root: Any
    cap: Any
    bonus: Any


class Doors(NamedTuple):
    """Which rows may be chosen.

    ``closed`` (n,) uint8: chosen or banned; ``starts`` (n + 1,) and ``classes``: the groups each
    row is in; ``left`` and ``owed``: rows each group may still and must still have; ``tokens``
    (n,) int64 or empty; ``tokens_left`` (1,).
    """

    closed: Any
    starts: Any
    classes: Any
    left: Any
    owed: Any
    tokens: Any
    tokens_left: Any


class Bounds(NamedTuple):
    """What lazy greedy remembers.

    ``key`` (n,) upper bound of each row's gain a unit of cost; ``look`` (n,) the pick it was
    computed at; ``heap`` and ``aside`` (n,) int64 rows.
    """

    key: Any
    look: Any
    heap: Any
    aside: Any


@_fast
def _best_gain(values, level):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(values.shape[0]):
        excess = np.float64(values[j]) - np.float64(level[j])
        total += excess if excess > 0 else 0.0
    return total


@_fast
def _capped_gain(values, level, cap):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(values.shape[0]):
        excess = np.float64(min(values[j], cap[j])) - np.float64(level[j])
        total += excess if excess > 0 else 0.0
    return total


@_fast
def _root_gain(values, total, root):  # type: ignore[no-untyped-def]
    growth = 0.0
    for j in range(values.shape[0]):
        growth += np.sqrt(total[j] + max(values[j], np.float32(0))) - root[j]
    return growth


@_fast
def check_sum(values):  # type: ignore[no-untyped-def]
    """The sum of values; not finite where one of them is not."""
    total = 0.0
    for j in range(values.shape[0]):
        total += values[j]
    return total


@compiled
def row_gain(function, row):  # type: ignore[no-untyped-def]
    """What one row would add now."""
    gain = function.bonus[row] if function.bonus.shape[0] else 0.0
    if not function.sparse:
        values = function.matrix[row]
        if function.kind == BEST:
            return gain + _best_gain(values, function.level)
        if function.kind == CAPPED:
            return gain + _capped_gain(values, function.level, function.cap)
        return gain + _root_gain(values, function.total, function.root)
    for entry in range(function.starts[row], function.starts[row + 1]):
        j, value = function.columns[entry], function.values[entry]
        if function.kind == ROOT:
            gain += np.sqrt(function.total[j] + max(value, np.float32(0))) - function.root[j]
            continue
        if function.kind == CAPPED:
            value = min(value, function.cap[j])
        excess = np.float64(value) - np.float64(function.level[j])
        gain += excess if excess > 0 else 0.0
    return gain


@compiled
def all_gains(function, gains):  # type: ignore[no-untyped-def]
    """Gains of all rows into ``gains``; NaN where a row is not finite."""
    for row in range(gains.shape[0]):
        gain = row_gain(function, row)
        if function.sparse:
            check = check_sum(function.values[function.starts[row] : function.starts[row + 1]])
        else:
            check = check_sum(function.matrix[row])
        gains[row] = gain if np.isfinite(check) else np.nan


@compiled
def some_gains(function, rows, gains):  # type: ignore[no-untyped-def]
    """Gains of ``rows`` into ``gains``, in their order."""
    for place in range(rows.shape[0]):
        gains[place] = row_gain(function, rows[place])


@compiled
def _cover(function, j, value):  # type: ignore[no-untyped-def]
    """Cover one column by a value; returns what that adds."""
    if function.kind == ROOT:
        value = max(value, np.float32(0))
        if value == 0:
            return 0.0
        function.total[j] += value
        before = function.root[j]
        function.root[j] = np.sqrt(function.total[j])
        return function.root[j] - before
    if function.kind == CAPPED:
        value = min(value, function.cap[j])
    added = np.float64(value) - np.float64(function.level[j])
    if added > 0:
        function.level[j] = value
        return added
    return 0.0


@compiled
def add_row(function, row):  # type: ignore[no-untyped-def]
    """Put a row into the set; returns columns it adds to, and the column of the largest gain."""
    touched, most, largest = 0, -1, 0.0
    if function.sparse:
        first, last = function.starts[row], function.starts[row + 1]
    else:
        first, last = 0, function.matrix.shape[1]
    for entry in range(first, last):
        if function.sparse:
            j, value = function.columns[entry], function.values[entry]
            added = _cover(function, j, value)
        else:
            j = entry
            added = _cover(function, entry, function.matrix[row, entry])
        if added > 0:
            touched += 1
            if added > largest:
                most, largest = int(j), added
    return touched, most


@compiled
def is_open(doors, row, phase):  # type: ignore[no-untyped-def]
    """Whether a row may be chosen in a phase. Pins are chosen whatever is full."""
    if doors.closed[row]:
        return False
    if phase == PINNED:
        return True
    owed = phase == FREE
    for entry in range(doors.starts[row], doors.starts[row + 1]):
        group = doors.classes[entry]
        if doors.left[group] <= 0:
            return False
        if doors.owed[group] > 0:
            owed = True
    return owed


@compiled
def fits(doors, row):  # type: ignore[no-untyped-def]
    """Whether the token budget has room for a row."""
    return doors.tokens.shape[0] == 0 or doors.tokens[row] <= doors.tokens_left[0]


@compiled
def take(doors, row):  # type: ignore[no-untyped-def]
    """Close a row that was chosen, and count it in its groups."""
    doors.closed[row] = 1
    for entry in range(doors.starts[row], doors.starts[row + 1]):
        group = doors.classes[entry]
        doors.left[group] -= 1
        doors.owed[group] -= 1
    if doors.tokens.shape[0]:
        doors.tokens_left[0] -= doors.tokens[row]


@compiled
def _before(key, a, b, rank):  # type: ignore[no-untyped-def]
    return key[a] > key[b] or (key[a] == key[b] and rank[a] < rank[b])


@compiled
def _sink(heap, size, place, key, rank):  # type: ignore[no-untyped-def]
    row = heap[place]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and _before(key, heap[child + 1], heap[child], rank):
            child += 1
        if not _before(key, heap[child], row, rank):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = row


@compiled
def _push(heap, size, row, key, rank):  # type: ignore[no-untyped-def]
    place = size
    while place:
        parent = (place - 1) // 2
        if not _before(key, row, heap[parent], rank):
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = row


@compiled
def fill_heap(bounds, rows, rank):  # type: ignore[no-untyped-def]
    """Make a heap of ``rows`` by their keys; returns its size."""
    size = rows.shape[0]
    for place in range(size):
        bounds.heap[place] = rows[place]
    for place in range(size // 2 - 1, -1, -1):
        _sink(bounds.heap, size, place, bounds.key, rank)
    return size


@compiled
def lazy_picks(  # type: ignore[no-untyped-def]
    function, doors, bounds, rank, cost, phase, share, size, value, now, first, last, picked
):
    """Picks of lazy greedy, until ``last`` are made or none is possible.

    Of all open rows whose gain a unit of cost ties with the largest, the one of smallest rank.
    Keys only shrink within a round, so a row's last key bounds its present one (Minoux 1978).

    ``cost`` (n,) float64 or empty; ``share`` a gain must exceed this share of ``value``, the
    round's f(A) so far, or, if negative, any gain will do; ``size`` of the heap; ``now`` a number
    no look has; ``picked`` arrays order, gain, newly best, gains most, filled from ``first`` on.

    Returns picks made in all, heap size, value, ``now``, why it ended, rows looked at.
    """
    order, gains, newly_best, gains_most = picked
    key, look, heap, aside = bounds
    looks = 0
    while first < last:
        now += 1
        least = share * value
        best, n_aside, top = -1, 0, -np.inf
        while size:
            row = heap[0]
            usable = is_open(doors, row, phase)
            if usable:
                if best >= 0:
                    floor = top - TIE * abs(top)
                    if key[row] < floor:
                        break
                elif share >= 0 and not cost.shape[0] and key[row] <= least:
                    break
            size -= 1
            heap[0] = heap[size]
            _sink(heap, size, 0, key, rank)
            if not usable:
                continue
            if look[row] != now:
                loses = rank[row] > rank[best] if best >= 0 else False
                if loses and key[row] <= top + ROUNDING * abs(top):
                    # It can neither win a tie nor be better.
                    aside[n_aside] = row
                    n_aside += 1
                    continue
                gain = row_gain(function, row)
                looks += 1
                key[row] = gain / cost[row] if cost.shape[0] else gain
                look[row] = now
                if share >= 0 and gain <= least:
                    # Gains shrink and the threshold grows: out for this round.
                    continue
                _push(heap, size, row, key, rank)
                size += 1
                continue
            # Looked at in this pick, and on top of all bounds.
            aside[n_aside] = row
            n_aside += 1
            if best < 0:
                best, top = row, key[row]
            elif rank[row] < rank[best]:
                best = row
        for place in range(n_aside):
            if aside[place] != best:
                _push(heap, size, aside[place], key, rank)
                size += 1
        if best < 0:
            return first, size, value, now, SATURATED, looks
        if not fits(doors, best):
            return first, size, value, now, TOKENS, looks
        gain = key[best] * (cost[best] if cost.shape[0] else 1.0)
        order[first], gains[first] = best, gain
        newly_best[first], gains_most[first] = add_row(function, best)
        take(doors, best)
        value += gain
        first += 1
    return first, size, value, now, FULL, looks
