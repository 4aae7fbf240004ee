"""The map drawn by the browser: what it is told, in one block of bytes, and how it is put up.

Coordinates and values go as 16-bit numbers, colors as one byte a point; names of rows go as data
and are drawn as text. The component draws, zooms, and says what was pointed at or drawn around;
which rows that means is found out on the server. Knows arrays and words, nothing of runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages._ui.charts import SELECTION_COLOR
from pages._ui.format import count, number, shortened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nncift_core.pipeline.heatmap import ColorRange
    from nncift_core.pipeline.map_colors import Kinds

ASKED = "asked"
"""The component's trigger: what the visitor did."""

KIND_COLORS = (
    SELECTION_COLOR,
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#8C6BB1",
    "#8F8B00",
)
"""Okabe and Ito's, with a violet and an olive for those that a light or dark page would swallow."""

# Unlike a heatmap's, no shade may vanish on a white or on a black page.
DIVERGING = ("#C2500A", "#E8963C", "#A6A6A6", "#5AA0D6", "#1F6FC4")
BRIGHTENING = (
    "#3B496C",
    "#575D6D",
    "#707173",
    "#8A8678",
    "#A59C74",
    "#C3B369",
    "#E1CC55",
    "#F0DA3A",
)

HINT = (
    "Drag to move, scroll to zoom, click a point to read its row, hold Shift and drag to select. "
    "Keys: arrows, +, -, Enter reads, A selects all in view, Esc clears."
)
_LONGEST_NAME = 48
_FOLDER = Path(__file__).parent / "components"

_component = st.components.v2.component(
    "nncift_map",
    css=(_FOLDER / "map.css").read_text("utf-8"),
    js="\n".join((_FOLDER / name).read_text("utf-8") for name in ("map_parts.js", "map.js")),
)


def draw(payload: bytes, *, key: str, on_asked: Callable[[], None]) -> None:
    """Put a map on the page; ``asked(key)`` says in ``on_asked`` what the visitor did."""
    _component(key=key, data=payload, on_asked_change=on_asked)


def asked(key: str) -> Any:
    """What the visitor did on the map of this key."""
    return (st.session_state.get(key) or {}).get(ASKED)


def packed(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Header and arrays as one block: its length, the header as JSON, the arrays it lists.

    The header gets ``version``, which is the same for the same content.
    """
    listed, blocks, start = [], [], 0
    for name, array in arrays.items():
        # Little-endian, as browsers read it.
        block = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        listed.append([name, f"u{array.dtype.itemsize}", start, array.size])
        blocks.append(block)
        start += len(block)
    digest = hashlib.blake2b(digest_size=12)
    words = {**header, "arrays": listed}
    digest.update(json.dumps(words, sort_keys=True).encode())
    for block in blocks:
        digest.update(block)
    text = json.dumps({**words, "version": digest.hexdigest()}).encode()
    return len(text).to_bytes(4, "little") + text + b"".join(blocks)


def kind_words(kinds: Kinds) -> dict[str, Any]:
    """What the header says of points that are colored by kind."""
    return {
        "palette": None,
        "ticks": [],
        "kinds": [
            {
                "name": shortened(name, _LONGEST_NAME),
                "count": count(rows),
                "color": "" if at in kinds.quiet else KIND_COLORS[at % len(KIND_COLORS)],
            }
            for at, (name, rows) in enumerate(zip(kinds.names, kinds.counts, strict=True))
        ],
    }


def shade_words(scale: ColorRange) -> dict[str, Any]:
    """What the header says of points that are colored by a number."""
    palette: Sequence[str] = DIVERGING if scale.diverging else BRIGHTENING
    return {
        "palette": palette,
        "ticks": [number(scale.lo), number(scale.hi)],
        "kinds": None,
    }
