"""Rows added to a dataset that is there already: what is new, with ids that go on counting.

Rows whose content the dataset holds are left out: they would change nothing but the weight of
what is there. Knows nothing of files or storage.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from nncift_core.datasets.load import Dataset
from nncift_core.datasets.report import Report, counted
from nncift_core.errors import DataError


@dataclass(frozen=True)
class Appended:
    """A grown dataset.

    Attributes:
        dataset: The rows that were there, then those that are new, each in input order.
        left_out: Rows that were not added, because their content was there before.
    """

    dataset: Dataset
    left_out: int


def append(base: Dataset, added: Dataset) -> Appended:
    """``base`` with the rows of ``added`` whose content it does not hold.

    Equal rows within ``added`` all stay, as they do in any dataset. Since no row of ``base`` is
    equal to one that is added, the ids that both gave their rows hold in the grown dataset too.

    Raises:
        DataError: Nothing of ``added`` is new.
    """
    known = {row.content_hash for row in base.rows}
    new = [place for place, row in enumerate(added.rows) if row.content_hash not in known]
    left_out = len(added.rows) - len(new)
    if not new:
        raise DataError(
            f"{added.name} has no row that is not in the pool already "
            f"({counted(left_out, 'row')} read).",
            "Give a file with other rows.",
        )
    # Sources stand in the order of their rows, so their counts say where each one ends.
    ends = np.cumsum([source.rows for source in added.sources])
    kept = Counter(np.searchsorted(ends, new, side="right").tolist())
    sources = [replace(source, rows=kept[place]) for place, source in enumerate(added.sources)]
    rows = (*base.rows, *(added.rows[place] for place in new))
    duplicates = len(rows) - len({row.content_hash for row in rows})
    warnings = [*base.report.warnings, *added.report.warnings]
    if left_out:
        warnings.append(
            f"{counted(left_out, 'row')} of {added.name} {'was' if left_out == 1 else 'were'} in "
            "the pool already and left out."
        )
    rejected = (*base.report.rejected, *added.report.rejected)
    dataset = Dataset(
        id=appended_id(base.id, added.id),
        name=f"{base.name} + {added.name}",
        rows=rows,
        raw=(*base.raw, *(added.raw[place] for place in new)),
        source_ids=(*base.source_ids, *(added.source_ids[place] for place in new)),
        sources=(*base.sources, *sources),
        report=Report(len(rows), rejected, duplicates, tuple(warnings)),
    )
    return Appended(dataset, left_out)


def appended_id(base_id: str, added_id: str) -> str:
    """The content address of what ``append`` gives for datasets of these addresses."""
    return hashlib.sha256(f"{base_id} + {added_id}".encode()).hexdigest()[:16]
