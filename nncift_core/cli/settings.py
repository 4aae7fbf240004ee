"""Settings as options and back: one option for each field of the configuration and its groups.

The options of a group that belongs to one method begin with its name (``--less-rank``). A setting
that is given is one that the chosen method uses: anything else is refused, since it would change
nothing. Knows no data; types and choices are checked by the configuration itself.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from nncift_core.cli.row_ids import lasting_ids
from nncift_core.config import (
    DEFAULT_MODEL,
    LanguageModelConfig,
    LessConfig,
    RunConfig,
    SelectITConfig,
    field_texts,
)
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS, MethodEntry
from nncift_core.network import ESTIMATORS
from nncift_core.selection import OBJECTIVES
from nncift_core.selection_config import SelectionConfig

GROUPS: Mapping[str, type] = {
    "": RunConfig,
    "lm": LanguageModelConfig,
    "less": LessConfig,
    "selectit": SelectITConfig,
    "selection": SelectionConfig,
}
"""The configuration class of each group; the first holds the others."""

TITLES: Mapping[str, str] = {
    "": "settings",
    "lm": "language model, for methods that use one",
    "less": "settings of method less",
    "selectit": "settings of method selectit",
    "selection": "what the subset must obey",
}
"""What the help calls a group."""

_PREFIXED = ("less", "selectit")
_CHOICES: Mapping[str, Sequence[str]] = {
    "method": METHODS.names,
    "objective": OBJECTIVES.names,
    "network": ESTIMATORS,
}
_METAVARS: Mapping[str, str] = {
    "model": "ID_OR_PATH",
    "adapter": "ID_OR_PATH",
    "memory_mb": "MB",
    "selectit_more_models": "LIST",
    "less_modules": "LIST",
    "second_round": "SHARE",
    "use_case": "NAME",
    "optimizer": "NAME",
    "duplicates": "WHICH",
    "pin": "IDS",
    "ban": "IDS",
    "ban_where": "RULES",
    "quota": "QUOTAS",
}


@dataclass(frozen=True)
class Setting:
    """One option.

    Attributes:
        group: A key of ``GROUPS``.
        field: The field of the group's class.
        kind: ``str``, ``int``, ``float`` or ``bool``; a ``bool`` is a flag.
        default: What the field is when the option is not given.
        text: The text under the field.
    """

    group: str
    field: str
    kind: str
    default: Any
    text: str

    @property
    def name(self) -> str:
        """Where the parsed options keep it."""
        return f"{self.group}_{self.field}" if self.group in _PREFIXED else self.field

    @property
    def option(self) -> str:
        """The option, with its dashes."""
        return f"--{self.name.replace('_', '-')}"

    def arguments(self, config: RunConfig) -> tuple[str, ...]:
        """The option as ``config`` needs it, nothing where its default does the same."""
        holder = getattr(config, self.group) if self.group else config
        value = getattr(holder, self.field)
        if value in ("", self.default):
            return ()
        return (self.option,) if value is True else (self.option, str(value))


def _read_settings() -> tuple[Setting, ...]:
    return tuple(
        Setting(group, field.name, str(field.type), field.default, field_texts(config)[field.name])
        for group, config in GROUPS.items()
        for field in fields(config)
        if field.name not in GROUPS
    )


SETTINGS = _read_settings()
"""Every setting of a run, in the order of the configuration."""


def uses(method: MethodEntry, group: str) -> bool:
    """Whether a method reads the settings of a group."""
    if group == "lm":
        return "language-model" in method.needs
    return group in ("", "selection", method.settings)


def add_settings(
    parser: argparse.ArgumentParser,
    action: type[argparse.Action],
    groups: Sequence[str] = tuple(GROUPS),
) -> None:
    """Add settings to a command, a group of options for each group of settings.

    Args:
        parser: The command.
        action: What stores a value.
        groups: The groups whose settings the command takes; by default all.
    """
    for group in groups:
        options = parser.add_argument_group(TITLES[group])
        for setting in SETTINGS:
            if setting.group == group:
                _add(options, setting, action)


def _add(options: Any, setting: Setting, action: type[argparse.Action]) -> None:
    text = setting.text.replace("%", "%%")
    if setting.name in _CHOICES:
        text += f" One of: {', '.join(_CHOICES[setting.name])}."
    if setting.kind == "bool":
        options.add_argument(setting.option, action="store_true", default=None, help=text)
        return
    if setting.default != "":
        text += f" Default: {setting.default}."
    options.add_argument(
        setting.option,
        action=action,
        type={"int": int, "float": float}.get(setting.kind, str),
        metavar=_METAVARS.get(setting.name, setting.field.split("_")[-1].upper()),
        help=text,
    )


def given_settings(options: argparse.Namespace) -> list[Setting]:
    """The settings that stand on the command line."""
    return [setting for setting in SETTINGS if getattr(options, setting.name) is not None]


def chosen_method(options: argparse.Namespace) -> MethodEntry:
    """The influence function that the options name. Raises: ConfigError."""
    return METHODS[RunConfig.method if options.method is None else options.method]


def read_settings(options: argparse.Namespace) -> RunConfig:
    """The configuration that the options describe; folders by their full path.

    Raises:
        ConfigError: A value is impossible, or the method does not use a setting that is given.
        ModelError: The folder of a language model is missing or holds no model.
    """
    given = given_settings(options)
    method = chosen_method(options)
    for setting in given:
        if not uses(method, setting.group):
            raise _useless(method, setting, getattr(options, setting.name))
    values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for setting in given:
        value = getattr(options, setting.name)
        values[setting.group][setting.field] = _lasting(setting, value)
    groups = {group: GROUPS[group](**values[group]) for group in GROUPS if group}
    config = RunConfig(**values[""], **groups)
    if uses(method, "lm"):
        models = [config.lm.model, *_names(config.selectit.more_models)]
        _look_for_models(models, config.lm.adapter)
    return config


def read_selection(options: argparse.Namespace, base: SelectionConfig) -> SelectionConfig:
    """``base`` with the selection settings that the options give.

    Raises:
        ConfigError: A value is impossible, or a file of ids cannot be read.
    """
    values = {
        setting.field: _lasting(setting, value)
        for setting in SETTINGS
        if setting.group == "selection" and (value := getattr(options, setting.name)) is not None
    }
    return replace(base, **values)


def _useless(method: MethodEntry, setting: Setting, value: Any) -> ConfigError:
    shown = setting.option if value is True else f"{setting.option} {str(value)[:60]}"
    if setting.group == "lm":
        why, hint = "uses no language model", ""
    else:
        owners = [entry.name for entry in METHODS if uses(entry, setting.group)]
        why = f"does not read the settings of {' and '.join(owners)}"
        hint = f", or use --method {owners[0]}"
    return ConfigError(
        f"Method {method.name!r} {why}, so {shown} would change nothing.",
        f"Leave {setting.option} out{hint}.",
    )


def _lasting(setting: Setting, value: Any) -> Any:
    """A value that means the same in another folder, where a replay may start."""
    if setting.name in ("encoder", "adapter"):
        return _full_path(value)
    if setting.name in ("pin", "ban"):
        return lasting_ids(setting.option, value)
    if setting.name == "model":
        return value if value == DEFAULT_MODEL else _full_path(value)
    if setting.name == "selectit_more_models":
        return ",".join(
            name if name == DEFAULT_MODEL else _full_path(name) for name in _names(value)
        )
    return value


def _full_path(name: str) -> str:
    """A folder by its full path; any other name as it is."""
    # A home that does not exist, or a name longer than any path: not a folder.
    with contextlib.suppress(OSError, RuntimeError):
        folder = Path(name).expanduser()
        if name.strip() and folder.is_dir():
            return str(folder.resolve())
    return name


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _look_for_models(models: Sequence[str], adapter: str) -> None:
    """Refuse what is not there before anything is stored; the hub is asked when the run begins."""
    # Late, since only methods with a language model need it.
    from nncift_core.lm.sources import find_adapter, find_model, resolve_adapter, resolve_model

    for name in models:
        if isinstance(resolve_model(name), Path):
            find_model(name)
    if adapter and isinstance(resolve_adapter(adapter), Path):
        find_adapter(adapter)
