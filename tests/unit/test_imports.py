"""What must stay quick does not import torch, and nothing here imports the user interface."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

QUICK = (
    "nncift_core",
    "nncift_core.errors",
    "nncift_core.types",
    "nncift_core.config",
    "nncift_core.registry",
    "nncift_core.runtime",
    "nncift_core.progress",
    "nncift_core.influence",
    "nncift_core.network",
    "nncift_core.selection",
    "nncift_core.embeddings",
    "nncift_core.cli.options",
    "nncift_core.datasets",
    "nncift_core.export",
    "nncift_core.store",
    "nncift_core.jobs",
    "nncift_core.pipeline",
    "nncift_core.pipeline.cost",
    "nncift_core.pipeline.importing",
    "nncift_core.pipeline.roles",
    "nncift_core.pipeline.spec",
    "nncift_core.pipeline.studies",
    "nncift_core.network.predict",
    "nncift_core.network.fitting",
    "nncift_core.pipeline.view",
    "nncift_core.pipeline.comparing",
    "nncift_core.pipeline.study_sizes",
    "nncift_core.studies.common_scale",
    "nncift_core.pipeline.exporting",
    "nncift_core.cli.commands",
    "nncift_core.worker",
)
SLOW = ("torch", "streamlit", "transformers", "sentence_transformers", "datasets", "pandas")

# Each module in turn, so that the first one that drags something slow in is named.
SCRIPT = f"""
import importlib, json, sys
found = {{}}
for name in {QUICK!r}:
    importlib.import_module(name)
    found[name] = [slow for slow in {SLOW!r} if slow in sys.modules]
print(json.dumps(found))
"""


def python(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=repository, capture_output=True, text=True, timeout=120
    )


def test_quick_modules_import_nothing_slow(repository: Path) -> None:
    done = python(repository, "-c", SCRIPT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == list(QUICK)
    assert {name: slow for name, slow in found.items() if slow} == {}


def test_help_imports_nothing_slow(repository: Path) -> None:
    script = (
        "import sys\nfrom nncift_core.cli import main\n"
        "code = main(['run', '--help'])\n"
        f"print([slow for slow in {SLOW!r} if slow in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = python(repository, "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert "--label-fraction" in done.stdout


def test_public_names() -> None:
    import nncift_core

    for name in nncift_core.__all__:
        assert getattr(nncift_core, name) is not None
    assert nncift_core.Row("0-0", "p", "r").text == "p\nr"
    assert not hasattr(nncift_core, "no_such_name")
