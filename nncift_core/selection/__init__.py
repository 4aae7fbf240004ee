"""Selection: objectives, optimizers that maximise them, constraints, rounds, ties and reasons.

``maximise("fl", matrices, budget, row_ids=..., progress=...)`` is the one entry. The registries
list objectives and optimizers without importing what computes them; ``needs`` of an objective
names the matrices it reads: ``target-matrix`` (X), ``pool-matrix`` (W), ``existing-matrix`` (E),
``row-scores``.
"""

from __future__ import annotations

from nncift_core.selection.constraints import Constraints, Quota
from nncift_core.selection.matrices import Matrices, SelectionResult, scale
from nncift_core.selection.maximise import maximise, random_selection, value
from nncift_core.selection.objectives import OBJECTIVES
from nncift_core.selection.optimizers import OPTIMIZERS
from nncift_core.selection.reasons import reasons

__all__ = [
    "OBJECTIVES",
    "OPTIMIZERS",
    "Constraints",
    "Matrices",
    "Quota",
    "SelectionResult",
    "maximise",
    "random_selection",
    "reasons",
    "scale",
    "value",
]
