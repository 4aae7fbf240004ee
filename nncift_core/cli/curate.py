"""``nncift curate``: pins, bans, rules and quotas of a run's log, with undo and redo.

Knows how to read and show a log, nothing of what selections make of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from nncift_core.cli.output import show
from nncift_core.cli.parsing import add_workspace
from nncift_core.cli.row_ids import lasting_ids
from nncift_core.selection.action_forms import ROW_KINDS
from nncift_core.selection.actions import Action, ActionLog, actions_of
from nncift_core.selection.row_facts import RowFacts
from nncift_core.store import Workspace

_ADDING = ("pin", "ban", "ban-where", "quota")
_ROWS = "row ids, also separated by commas, or a file with one id a line"


class _Then(argparse.Action):
    """An option that joins those before it: the order on the command line is that of the log."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add one action with all its values, or with one that is empty."""
        given = (values,) if isinstance(values, str) else tuple(values or ("",))
        actions = getattr(namespace, self.dest)
        setattr(namespace, self.dest, (*actions, (self.const, given)))


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    curate = commands.add_parser(
        "curate", help="pin and ban rows of a run, set rules and quotas, undo and redo"
    )
    curate.add_argument("run", metavar="RUN", help="run id")
    steps = curate.add_argument_group("actions, done in the order given")
    _add(steps, "pin", f"rows that are always in: {_ROWS}", "ID", "+")
    _add(steps, "ban", "rows that are never in; a ban ends a pin, and a pin a ban", "ID", "+")
    _add(steps, "unpin", "rows that are not pinned any more", "ID", "+")
    _add(steps, "unban", "rows that are not banned any more", "ID", "+")
    _add(steps, "release", "rows that are neither pinned nor banned any more", "ID", "+")
    _add(steps, "ban-where", "rows that are never in, by rule: FIELD OPERATOR VALUE", "RULE")
    _add(steps, "drop-ban-where", "a rule that does not hold any more", "RULE")
    _add(steps, "quota", "bounds of a group, one a group: FIELD:VALUE=LEAST..MOST", "QUOTA")
    _add(steps, "drop-quota", "a quota that does not hold any more", "QUOTA")
    _add(steps, "undo", "take the last action back: all rows that were named together", None, 0)
    _add(steps, "redo", "bring back what the last undo took", None, 0)
    curate.set_defaults(actions=())
    curate.add_argument("--list", action="store_true", help="show every action with its time")
    curate.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output"
    )
    add_workspace(curate)


def curate(options: argparse.Namespace) -> None:
    """``nncift curate``."""
    workspace = Workspace.open(options.workspace)
    run_id = workspace.catalog.run(options.run).run_id
    if options.actions:
        # What only takes something back needs no rows.
        adds = any(kind in _ADDING for kind, _ in options.actions)
        facts = _facts(workspace, run_id) if adds else RowFacts(())
        # All of them before the first is stored: a refused call changes nothing.
        wanted = [
            action
            for kind, values in options.actions
            for action in actions_of(kind, _lasting(kind, values), facts)
        ]
        workspace.catalog.add_actions(run_id, wanted)
    actions = workspace.catalog.actions(run_id)
    if options.json:
        show(json.dumps(summary(run_id, actions), ensure_ascii=False, allow_nan=False))
    else:
        show(text(run_id, actions, every=options.list))


def summary(run_id: str, actions: Sequence[Action]) -> dict[str, Any]:
    """A log and what it demands as the one JSON object of ``--json``."""
    log = ActionLog(actions)
    demands, standing = log.curation(), _standing(log, actions)
    return {
        "run_id": run_id,
        "pinned": demands.pinned,
        "banned": demands.banned,
        "rules": demands.rules,
        "quotas": demands.quotas,
        "undo": demands.undo_words or None,
        "redo": demands.redo_words or None,
        "actions": [
            {
                "ordinal": action.ordinal,
                "kind": action.kind,
                "value": action.value,
                "at": action.at,
                "in_force": standing[action.ordinal],
            }
            for action in actions
        ],
    }


def text(run_id: str, actions: Sequence[Action], *, every: bool) -> str:
    """A log and what it demands for people; ``every`` adds each action with its time."""
    log = ActionLog(actions)
    demands = log.curation()
    counted = [(len(demands.pinned), "pinned"), (len(demands.banned), "banned")]
    lines = [
        f"run        {run_id}",
        f"log        {_count(len(actions), 'action')}, {len(log.in_force()):,} in force",
        *(f"{name:10} {_count(number, 'row')}" for number, name in counted),
        *(f"ban where  {rule}" for rule in demands.rules),
        *(f"quota      {quota}" for quota in demands.quotas),
        f"undo       {demands.undo_words or '-'}",
        f"redo       {demands.redo_words or '-'}",
    ]
    if every:
        standing, width = _standing(log, actions), len(f"{len(actions):,}")
        for action in actions:
            taken = "" if standing[action.ordinal] is not False else "   (taken back)"
            at = f"{action.at[:10]} {action.at[11:19]}"
            lines.append(f"{action.ordinal:{width},}  {at}  {action.words}{taken}")
        lines += ["Times are in UTC."] if actions else []
    return "\n".join(lines)


def _add(
    steps: Any, kind: str, words: str, metavar: str | None, nargs: str | int | None = None
) -> None:
    steps.add_argument(
        f"--{kind}",
        action=_Then,
        dest="actions",
        const=kind,
        nargs=nargs,
        metavar=metavar,
        help=words if nargs == 0 else f"{words}; repeatable",
        default=argparse.SUPPRESS,
    )


def _lasting(kind: str, given: Sequence[str]) -> str:
    """What an action is about as one text, with the ids that were in files."""
    if kind not in ROW_KINDS:
        (value,) = given
        return value
    return ",".join(lasting_ids(f"--{kind}", value) for value in given)


def _facts(workspace: Workspace, run_id: str) -> RowFacts:
    """What rules and quotas read of the run's rows. Late, since the flow is slow to import."""
    from nncift_core.pipeline.artifacts import RunFiles
    from nncift_core.pipeline.facts import pool_facts
    from nncift_core.pipeline.roles import read_roles
    from nncift_core.pipeline.spec import RunSpec

    files = RunFiles(workspace.run_dir(run_id))
    spec = RunSpec.read(files.config)
    return pool_facts(workspace, spec, read_roles(workspace, spec), files)


def _standing(log: ActionLog, actions: Sequence[Action]) -> dict[int, bool | None]:
    """Whether each action is in force, None for undo and redo, by place in the log."""
    held = {action.ordinal for action in log.in_force()}
    return {
        action.ordinal: None if action.kind in ("undo", "redo") else action.ordinal in held
        for action in actions
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
