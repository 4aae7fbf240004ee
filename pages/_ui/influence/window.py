"""Which window, orders and pair of the heatmap a page shows, kept in the URL for links.

``x`` and ``y`` hold places ``first-last`` counted from 1 in the order drawn; ``pool`` and
``target`` hold the numbers of a pair's rows in input order, from 1, so that they survive another
order; ``row`` is one pool row likewise. What cannot be read counts as absent: a link may be old or
mistyped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

Side = tuple[int, int] | None

_MOST_DIGITS = 9
_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


class Window(NamedTuple):
    """First and past-the-last place, from 0, of each side; None for all of a side."""

    pool: Side = None
    target: Side = None


WHOLE = Window()


def read(n_train: int, n_target: int) -> Window:
    """The window in the URL, cut to what there is."""
    return Window(_side("x", n_train), _side("y", n_target))


def write(window: Window) -> None:
    """Show this window from now on."""
    for name, side in zip(("x", "y"), window, strict=True):
        if side is None:
            _drop(name)
        else:
            st.query_params[name] = f"{side[0] + 1}-{side[1]}"


def reset() -> None:
    """Show everything."""
    write(WHOLE)


def wider(window: Window, n_train: int, n_target: int) -> Window:
    """The window of twice the size around the same middle, everything if that is no less."""
    return Window(_wider(window.pool, n_train), _wider(window.target, n_target))


def read_pair(n_train: int, n_target: int) -> tuple[int, int] | None:
    """Positions (pool, target) of the pair in the URL, None if there is none."""
    pool, target = _number("pool"), _number("target")
    if pool is None or target is None:
        # Links of older versions counted from 0.
        found = _RANGE.fullmatch(st.query_params.get("pair", ""))
        if found is None:
            return None
        pool, target = int(found[1]) + 1, int(found[2]) + 1
    return (pool - 1, target - 1) if 0 < pool <= n_train and 0 < target <= n_target else None


def write_pair(pool_position: int, target_position: int) -> None:
    """Show this pair from now on."""
    _drop("pair")
    st.query_params["pool"] = str(pool_position + 1)
    st.query_params["target"] = str(target_position + 1)


def close_pair() -> None:
    """Show no pair from now on."""
    for name in ("pair", "pool", "target"):
        _drop(name)


def read_row(n_train: int) -> int | None:
    """Position of the row in the URL, None if there is none."""
    # As the data page does, a link counts rows from 1.
    number = _number("row")
    return None if number is None or not 0 < number <= n_train else number - 1


def write_row(position: int | None) -> None:
    """Show the row at this position in input order from now on; none if None."""
    if position is None:
        _drop("row")
    else:
        st.query_params["row"] = str(position + 1)


def choice(
    place: Any,
    label: str,
    name: str,
    options: Mapping[str, str],
    *,
    default: str,
    help_text: str,
    moves: bool = False,
) -> str:
    """A field whose choice is kept in the URL under ``name``.

    Args:
        place: Where to draw it.
        label: Of the field.
        name: In the URL; also the field's key.
        options: What to call each value.
        default: What is chosen where the URL says nothing, or nothing known.
        help_text: Tooltip of the field.
        moves: Whether places mean something else after another choice, so that the window no
            longer holds.
    """
    wanted = st.query_params.get(name, default)
    # The URL decides and the field follows it.
    st.session_state[name] = wanted if wanted in options else default

    def chosen() -> None:
        st.query_params[name] = st.session_state[name]
        if moves:
            reset()

    place.selectbox(
        label,
        list(options),
        format_func=options.__getitem__,
        key=name,
        on_change=chosen,
        help=help_text,
    )
    return str(st.session_state[name])


def _number(name: str) -> int | None:
    text = st.query_params.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        return None
    return int(text)


def _side(name: str, size: int) -> Side:
    found = _RANGE.fullmatch(st.query_params.get(name, ""))
    if found is None:
        return None
    start, stop = max(0, int(found[1]) - 1), min(size, int(found[2]))
    return None if start >= stop or (start, stop) == (0, size) else (start, stop)


def _wider(side: Side, size: int) -> Side:
    if side is None:
        return None
    more = max(1, (side[1] - side[0]) // 2)
    start, stop = max(0, side[0] - more), min(size, side[1] + more)
    return None if (start, stop) == (0, size) else (start, stop)


def _drop(name: str) -> None:
    if name in st.query_params:
        del st.query_params[name]
