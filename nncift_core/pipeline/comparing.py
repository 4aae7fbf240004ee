"""Two to four stored selections of one project, side by side.

Hands positions to ``selection.comparison``, ``selection.coverage`` and ``selection.diversity``
and gathers what they find as JSON types. Stores nothing; a stored selection never changes, so
whoever shows a comparison may keep it. Knows nothing of pages.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nncift_core.datasets import find_self_pairs
from nncift_core.datasets.lazy_rows import hashes_of, ids_of, lengths_of
from nncift_core.errors import ConfigError, DataError, EncoderError, ModelError
from nncift_core.files import plain
from nncift_core.influence import METHODS
from nncift_core.pipeline.compared import (
    LETTERS,
    Opened,
    open_selections,
    planted,
    yardsticks,
)
from nncift_core.pipeline.duplicates import run_duplicates
from nncift_core.pipeline.embedding import embed_pool, embed_rows
from nncift_core.pipeline.facts import pool_facts
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.view import RunView
from nncift_core.progress import Progress, SilentProgress
from nncift_core.selection import comparison
from nncift_core.selection.coverage import coverage
from nncift_core.selection.diversity import (
    MOST_HELD,
    DiversityMeter,
    random_diversity,
    random_orders,
)
from nncift_core.selection.duplicates import NEAR
from nncift_core.selection.row_facts import NAMES, RowFacts
from nncift_core.store import SelectionRecord, Workspace
from nncift_core.types import IndexArray

MOST_FAMILIES = 100
"""Families named in a composition, the largest of the pool; the others are taken together."""

NO_FAMILY = "(none)"
OTHERS = "(all others)"


def compare(
    workspace: Workspace,
    selection_ids: Sequence[str],
    *,
    by: str | None = None,
    opened: Opened | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything that differs between two to four selections, as JSON types.

    Args:
        workspace: Where they are stored.
        selection_ids: The selections; they are called A, B, C, D in this order.
        by: Id of the run whose influence measures coverage; None for the first of
            ``yardsticks``.
        opened: What ``open_selections`` gave for them, where somebody has it.
        progress: Told of stages ``embed``, ``spread`` (draws) and ``cover`` (pairs).

    Returns:
        ``selections``, ``overlap``, ``agreement`` (of each two), ``coverage``, ``diversity``,
        ``lengths``, ``composition``, ``only``, ``duplicates``, ``planted`` and ``notes``: a
        sentence for each part that is None because it cannot be computed.

    Raises:
        ConfigError: As ``open_selections``, or run ``by`` cannot measure them.
        WorkspaceError: A run cannot be read.
        Cancelled: By ``progress``.
    """
    progress = progress or SilentProgress()
    opened = opened or open_selections(workspace, selection_ids)
    n_train = len(opened.pool)
    notes: list[str] = []
    view = _reader(opened)
    facts = pool_facts(workspace, view.spec, view.roles, view.files, progress)
    meter = None
    try:
        meter = _meter(workspace, view, progress)
    except EncoderError as error:
        notes.append(f"Diversity and clusters are not measured: {error.message}")
    fields = [
        field for field in NAMES if facts.has(field) and (field != "cluster" or meter is not None)
    ]
    ids = ids_of(opened.pool)
    content = {
        "project_id": opened.project_id,
        "n_train": n_train,
        "n_target": len(opened.target),
        "selections": [
            _described(letter, record, view)
            for letter, record, view in zip(LETTERS, opened.records, opened.views, strict=False)
        ],
        "overlap": asdict(comparison.overlap(opened.orders, n_train)),
        "in_all": comparison.in_all(opened.orders, n_train),
        "agreement": [
            {"pair": [a, b]}
            | asdict(comparison.agreement(opened.orders[a], opened.orders[b], n_train))
            for a in range(len(opened.orders))
            for b in range(a + 1, len(opened.orders))
        ],
        "coverage": _coverage(workspace, opened, by, notes, progress),
        "diversity": None
        if meter is None
        else _diversity(meter, opened, progress) | {"encoder": view.spec.config.encoder},
        "lengths": _lengths(facts, opened.orders),
        "composition": {field: _composition(facts.names(field), opened.orders) for field in fields},
        "only": [
            {"rows": len(rows), "row_ids": [ids[place] for place in rows]} for rows in opened.only
        ],
        "duplicates": _duplicates(workspace, opened, view, progress),
        "planted": planted(opened),
        "notes": notes,
    }
    found: dict[str, Any] = plain(content)
    return found


def _reader(opened: Opened) -> RunView:
    """The run whose encoder and tokenizer read the rows: the first that embedded them itself."""
    for view in opened.views:
        if not (view.spec.config.exact and needs_model(view.spec.config)):
            return view
    return opened.views[0]


def _meter(workspace: Workspace, view: RunView, progress: Progress) -> DiversityMeter:
    """What measures diversity; of a large pool only the rows measured are read."""
    n_train = len(view.roles.pool)
    if n_train <= MOST_HELD:
        vectors = embed_rows(workspace, view.spec, view.roles, progress).pool
        return DiversityMeter(vectors, progress=progress)
    read = functools.partial(embed_pool, workspace, view.spec, view.roles, progress=progress)
    return DiversityMeter(read, n_train=n_train, progress=progress)


