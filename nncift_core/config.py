"""Settings of a run: frozen dataclasses whose field texts are also the CLI help and tooltips.

Cross-checks live in ``__post_init__``, so an impossible configuration cannot exist.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import textwrap
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation

from nncift_core.errors import ConfigError

DEFAULT_ENCODER = "all-MiniLM-L6-v2"

MOST_DIGITS = 18
"""Digits of a row count that are read."""


@dataclass(frozen=True)
class Budget:
    """How many rows to keep: a share of the pool or a count.

    Attributes:
        text: As given: with a decimal point and at most 1.0 it is a share of the pool,
            an integer is a row count.
    """

    text: str

    def __post_init__(self) -> None:
        self._parsed()

    def _parsed(self) -> Decimal | int:
        text = self.text.strip()
        problem = ConfigError(
            f"Budget {self.text[:40]!r} is neither a share nor a row count.",
            "Give a share with a decimal point up to 1.0 (0.3) or a whole number of rows (500).",
        )
        # More digits than any pool has rows; Python refuses to read thousands of them.
        if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS:
            count = int(text)
            if count == 0:
                raise ConfigError("Budget 0 would select nothing.", "Give at least 1 row.")
            return count
        if "." not in text or "e" in text.lower():
            raise problem
        try:
            share = Decimal(text)
        except InvalidOperation as error:
            raise problem from error
        if not share.is_finite() or not 0 < share <= 1:
            raise problem
        return share

    def rows(self, n_train: int) -> int:
        """The number of rows to select from a pool of ``n_train``: at least 1.

        Raises:
            ConfigError: A row count is larger than the pool.
        """
        parsed = self._parsed()
        if isinstance(parsed, int):
            if parsed > n_train:
                raise ConfigError(
                    f"Budget {parsed} is larger than the pool of {n_train} rows.",
                    f"Give at most {n_train}, or a share such as 0.3.",
                )
            return parsed
        # Decimal, not float: floor(0.29 * 100) must be 29.
        return max(1, int(parsed * n_train))


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


@dataclass(frozen=True)
class RunConfig:
    """Everything besides the data that decides a run's result."""

    method: str = "delift-se"
    """Influence function that labels the pairs."""

    label_fraction: float = 0.05
    """Share u of the rows of each side that is labelled: u = 0.05 labels 0.25 % of the pairs."""

    budget: str = "0.3"
    """Rows to keep: a share of the pool with a decimal point (0.3), or a whole number of rows."""

    objective: str = ""
    """What makes a subset good; empty means the method's own default."""

    encoder: str = DEFAULT_ENCODER
    """Sentence-transformers id or folder that embeds the rows."""

    network: str = "paper"
    """Network that predicts the influence of unlabelled pairs."""

    seed: int = 0
    """Seed of every random draw; the same seed gives the same subset."""

    exact: bool = False
    """True influence for every pair instead of predictions: the original influence function."""

    def __post_init__(self) -> None:
        # A config.json that was edited by hand can hold anything.
        for setting in fields(self):
            value, kinds = getattr(self, setting.name), _KINDS[str(setting.type)]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise ConfigError(
                    f"The setting {setting.name} is {value!r}, which is not of type "
                    f"{setting.type}.",
                    f"Its default is {setting.default!r}.",
                )
        Budget(self.budget)
        if not 0 < self.label_fraction <= 1:
            raise ConfigError(
                f"Label fraction {self.label_fraction} is outside 0 to 1.",
                "Give a share of the rows above 0 and at most 1, such as 0.05.",
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(
                f"Seed {self.seed} is outside 0 to 4294967295.", "Give a small whole number."
            )


@functools.cache
def field_texts(config_class: type) -> dict[str, str]:
    """The text under each field of a dataclass, by field name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(config_class)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    texts: dict[str, str] = {}
    for statement, following in itertools.pairwise(body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            texts[statement.target.id] = " ".join(str(following.value.value).split())
    return texts
