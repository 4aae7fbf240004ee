"""Which runs may be drawn side by side: those whose places mean the same rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pages._ui.run_view import _same_rows


def _view(**other: Any) -> Any:
    facts: dict[str, Any] = {"train": "a", "target": None, "sample": 5, "seed": 0, "grown": ()}
    facts |= other
    target = SimpleNamespace(id=facts["target"]) if facts["target"] else None
    return SimpleNamespace(
        spec=SimpleNamespace(
            train=SimpleNamespace(id=facts["train"]),
            target=target,
            target_sample=facts["sample"],
            config=SimpleNamespace(seed=facts["seed"]),
            grown_from=facts["grown"],
        )
    )


@pytest.mark.parametrize(
    "other", [{"train": "b"}, {"target": "c"}, {"sample": 6}, {"seed": 1}, {"grown": (40,)}]
)
def test_anything_that_decides_the_rows_tells_runs_apart(other: dict[str, Any]) -> None:
    assert _same_rows(_view(), _view())
    assert not _same_rows(_view(), _view(**other))


def test_a_seed_matters_only_where_a_sample_is_drawn() -> None:
    one = {"target": "t", "sample": None}
    assert _same_rows(_view(**one, seed=0), _view(**one, seed=1))
