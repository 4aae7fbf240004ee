"""How pages say that something went wrong: one sentence, what to do, details folded.

Never shows a traceback unasked. Knows nothing of what was attempted.
"""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

import streamlit as st

from nncift_core.errors import NNCIFTError
from pages._ui.format import in_app, plain

log = logging.getLogger("nncift.pages")


def error_box(error: NNCIFTError, details: str = "") -> None:
    """A box with the error's sentence and hint, and details for whoever opens them."""
    problem_box(error.message, error.hint, details)


def problem_box(message: str, hint: str = "", details: str = "") -> None:
    """The same from its parts; the texts are shown literally, never as markdown."""
    sentence = f"**{plain(in_app(message))}**"
    st.error(f"{sentence}  \n{plain(in_app(hint))}" if hint else sentence, icon=":material/error:")
    if details.strip():
        with st.expander("Details"):
            st.code(details.strip(), language=None, wrap_lines=True, height=280)


class user_errors:  # lower case: it is used as ``with user_errors():``
    """Show what goes wrong inside as an error box; the page goes on after the block.

    Args:
        stop: End the page instead, for what the rest of it cannot do without.
    """

    def __init__(self, *, stop: bool = False) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        # Streamlit's own stop and rerun are no Exceptions and pass through.
        if not isinstance(error, Exception):
            return False
        if isinstance(error, NNCIFTError):
            error_box(error)
        else:
            log.error("A fault of this software on a page", exc_info=error)
            problem_box(
                f"This page met a fault of this software: {type(error).__name__}: {error}",
                "Please report it with the details below; your data and runs are safe.",
                "".join(traceback.format_exception(error)),
            )
        if self._stop:
            st.stop()
        return True
