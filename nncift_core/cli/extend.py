"""``nncift extend``: more rows for a finished run, without labels and without training.

Knows options and files, nothing of how rows are predicted.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.given import report_import
from nncift_core.cli.mapping import overrides_by_dataset, read_overrides
from nncift_core.cli.output import checked_output
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.cli.working import work_on_run
from nncift_core.config import Budget
from nncift_core.datasets import FIELDS
from nncift_core.errors import ConfigError
from nncift_core.export import guard_inputs, manifest_path
from nncift_core.store import Workspace


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    extend = commands.add_parser(
        "extend", help="add rows to the pool of a finished run, without labels or training"
    )
    extend.add_argument("run", metavar="RUN", help="run id")
    extend.add_argument(
        "--rows",
        action="append",
        required=True,
        metavar="FILE",
        help="rows to add, in any format of a pool; repeat it to join files",
    )
    extend.add_argument(
        "--map",
        action="append",
        default=None,
        metavar="FIELD=COLUMN",
        help=f"column of a field ({', '.join(FIELDS)}); repeatable; by default as in the pool, "
        "where the columns are there",
    )
    extend.add_argument(
        "--budget",
        action=Once,
        metavar="BUDGET",
        help="rows to keep of all, as for a run; by default what the run kept",
    )
    extend.add_argument(
        "--output", action=Once, required=True, metavar="FILE", help="the subset as JSON lines"
    )
    extend.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output"
    )
    add_workspace(extend)


def extend(options: argparse.Namespace) -> None:
    """``nncift extend``."""
    if options.budget is not None:
        Budget(options.budget)
    given = read_overrides(options.map, None)
    workspace = Workspace.open(options.workspace)
    # Not later: a refused call stores nothing.
    spec = pipeline.extendable(workspace, options.run)
    output = checked_output(options.output)
    assert output is not None
    sources = (spec.train, spec.target, spec.existing)
    inputs = [*options.rows, *(path for source in sources if source for path in source.files)]
    for path in (output, manifest_path(output)):
        guard_inputs(path, inputs)
    overrides = _overrides(options.rows, given, spec.train.overrides or {})
    imported = pipeline.import_files(workspace, options.rows, overrides=overrides or None)
    report_import(imported)
    run_id = pipeline.extend_run(workspace, options.run, imported.source, options.budget)
    work_on_run(workspace, run_id, output, None, options.json)


def _overrides(
    files: Sequence[str], given: Mapping[str, str], of_pool: Mapping[str, str]
) -> dict[str, str]:
    """The mapping that is given; what is not, as the pool was mapped, where columns are there."""
    (overrides,) = overrides_by_dataset([files], given)
    for field, column in of_pool.items():
        if field not in overrides:
            with contextlib.suppress(ConfigError):
                overrides |= overrides_by_dataset([files], {field: column})[0]
    return overrides
