"""The language model of a run and the settings of its method, as fields; names of models checked.

Knows which names a browser may give, nothing of how a model is loaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from nncift_core.config import DEFAULT_MODEL, LanguageModelConfig, LessConfig, SelectITConfig
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from pages._ui.config_fields import draw_fields
from pages._ui.format import plain

SMALL_MODELS = ("HuggingFaceTB/SmolLM2-135M-Instruct", "Qwen/Qwen2.5-0.5B-Instruct")
"""Open models that label on a laptop."""

# A model's own code would run on the server, for anybody who has the page: command line only.
_NOT_OFFERED = ("trust_remote_code",)
_LABELS = {"dtype": "Number format", "template": "Prompt template"}
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


def draw_model_fields(method: str) -> ModelFields:
    """The language model's section and the method's own settings, as far as it has them."""
    entry = METHODS[method]
    model: Mapping[str, Any] = {}
    own: Mapping[str, Any] = {}
    if "language-model" in entry.needs:
        st.subheader("Language model", anchor=False)
        with st.grid(min_column_width=270, key="language-model"):
            model = draw_fields(LanguageModelConfig, leave_out=_NOT_OFFERED, labels=_LABELS)
        names = " or ".join(f"`{name}`" for name in SMALL_MODELS)
        st.caption(
            f"**{DEFAULT_MODEL}** is a small demo model: it knows only the demo data. For rows "
            f"of your own, and where there is a network, name an open model such as {names}."
        )
    if entry.settings in _GROUPS:
        with (
            st.expander(f"Settings of {plain(entry.title)}"),
            st.grid(min_column_width=270),
        ):
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
