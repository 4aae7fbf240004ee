"""Registries: order, lazy loading, the nearest name for a wrong one."""

from __future__ import annotations

import sys

import pytest

from nncift_core.errors import ConfigError
from nncift_core.registry import Entry, Registry

SHAPES = Registry(
    "shape",
    Entry("round", "colorsys:hsv_to_rgb", "Round", "Has no corners."),
    Entry("angular", "colorsys:rgb_to_hsv", "Angular", "Has corners.", needs=frozenset({"ruler"})),
)


def test_keeps_the_order_of_registration() -> None:
    assert SHAPES.names == ["round", "angular"]
    assert [entry.name for entry in SHAPES] == SHAPES.names
    assert "round" in SHAPES
    assert "oval" not in SHAPES


def test_loads_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    entry = SHAPES["angular"]
    assert "colorsys" not in sys.modules
    assert entry.load()(1.0, 0.0, 0.0) == (0.0, 1.0, 1.0)


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        SHAPES["angulr"]
    assert caught.value.message == "Unknown shape 'angulr'. Did you mean 'angular'?"
    assert caught.value.hint == "Available: angular, round."
    with pytest.raises(ConfigError, match="Unknown shape 'zzzzzz'") as caught:
        SHAPES["zzzzzz"]
    assert "mean" not in caught.value.message


def test_a_name_stands_only_once() -> None:
    entry = Entry("one", "colorsys:hsv_to_rgb", "One", "First.")
    with pytest.raises(ValueError, match="one"):
        Registry("number", entry, entry)
