"""Checks that settings share: types, choices, least values, known names.

Each raises one sentence that names the setting. Knows dataclasses and no single setting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from nncift_core.errors import ConfigError

_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def check_known(config_class: type, values: Mapping[str, Any], prefix: str) -> None:
    """Refuse settings that a class of settings does not have. Raises: ConfigError."""
    unknown = sorted(set(values) - {setting.name for setting in fields(config_class)})
    if unknown:
        raise ConfigError(
            f"The setting {prefix + unknown[0]!r} is unknown.",
            "It was written by another version of this software.",
        )


def check_types(config: Any) -> None:
    """A config.json that was edited by hand can hold anything. Raises: ConfigError."""
    for setting in fields(config):
        value = getattr(config, setting.name)
        if is_dataclass(value):
            continue
        kinds = _KINDS.get(str(setting.type), ())
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ConfigError(
                f"The setting {setting.name} is {value!r}, which is not of type {setting.type}.",
                f"Its default is {setting.default!r}.",
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"The setting {setting.name} is {value}.", "Give a number.")


def check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices. Raises: ConfigError."""
    value = getattr(config, name)
    if value not in choices:
        raise ConfigError(
            f"The setting {name} is {value!r}.", f"Choose one of: {', '.join(choices)}."
        )


def check_least(config: Any, name: str, least: float) -> None:
    """Refuse a number below the least that makes sense. Raises: ConfigError."""
    value = getattr(config, name)
    if value < least:
        raise ConfigError(f"The setting {name} is {value}.", f"Give {least} or more.")
