"""Pairs of sets that are likely alike, without a look at all pairs: MinHash in bands.

Broder, 1997: On the resemblance and containment of documents. Who calls it checks each pair
exactly. The seed is fixed: the same sets give the same pairs in every process. Knows no texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

BANDS, BAND_WIDTH = 32, 4
"""Hash values of a set; a pair of Jaccard similarity .5 is found with probability .87, one of .7
with .9998, equal sets always."""

MOST_PARTNERS = 32
"""In a bucket of more sets each is paired with the first so many and with some before it."""

_NEIGHBOURS = 8

_SEED = 1


def colliding(numbers: Sequence[int], features: Iterable[Sequence[bytes]]) -> list[tuple[int, int]]:
    """Pairs of sets that are equal in at least one band, each once, ascending.

    Args:
        numbers: What the sets are called, ascending.
        features: The members of each set, read once.
    """
    # Here, since it imports scipy.
    from datasketch import MinHash

    hashes = MinHash.generator(features, num_perm=BANDS * BAND_WIDTH, seed=_SEED)
    # The library's own index keeps Python objects for each band and set: for 200,000 sets more
    # than a gigabyte, where one band at a time takes a few megabytes.
    signatures = np.stack([one.hashvalues for one in hashes])
    pairs: set[tuple[int, int]] = set()
    for start in range(0, BANDS * BAND_WIDTH, BAND_WIDTH):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        band = np.ascontiguousarray(signatures[:, start : start + BAND_WIDTH])
        for number, values in zip(numbers, band, strict=True):
            buckets[values.tobytes()].append(number)
        for bucket in buckets.values():
            pairs.update(combinations(bucket[:MOST_PARTNERS], 2))
            for place in range(MOST_PARTNERS, len(bucket)):
                before = bucket[max(MOST_PARTNERS, place - _NEIGHBOURS) : place]
                pairs.update((each, bucket[place]) for each in bucket[:MOST_PARTNERS] + before)
    return sorted(pairs)
