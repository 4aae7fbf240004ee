"""The language model of a run and the settings of its method, as fields; names of models checked.

Knows which names a browser may give, nothing of how a model is loaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import streamlit as st

from nncift_core.config import DEFAULT_MODEL, LanguageModelConfig, LessConfig, SelectITConfig
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from pages._ui.format import plain
from pages._ui.run.config_fields import draw_fields

SMALL_MODELS = ("HuggingFaceTB/SmolLM2-135M-Instruct", "Qwen/Qwen2.5-0.5B-Instruct")
"""Open models that label on a laptop."""

# A model's own code would run on the server, for anybody who has the page: command line only.
NOT_OFFERED = ("trust_remote_code",)
_NAME = "model"
_LABELS = {"model": "Language model", "dtype": "Number format", "template": "Prompt template"}
_GROUPS: dict[str, type] = {"less": LessConfig, "selectit": SelectITConfig}


@dataclass(frozen=True)
class ModelFields:
    """What the fields of the language model and of a method's own group hold.

    Attributes:
        model: By setting of the language model; empty where the method has none.
        own: By setting of the method's own group; empty where it has none.
        group: Name of that group in a run's settings.
    """

    model: Mapping[str, Any]
    own: Mapping[str, Any]
    group: str

    def settings(self) -> dict[str, Any]:
        """The groups as a run's settings take them.

        Raises:
            ConfigError: A setting is refused, or a name is that of a folder.
        """
        groups: dict[str, Any] = {}
        if self.model:
            names = [("model", self.model["model"]), ("adapter", self.model["adapter"])]
            names += [("model", name) for name in self.own.get("more_models", "").split(",")]
            for kind, name in names:
                if (kind, name) != ("model", DEFAULT_MODEL):
                    refuse_folder(kind, name)
            groups["lm"] = LanguageModelConfig(**self.model)
        if self.own:
            groups[self.group] = _GROUPS[self.group](**self.own)
        return groups


def draw_model_name() -> dict[str, Any]:
    """The one field of the language model that matters most: which it is."""
    others = [setting.name for setting in fields(LanguageModelConfig) if setting.name != _NAME]
    found = draw_fields(LanguageModelConfig, leave_out=others, labels=_LABELS)
    names = " or ".join(f"`{name}`" for name in SMALL_MODELS)
    st.caption(
        f"**{DEFAULT_MODEL}** knows only the demo data. For rows of your own name an open model "
        f"such as {names}."
    )
    return found


def draw_model_fields(method: str, name: Mapping[str, Any]) -> ModelFields:
    """All other settings of the language model and the method's own, as far as it has them.

    Args:
        method: The influence function.
        name: From ``draw_model_name``; empty where the method asks no model.
    """
    entry = METHODS[method]
    model: Mapping[str, Any] = {}
    own: Mapping[str, Any] = {}
    if "language-model" in entry.needs:
        st.markdown("**Language model**")
        with st.grid(min_column_width=220, key="language-model"):
            left_out = (*NOT_OFFERED, _NAME)
            model = {**name, **draw_fields(LanguageModelConfig, leave_out=left_out, labels=_LABELS)}
    if entry.settings in _GROUPS:
        st.markdown(f"**{plain(entry.title)}**")
        with st.grid(min_column_width=220):
            own = draw_fields(_GROUPS[entry.settings], prefix=f"{entry.settings}-")
    return ModelFields(model, own, entry.settings)


def refuse_folder(kind: str, name: str) -> None:
    """A browser may name a model, not a place on the server's disk.

    Args:
        kind: What is named: ``encoder``, ``model`` or ``adapter``; an option of the command line.
        name: As it was typed.

    Raises:
        ConfigError: It names a folder.
    """
    name = name.strip()
    folder = name.startswith((".", "~", "/")) or "\\" in name or name.count("/") > 1
    # A name too long for a file is none.
    with contextlib.suppress(OSError, ValueError):
        folder = folder or (bool(name) and Path(name).exists())
    if folder:
        raise ConfigError(
            f"The {kind} {name!r} names a folder, which the app does not open.",
            f"Give a model id here, or use the command line with --{kind}.",
        )
