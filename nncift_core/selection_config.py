"""How rows are chosen from a run's influence: settings that a run and each later selection share.

Texts of fields are also the command line's help. Knows names only, no rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nncift_core.errors import ConfigError
from nncift_core.setting_checks import check_choice, check_least, check_types

FORMER: Mapping[str, Any] = {"duplicates": "keep", "optimizer": "lazy"}
"""What runs did before they had these settings."""


@dataclass(frozen=True)
class SelectionConfig:
    """What the curator asks of a subset besides objective and budget."""

    use_case: str = "method"
    """What the subset is for: method (as the method's paper chooses), general (serve all targets),
    target (fit a target task), continual (beside rows already tuned on) or subtasks (serve each in
    turn). It decides the objective unless one is named."""

    optimizer: str = "auto"
    """How the objective is maximised: lazy (exact), naive (exact and slow), stochastic, sparse,
    partitioned, or auto: lazy where the matrix fits in memory."""

    duplicates: str = "auto"
    """At most one row of each group of duplicates: near (also nearly the same), exact, or keep.
    auto is near, unless the budget is the whole pool: then all rows are kept."""

    quality_weight: float = 0.5
    """Weight of a row's own quality in objective mix; the rest is coverage of the targets."""

    pin: str = ""
    """Ids of rows that are always in, separated by commas, or a file with one id a line."""

    ban: str = ""
    """Ids of rows that are never in, separated by commas, or a file with one id a line."""

    ban_where: str = ""
    """Rows that are never in, by rule: FIELD OPERATOR VALUE, rules separated by semicolons."""

    quota: str = ""
    """Bounds by group: FIELD:VALUE=LEAST..MOST, separated by semicolons; counts, or shares of the
    budget with a decimal point."""

    token_budget: int = 0
    """Most tokens of all chosen rows together; 0 means no such limit."""

    least_tokens: int = 0
    """Rows with fewer tokens are left out."""

    most_tokens: int = 0
    """Rows with more tokens are left out; 0 means no such limit."""

    def __post_init__(self) -> None:
        check_types(self)
        check_choice(self, "use_case", ("method", "general", "target", "continual", "subtasks"))
        check_choice(
            self,
            "optimizer",
            ("auto", "lazy", "naive", "stochastic", "sparse", "partitioned"),
        )
        check_choice(self, "duplicates", ("auto", "near", "exact", "keep"))
        if not 0 <= self.quality_weight <= 1:
            raise ConfigError(
                f"Quality weight {self.quality_weight} is outside 0 to 1.",
                "Give a share of the value such as 0.5.",
            )
        for name in ("token_budget", "least_tokens", "most_tokens"):
            check_least(self, name, 0)
        if 0 < self.most_tokens < self.least_tokens:
            raise ConfigError(
                f"Rows of at least {self.least_tokens} and at most {self.most_tokens} tokens do "
                "not exist.",
                "Give a most that is not below the least.",
            )
        both = set(self.pinned) & set(self.banned)
        if both:
            raise ConfigError(
                f"Row {min(both)!r} is both pinned and banned.", "Leave it out of one of the two."
            )

    def settled(self, *, whole_pool: bool = False) -> SelectionConfig:
        """The same with ``duplicates`` decided, for a budget of the whole pool or a smaller one."""
        if self.duplicates != "auto":
            return self
        return replace(self, duplicates="keep" if whole_pool else "near")

    @property
    def pinned(self) -> tuple[str, ...]:
        """Ids of the rows that are always in, each once, in the order given."""
        return split_ids(self.pin)

    @property
    def banned(self) -> tuple[str, ...]:
        """Ids of the rows that are never in, likewise."""
        return split_ids(self.ban)


def split_ids(text: str) -> tuple[str, ...]:
    """The ids in a text that separates them by commas or line breaks, each once."""
    return tuple(dict.fromkeys(part for part in text.replace(",", " ").split() if part))


def join_ids(ids: Iterable[str]) -> str:
    """Ids as one text, each once."""
    return ",".join(dict.fromkeys(ids))
