"""Influence estimation for instruction data (NN-CIFT), as a library.

The names below are stable; they are imported on first use, so that ``import nncift_core``
costs no more than its standard-library imports.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Row": "nncift_core.types",
    "Pairs": "nncift_core.types",
    "NNCIFTError": "nncift_core.errors",
    "RunConfig": "nncift_core.config",
    "influence": "",
    "datasets": "",
    "selection": "",
    "network": "",
    "embeddings": "",
    "pipeline": "",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nncift_core' has no attribute {name!r}")
    home = _PUBLIC[name]
    if not home:
        return importlib.import_module(f"nncift_core.{name}")
    return getattr(importlib.import_module(home), name)
