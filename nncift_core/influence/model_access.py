"""The language model behind an influence function: named at once, opened when a value is asked for.

So building a function is cheap, its identity needs no weights, and two runs that share a device
take turns. Knows no influence function, no rows and no shards.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nncift_core.config import DEFAULT_MODEL, LanguageModelConfig
from nncift_core.lm.devices import choose_device, device_lock
from nncift_core.lm.loading import LanguageModel, model_identity, open_model
from nncift_core.progress import Progress

if TYPE_CHECKING:
    from nncift_core.lm.scoring import ScoringEngine

DEMO_NOTE = (
    "The demo model knows only the demo data; for real rows use another, such as "
    "--model HuggingFaceTB/SmolLM2-135M-Instruct."
)


class ModelAccess:
    """A language model that is opened once, on first use.

    Args:
        model: Its name (``demo``, a hub id or a folder), its settings, or an opened model.

    Attributes:
        settings: What it is or was opened with.
    """

    def __init__(self, model: str | Path | LanguageModelConfig | LanguageModel) -> None:
        if isinstance(model, str | Path):
            model = LanguageModelConfig(model=str(model))
        self.settings = model if isinstance(model, LanguageModelConfig) else model.settings
        self._opened = None if isinstance(model, LanguageModelConfig) else model

    @functools.cached_property
    def identity(self) -> str:
        """Changes with everything about the model that values depend on; reads no weights.

        Raises:
            ModelError: The model cannot be found.
        """
        return model_identity(self.settings) if self._opened is None else self._opened.identity

    @property
    def language_model(self) -> LanguageModel:
        """The model, opened now if it was not; ask for it inside ``computing``.

        Raises:
            ModelError: It cannot be opened.
        """
        if self._opened is None:
            self._opened = open_model(self.settings)
        return self._opened

    @functools.cached_property
    def engine(self) -> ScoringEngine:
        """Scores with the model. Raises: ModelError."""
        # Here, since it needs torch.
        from nncift_core.lm.scoring import ScoringEngine

        return ScoringEngine(self.language_model)

    @contextlib.contextmanager
    def computing(self, progress: Progress) -> Iterator[LanguageModel]:
        """The opened model, and its device to oneself for as long as the block lasts.

        Args:
            progress: Told once if another run has the device; ``advance(0)`` is called meanwhile.

        Raises:
            ModelError: The model cannot be opened.
            Cancelled: While waiting.
        """
        opened = self._opened
        device = choose_device(self.settings.device) if opened is None else opened.device
        with device_lock(device, progress):
            yield self.language_model

    def open(self, progress: Progress) -> None:
        """Open the model and its engine now. Raises: ModelError, Cancelled."""
        with self.computing(progress):
            _ = self.engine

    def notes(self) -> list[str]:
        """Sentences about the model that a user should read beside the values."""
        notes = [DEMO_NOTE] if self.settings.model == DEFAULT_MODEL else []
        if self._opened is not None and self.settings.model != DEFAULT_MODEL:
            chosen = self.settings.template
            if chosen == "auto" and self._opened.prompter.frame.name == "plain":
                notes.append(
                    f"The model {self.settings.model!r} has no chat template, so the plain "
                    "template was used."
                )
        return notes
