"""A field for each setting of a group: made from the dataclass, kept in the address of the page.

Knows types, defaults, texts and choices of a settings dataclass, nothing of what they mean.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

import streamlit as st

from nncift_core.config import field_texts
from pages._ui.format import in_app

_UNITS = {"mb": "MB"}


def draw_fields(
    group: type[Any],
    *,
    prefix: str = "",
    leave_out: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Draw a field for each setting and give the values as they stand, by name.

    Making the group of them may refuse a value: that is left to the caller, so that fields
    further down are drawn all the same.

    Args:
        group: A dataclass of settings with defaults and a text under each.
        prefix: Beginning of the fields' keys, which are also their names in the address; the
            command line's options are called alike.
        leave_out: Settings that keep their default.
        labels: What to call settings whose name says too little.
    """
    texts, choices = field_texts(group), field_choices(group)  # type: ignore[arg-type]
    return {
        setting.name: _draw(
            setting,
            key=field_key(prefix, setting.name),
            label=(labels or {}).get(setting.name) or label_of(setting.name),
            help_text=in_app(texts.get(setting.name, "")),
            choices=choices.get(setting.name, ()),
        )
        for setting in fields(group)
        if setting.name not in leave_out
    }


def field_key(prefix: str, name: str) -> str:
    """A setting's key and name in the address: ``memory-mb``, ``less-rank``."""
    return f"{prefix}{name.replace('_', '-')}"


def label_of(name: str) -> str:
    """A setting's name as people read it: ``Memory (MB)``."""
    words = name.split("_")
    unit = _UNITS.get(words[-1])
    text = " ".join(words[:-1] if unit else words).capitalize()
    return f"{text} ({unit})" if unit else text


def _draw(
    setting: Field[Any], *, key: str, label: str, help_text: str, choices: tuple[str, ...]
) -> Any:
    default = setting.default
    if default is MISSING:
        raise TypeError(f"The setting {setting.name} has no default to begin with.")
    if isinstance(default, bool):
        return st.toggle(label, value=default, key=key, bind="query-params", help=help_text)
    if choices:
        return st.selectbox(
            label,
            choices,
            index=choices.index(str(default)),
            key=key,
            bind="query-params",
            help=help_text,
        )
    if isinstance(default, int):
        return st.number_input(
            label, value=default, step=1, key=key, bind="query-params", help=help_text
        )
    if isinstance(default, float):
        return st.number_input(
            label,
            value=default,
            step=_step(default),
            # As it was written: 2e-5 has more digits than a field shows.
            format="%g",
            key=key,
            bind="query-params",
            help=help_text,
        )
    return st.text_input(
        label,
        value=str(default),
        key=key,
        bind="query-params",
        help=help_text,
        placeholder="" if default else "none",
    ).strip()


def _step(default: float) -> float:
    """One of the default's first digit."""
    return 10.0 ** math.floor(math.log10(abs(default))) if default else 0.1


@functools.cache
def field_choices(group: type) -> dict[str, tuple[str, ...]]:
    """The values that a settings dataclass allows, of each setting whose check names them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(group)))
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "check_choice"
        ):
            name, choices = (ast.literal_eval(argument) for argument in node.args[1:])
            found[name] = choices
    return found
