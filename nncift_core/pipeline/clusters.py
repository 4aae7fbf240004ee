"""Which rows of a run are alike: k-means of their embeddings, for draws in proportion.

The same vectors give the same clusters. Knows nothing of what is drawn.
"""

from __future__ import annotations

import warnings

import numpy as np

from nncift_core.influence.draws import Clusters
from nncift_core.pipeline.embedding import Vectors
from nncift_core.types import FloatArray, IndexArray

MOST_CLUSTERS = 64

ROWS_A_CLUSTER = 8
"""A side has at most one cluster for so many rows."""

ITERATIONS = 30
"""Rounds of k-means at most; strata need no optimum."""


def cluster_rows(vectors: Vectors) -> Clusters:
    """The clusters of pool and target rows, each side's own."""
    return Clusters(_numbers(vectors.pool), _numbers(vectors.target))


def _numbers(vectors: FloatArray) -> IndexArray:
    """``(n,)`` cluster numbers of ``(n, d)`` vectors."""
    return group_rows(vectors, min(MOST_CLUSTERS, len(vectors) // ROWS_A_CLUSTER))


def group_rows(vectors: FloatArray, count: int) -> IndexArray:
    """``(n,)`` numbers of ``(n, d)`` vectors in ``count`` clusters; all 0 for less than two."""
    if count < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    # Here, since they take a second to import.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # With several threads the order of sums, and so a row between two clusters, is left to chance.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Fewer different rows than clusters: some clusters stay empty.
        warnings.simplefilter("ignore")
        means = KMeans(
            count, init="random", n_init=1, max_iter=ITERATIONS, random_state=0, copy_x=True
        )
        return np.asarray(means.fit_predict(vectors), dtype=np.int64)
