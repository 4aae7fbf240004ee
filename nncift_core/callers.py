"""On whose behalf this process works right now, and whether that person may change anything.

A process that serves people (the app's server) tells once how to recognise them; everything that
changes a workspace for a person asks here, at the place where the change is made. Anywhere else
(command line, worker, a script) nobody is recognised and everything is allowed. Knows neither
roles nor sign-in nor what is changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from nncift_core.errors import ConfigError


@dataclass(frozen=True)
class Caller:
    """A person on whose behalf something is done.

    Attributes:
        name: How to name the person, an e-mail address for instance; empty where unknown.
        refusal: Why this person may change nothing, as a sentence; empty for who may.
    """

    name: str = ""
    refusal: str = ""


_NOBODY = Caller()
_own: ContextVar[bool] = ContextVar("nncift_own_behalf", default=False)
_recognise: list[Callable[[], Caller]] = []


def recognise_by(recognise: Callable[[], Caller]) -> None:
    """Say who calls from now on in this process; asked anew before each change, in its thread."""
    _recognise[:] = [recognise]


def caller() -> Caller:
    """Who calls: nobody in particular where nobody is recognised."""
    if _own.get() or not _recognise:
        return _NOBODY
    return _recognise[0]()


def may_change() -> bool:
    """Whether the caller may change the workspace."""
    return not caller().refusal


def require_change() -> None:
    """Go on only for who may change the workspace. Raises: ConfigError."""
    refusal = caller().refusal
    if refusal:
        raise ConfigError(refusal)


@contextlib.contextmanager
def own_behalf() -> Iterator[None]:
    """Inside, the software itself acts, not the person whose visit happened to cause it."""
    token = _own.set(True)
    try:
        yield
    finally:
        _own.reset(token)