def _described(letter: str, record: SelectionRecord, view: RunView) -> dict[str, Any]:
    config = view.spec.config
    return {
        "letter": letter,
        "id": record.id,
        "name": record.name,
        "run_id": record.run_id,
        "method": config.method,
        "exact": config.exact,
        "label_fraction": None if config.exact else config.label_fraction,
        "seed": config.seed,
        "objective": record.objective,
        "budget": record.budget,
        "rows": record.row_count,
    }


def _coverage(
    workspace: Workspace, opened: Opened, by: str | None, notes: list[str], progress: Progress
) -> dict[str, Any] | None:
    """How well each covers the targets, all by the influence of one run."""
    usable = yardsticks(workspace, opened)
    if by is not None and by not in usable:
        workspace.catalog.run(by)
        raise ConfigError(
            f"Run {by} cannot measure these selections.",
            "Give a finished run of the same project and pool whose method compares pairs.",
        )
    if not usable:
        notes.append(
            "Coverage is not measured: no run of this project compares pool rows with targets."
        )
        return None
    view = usable[by or next(iter(usable))]
    scale, overview = view.estimates.scale, view.overview
    lo, hi = (scale.lo, scale.hi) if scale else (overview["lowest"], overview["highest"])
    progress.stage("cover", len(view.roles.pool) * len(view.roles.target), "pairs")
    try:
        found = coverage(
            view.estimates.best,
            opened.orders,
            lo,
            hi,
            self_pairs=find_self_pairs(view.roles.pool, view.roles.target),
            progress=progress,
        )
    except (DataError, EncoderError) as error:
        notes.append(f"Coverage is not measured: {error.message}")
        return None
    return {
        "run_id": view.run_id,
        "method": view.spec.config.method,
        "title": METHODS[view.spec.config.method].title,
        "exact": view.spec.config.exact,
        "selections": [asdict(one) for one in found],
    }


def _diversity(meter: DiversityMeter, opened: Opened, progress: Progress) -> dict[str, Any]:
    sizes = sorted({len(order) for order in opened.orders})
    progress.stage("spread", len(opened.orders) + len(sizes), "draws")
    draws = [one for size in sizes for one in random_orders(len(opened.pool), size)]
    meter.look_at([*opened.orders, *draws])
    found = []
    for order in opened.orders:
        found.append(meter.measure(order))
        progress.advance()
    drawn = {}
    for size in sizes:
        drawn[size] = random_diversity(meter, len(opened.pool), size)
        progress.advance()
    return {
        "rows_at_most": MOST_HELD,
        "selections": [
            asdict(one)
            | {
                "nearest_random": drawn[len(order)].nearest,
                "novelsum_random": drawn[len(order)].novelsum,
            }
            for one, order in zip(found, opened.orders, strict=True)
        ],
    }


def _lengths(facts: RowFacts, orders: Sequence[IndexArray]) -> dict[str, Any]:
    """Lengths of prompts and responses in characters, of both together in tokens."""
    prompt, response = lengths_of(facts.rows)
    lengths = {
        "prompt": prompt,
        "response": response,
    }
    try:
        tokens = facts.tokens
    except (EncoderError, ModelError):
        tokens = None
    if tokens is not None:
        lengths["tokens"] = tokens
    return {
        part: {
            "unit": "tokens" if part == "tokens" else "characters",
            "pool": asdict(comparison.quartiles(values)),
            "selections": [asdict(comparison.quartiles(values[order])) for order in orders],
        }
        for part, values in lengths.items()
    }


def _composition(values: Sequence[str | None], orders: Sequence[IndexArray]) -> dict[str, Any]:
    """Rows of each family in the pool and in each selection, the pool's largest first."""
    words = [NO_FAMILY if value is None else value for value in values]
    names, family = np.unique(np.array(words, dtype=object), return_inverse=True)
    family = family.astype(np.int64)
    everything = np.arange(len(values), dtype=np.int64)
    pool = comparison.composition(family, len(names), everything)
    counts = [comparison.composition(family, len(names), order) for order in orders]
    distances = [comparison.distance(count, pool) for count in counts]
    by_size: Mapping[int, float] = {
        size: comparison.random_distance(family, len(names), size)
        for size in {len(order) for order in orders}
    }
    largest = np.argsort(-pool, kind="stable")
    shown, rest = largest[:MOST_FAMILIES], largest[MOST_FAMILIES:]

    def short(count: IndexArray) -> list[int]:
        tail = [int(count[rest].sum())] if len(rest) else []
        return [*count[shown].tolist(), *tail]

    return {
        "families": len(names),
        "names": [*(str(names[i]) for i in shown), *([OTHERS] if len(rest) else [])],
        "pool": short(pool),
        "selections": [
            {
                "rows": short(count),
                "families": int(np.count_nonzero(count)),
                "distance": far,
                "distance_random": by_size[len(order)],
            }
            for count, far, order in zip(counts, distances, orders, strict=True)
        ],
    }


def _duplicates(
    workspace: Workspace, opened: Opened, view: RunView, progress: Progress
) -> list[dict[str, Any]]:
    """Rows that repeat another one of the same selection: equal ones, and near ones with them."""
    hashes = hashes_of(opened.pool)
    near = run_duplicates(workspace, view.spec, view.roles, view.files, NEAR, progress)
    groups = {
        "exact": np.unique(np.array(hashes), return_inverse=True)[1].astype(np.int64),
        "near": near.group,
    }
    return [
        {kind: asdict(comparison.repeats(group, order)) for kind, group in groups.items()}
        for order in opened.orders
    ]
