"""How much to keep: a share of the pool, a number of rows, or a number of tokens.

Moving it chooses nothing anew: the page shows another prefix of one nested order. Only a token
budget makes another order, by gain a token. Knows amounts, no rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import streamlit as st

from nncift_core.config import Budget
from nncift_core.errors import ConfigError
from pages._ui.select.state import Fields, follow, is_whole

SHARE, ROWS, TOKENS = "Share", "Rows", "Tokens"

_FIELD = "budget"
_TOKENS_MARK = "tokens-"
_SHOWN = "select-shown-size"
_WIDTH = 190
"""Of every field for the amount, in pixels, so that nothing moves when the kind changes."""


@dataclass(frozen=True)
class Wanted:
    """A budget as the curator gives it.

    Attributes:
        kind: ``Share``, ``Rows`` or ``Tokens``.
        text: As the pipeline reads it, ``0.30`` or ``500``; empty for tokens.
        rows: Rows that are asked for; the whole pool for tokens.
        tokens: Token budget, 0 without one.
    """

    kind: str
    text: str
    rows: int
    tokens: int = 0


def read_budget(fields: Fields, n_train: int, default: str) -> Wanted:
    """The budget in the URL, or the run's own where it says nothing that can be read."""
    text = fields.text(_FIELD, default)
    tokens = text.removeprefix(_TOKENS_MARK)
    if text.startswith(_TOKENS_MARK) and is_whole(tokens) and int(tokens):
        return Wanted(TOKENS, "", n_train, int(tokens))
    for candidate in (text, default):
        try:
            rows = Budget(candidate).rows(n_train)
        except ConfigError:
            continue
        return Wanted(SHARE if "." in candidate else ROWS, candidate, rows)
    return Wanted(ROWS, str(n_train), n_train)


def remember_size(rows: int, tokens: int | None) -> None:
    """What is chosen now, so that another kind of budget begins with the same amount."""
    st.session_state[_SHOWN] = (rows, tokens)


def budget_form(fields: Fields, n_train: int, default: str, *, with_tokens: bool) -> Wanted:
    """Draw the budget's fields, side by side.

    Args:
        fields: The form of the run.
        n_train: Rows of the pool.
        default: The run's own budget.
        with_tokens: Whether the rows' lengths in tokens are known.
    """
    wanted = read_budget(fields, n_train, default)
    if wanted.kind == TOKENS and not with_tokens:
        fields.forget(_FIELD)
        wanted = read_budget(fields, n_train, default)
    kinds = [SHARE, ROWS, *([TOKENS] if with_tokens else [])]
    follow("budget-kind", wanted.kind)
    st.segmented_control(
        "Budget",
        kinds,
        required=True,
        key="budget-kind",
        on_change=_switch_kind,
        args=(fields, wanted, n_train, default),
    )
    if wanted.kind == SHARE:
        _share(fields, wanted, default)
    elif wanted.kind == ROWS:
        _number(fields, "Number of rows", "budget-count", wanted.rows, n_train, "", default)
    else:
        _number(
            fields,
            "Tokens in all",
            "budget-tokens",
            wanted.tokens,
            None,
            _TOKENS_MARK,
            default,
        )
    return wanted


def use_rows(fields: Fields, rows: int, n_train: int, default: str) -> None:
    """Set the budget to a number of rows, for callbacks."""
    fields.put(_FIELD, str(min(max(1, rows), n_train)), default)


def _share(fields: Fields, wanted: Wanted, default: str) -> None:
    follow("budget-share", min(100, max(1, round(100 * Decimal(wanted.text)))))
    st.slider(
        "Share of the pool",
        min_value=1,
        max_value=100,
        format="%d %%",
        key="budget-share",
        width=_WIDTH,
        on_change=lambda: fields.put(
            _FIELD, _as_share(st.session_state["budget-share"], default), default
        ),
    )


def _number(
    fields: Fields,
    label: str,
    key: str,
    value: int,
    most: int | None,
    mark: str,
    default: str,
) -> None:
    follow(key, value)
    st.number_input(
        label,
        min_value=1,
        max_value=most,
        step=1,
        key=key,
        width=_WIDTH,
        on_change=lambda: fields.put(_FIELD, f"{mark}{int(st.session_state[key])}", default),
    )


def _switch_kind(fields: Fields, before: Wanted, n_train: int, default: str) -> None:
    """Another kind of budget for about the same amount."""
    rows, tokens = st.session_state.get(_SHOWN, (min(before.rows, n_train), None))
    kind = st.session_state["budget-kind"]
    if kind == SHARE:
        text = _as_share(min(100, max(1, round(100 * rows / max(1, n_train)))), default)
    elif kind == ROWS:
        text = str(max(1, rows))
    else:
        text = f"{_TOKENS_MARK}{max(1, tokens or 1)}"
    fields.put(_FIELD, text, default)


def _as_share(percentage: int, default: str) -> str:
    """The share as the pipeline reads it, written as the run's own where it is the same."""
    text = f"{percentage / 100:.2f}"
    try:
        same = "." in default and Decimal(default) == Decimal(text)
    except ArithmeticError:
        same = False
    return default if same else text
