"""The optimizers by name: how an objective that covers something is maximised."""

from __future__ import annotations

from nncift_core.registry import Entry, Registry

_HOME = "nncift_core.selection.optimizing"

OPTIMIZERS = Registry(
    "optimizer",
    Entry(
        "lazy",
        f"{_HOME}:lazy",
        "Lazy greedy",
        "The exact order of greedy; most gains are never computed, since they only shrink.",
        "Minoux, Accelerated greedy algorithms for maximizing submodular set functions, 1978",
        frozenset({"matrix"}),
    ),
    Entry(
        "naive",
        f"{_HOME}:naive",
        "Plain greedy",
        "The exact order of greedy, computing every gain at every pick: slow, to compare with.",
        "Nemhauser, Wolsey and Fisher, An analysis of approximations for maximizing submodular "
        "set functions, 1978",
        frozenset({"matrix"}),
    ),
    Entry(
        "stochastic",
        f"{_HOME}:stochastic",
        "Stochastic greedy",
        "The best row of a random sample at each pick.",
        "Mirzasoleiman et al., Lazier than lazy greedy, AAAI 2015",
        frozenset({"matrix"}),
    ),
    Entry(
        "sparse",
        "nncift_core.selection.sparse:sparse",
        "Sparse greedy",
        "Each target row sees only the pool rows that help it most: one pass over the matrix, "
        "which is never kept.",
        "",
        frozenset({"blocks"}),
    ),
    Entry(
        "partitioned",
        "nncift_core.selection.partitioned:partitioned",
        "Partitioned greedy",
        "Greedy in parts of the pool, then among the rows that won there.",
        "Mirzasoleiman et al., Distributed submodular maximization, JMLR 2016",
        frozenset({"blocks"}),
    ),
)
