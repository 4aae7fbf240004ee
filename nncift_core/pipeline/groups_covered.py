"""How well groups of targets are covered by a selection, and nothing more.

Fast enough to ask of every budget while it moves. Knows an explanation, nothing of how rows are
chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nncift_core.pipeline.influence_rows import target_clusters
from nncift_core.selection.explanations import GroupCoverage, coverage_by_group

if TYPE_CHECKING:
    from nncift_core.pipeline.explanation import Explanation


@dataclass(frozen=True)
class GroupsCovered:
    """Coverage of all targets and of their groups.

    Attributes:
        everything: All targets.
        kind: What the groups are: ``subtask``, or ``cluster`` where there are no subtasks.
        groups: The groups; one of all targets where there are none.
        examples: By cluster the text of a target in its middle.
    """

    everything: GroupCoverage
    kind: str
    groups: tuple[GroupCoverage, ...]
    examples: Mapping[str, str] = field(default_factory=dict)


def groups_covered(found: Explanation) -> GroupsCovered:
    """Coverage by subtask where the targets have several, else by cluster; of a pairwise run."""
    covered = found.with_possible()
    (everything,) = coverage_by_group(covered)
    subtasks = [row.subtask for row in found.roles.target]
    groups = tuple(coverage_by_group(covered, subtasks))
    if len(groups) > 1:
        return GroupsCovered(everything, "subtask", groups)
    numbers, examples = target_clusters(found.view)
    if numbers is not None:
        names = [f"cluster {number}" for number in numbers.tolist()]
        groups = tuple(coverage_by_group(covered, names))
        if len(groups) > 1:
            return GroupsCovered(everything, "cluster", groups, examples)
    return GroupsCovered(everything, "group", (everything,))
