"""Orders that took long to find, kept in a run's folder: the next visitor does not wait for them.

A file's name holds a digest of everything that the order follows from, so one that was found from
another state of the run, or for other demands, is never read. Knows arrays and names, nothing of
how rows are chosen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.errors import WorkspaceError
from nncift_core.files import replacing
from nncift_core.selection import SelectionResult
from nncift_core.selection.constraints import Constraints
from nncift_core.selection_config import SelectionConfig

FORMAT = 2
"""Changes with what such a file holds, and with what objectives and optimizers do."""

WORTH_KEEPING = 2.0
"""Seconds from which an order is kept: anything faster is found again."""

MOST_FILES = 8
"""Files of a run; the oldest go."""

_PREFIX = "order-"
_PLAIN = "plain"


class KeptOrders:
    """The orders in a run's folder.

    Args:
        folder: The run's.
        state: Changes with everything that the run's influence follows from.
    """

    def __init__(self, folder: Path, state: str) -> None:
        self._folder, self._state = folder, state

    def path(
        self,
        objective: str,
        settings: SelectionConfig,
        most_rows: int,
        seed: int,
        optimizer: str = "",
        constraints: Constraints | None = None,
    ) -> Path:
        """Where the order for some demands lies; need not exist.

        Settings do not say everything: ``auto`` means another optimizer on another machine, and
        the same words other rows once duplicates, clusters or lengths were found anew.
        """
        asked = [FORMAT, self._state, objective, asdict(settings), most_rows, seed, optimizer]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
        if constraints is not None:
            _add(digest, constraints)
        return self._folder / f"{_PREFIX}{digest.hexdigest()[:24]}.npz"

    def found(
        self,
        objective: str,
        settings: SelectionConfig,
        most_rows: int,
        seed: int,
        n_train: int,
        find: Callable[[], SelectionResult],
        *,
        optimizer: str = "",
        constraints: Constraints | None = None,
    ) -> SelectionResult:
        """The order for some demands: the one that was kept, else found now.

        Args:
            objective: Its name.
            settings: The demands, settled.
            most_rows: Rows to order.
            seed: Of the optimizer's draws.
            n_train: Rows of the pool.
            find: Finds the order; what it takes long for is kept.
            optimizer: The one that ``find`` uses.
            constraints: The demands as ``find`` obeys them.
        """
        path = self.path(objective, settings, most_rows, seed, optimizer, constraints)
        kept = self.read(path, n_train)
        if kept is not None:
            return kept
        begun = time.monotonic()
        result = find()
        if time.monotonic() - begun >= WORTH_KEEPING:
            self.keep(path, result)
        return result

    def read(self, path: Path, n_train: int) -> SelectionResult | None:
        """The order that lies there; None where there is none that can be used."""
        if not path.is_file():
            return None
        # A broken archive makes its reader raise nearly anything, and the order can be found again.
        with contextlib.suppress(Exception):
            with np.load(path, allow_pickle=False) as file:
                found: dict[str, Any] = json.loads(str(file[_PLAIN]))
                found |= {name: file[name] for name in file.files if name != _PLAIN}
            result = SelectionResult(**found)
            order = result.order
            lengths = {
                len(value) for value in vars(result).values() if isinstance(value, np.ndarray)
            }
            whole = order.ndim == 1 and order.dtype.kind == "i" and lengths == {len(order)}
            lies = ((order >= 0) & (order < n_train)).all()
            if whole and lies and len(np.unique(order)) == len(order):
                return result
        return None

    def keep(self, path: Path, result: SelectionResult) -> None:
        """Keep an order; a folder that cannot be written keeps none."""
        arrays: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for field in fields(result):
            value = getattr(result, field.name)
            (arrays if isinstance(value, np.ndarray) else plain)[field.name] = value
        arrays[_PLAIN] = np.array(json.dumps(plain, default=_number))
        # Its types know no names but those of its own arguments.
        save: Any = np.savez
        with (
            contextlib.suppress(OSError, WorkspaceError),
            # A run that was thrown away meanwhile must not get its folder back.
            replacing(path, durable=False, make_folder=False) as file,
        ):
            save(file, **arrays)
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        with contextlib.suppress(OSError):
            found = sorted(
                self._folder.glob(f"{_PREFIX}*.npz"), key=lambda path: path.stat().st_mtime
            )
            for path in found[:-MOST_FILES]:
                path.unlink()


def _add(digest: hashlib._Hash, constraints: Constraints) -> None:
    """Make a digest depend on demands as positions."""
    quotas = constraints.quotas
    words = [[quota.name, quota.least, quota.most] for quota in quotas]
    digest.update(json.dumps([constraints.token_budget, words]).encode())
    arrays = [constraints.pinned, constraints.banned, constraints.duplicates, constraints.tokens]
    for array in [*arrays, *(quota.members for quota in quotas)]:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(str(len(array)).encode())
        digest.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())


def _number(value: Any) -> Any:
    """A numpy number as JSON knows it."""
    return value.item()
