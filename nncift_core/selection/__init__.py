"""Selection: objectives, the greedy optimizer that maximises them, rounds, ties and reasons.

``maximise("fl", matrices, budget, row_ids=..., progress=...)`` is the one entry. The registry
lists the objectives without importing torch; ``needs`` names the matrices an objective reads:
``target-matrix`` (X), ``pool-matrix`` (W), ``existing-matrix`` (E), ``row-scores``.
"""

from __future__ import annotations

from nncift_core.selection.matrices import Matrices, SelectionResult, scale
from nncift_core.selection.maximise import maximise, random_selection, value
from nncift_core.selection.objectives import OBJECTIVES
from nncift_core.selection.reasons import reasons

__all__ = [
    "OBJECTIVES",
    "Matrices",
    "SelectionResult",
    "maximise",
    "random_selection",
    "reasons",
    "scale",
    "value",
]
