"""Errors that a person can mend, each one clear sentence and an optional hint.

The tree:

    NNCIFTError                  message + hint; exit code 2 in the command line
    ├── DataError                a file or its rows cannot be used
    ├── ConfigError              an option or a combination of options cannot be used
    ├── EncoderError             an embedding model is missing or cannot be loaded
    ├── ModelError               a language model is missing or cannot be used
    ├── WorkspaceError           the workspace cannot be read or written
    └── Cancelled                the user stopped the work; what was done is kept

Anything else that is raised is a fault of this software (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NNCIFTError(Exception):
    """A problem that the user can mend.

    Args:
        message: One sentence: what happened and where, with the offending value.
        hint: One sentence: what to do about it. May be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class DataError(NNCIFTError):
    """A file or its rows cannot be used."""


class ConfigError(NNCIFTError):
    """An option, or a combination of options, cannot be used."""


class EncoderError(NNCIFTError):
    """An embedding model is missing or cannot be loaded."""


class ModelError(NNCIFTError):
    """A language model is missing, cannot be loaded or cannot do what is asked of it."""


class WorkspaceError(NNCIFTError):
    """The workspace cannot be read or written."""


class Cancelled(NNCIFTError):
    """The user stopped the work; everything finished so far is kept."""

    def __init__(self, message: str = "The run was cancelled.", hint: str = "") -> None:
        super().__init__(message, hint or "Resume it to go on from where it stopped.")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """A ConfigError that names the nearest valid name and lists all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return ConfigError(f"Unknown {kind} {name!r}.{guess}", f"Available: {', '.join(names)}.")
