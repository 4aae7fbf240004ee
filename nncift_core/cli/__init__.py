"""The command line: thin commands over ``pipeline``. Standard output is for results only."""

from __future__ import annotations

from nncift_core.cli.main import main

__all__ = ["main"]
