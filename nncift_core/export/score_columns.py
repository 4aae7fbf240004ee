"""The extra columns that an export may carry: what the run found out about each row.

Off unless asked for. Knows neither formats nor how scores are made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from nncift_core.files import json_text

SCORE_COLUMNS: Mapping[str, str] = {
    "nncift_id": "id of the row, as in the manifest and the app",
    "nncift_score": "mean influence of the row on the target rows, in the method's own units; "
    "of a method that scores single rows, the score",
    "nncift_rank": "place in the selection, from 1; empty for a row that was left out",
    "nncift_gain": "what the row added to the objective when it was picked; empty if left out",
    "nncift_reason": "why the row was picked or left out, in words",
    "nncift_labelled": "true where at least one true influence value of the row was measured",
}
"""The columns by name, each with what it holds."""


def score_values(
    row_id: str,
    score: float | None,
    rank: int | None,
    gain: float | None,
    reason: str,
    *,
    labelled: bool,
) -> dict[str, Any]:
    """The values of a row in the order of ``SCORE_COLUMNS``."""
    values = (row_id, _seven_digits(score), rank, _seven_digits(gain), reason, labelled)
    return dict(zip(SCORE_COLUMNS, values, strict=True))


def raw_with_scores(raw: str, scores: Mapping[str, Any]) -> str:
    """The original JSON text with the columns behind its own fields.

    Everything before them stays as it was, spaces and spelling of numbers included. Only where a
    row already has fields of these names, from an earlier export, it is written anew without them.
    """
    parsed = json.loads(raw)
    if not isinstance(parsed, dict):
        raise ValueError(f"A raw row is no object: {raw[:80]!r}")
    if not parsed.keys().isdisjoint(scores):
        parsed = {name: value for name, value in parsed.items() if name not in scores}
        raw = json_text(parsed)
    own = raw[: raw.rindex("}")].rstrip()
    return f"{own}{', ' if parsed else ''}{json_text(scores)[1:]}"


def _seven_digits(value: float | None) -> float | None:
    """What a 32-bit number holds; None where there is no number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.7g}")
