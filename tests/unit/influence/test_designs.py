"""Which design a run has, and what is refused."""

from __future__ import annotations

import inspect
import sys

import pytest

from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.influence.designs import DESIGNS, design_of


@pytest.mark.parametrize(
    ("method", "auto", "block"),
    [
        ("delift", "spread", "block"),
        ("delift-se", "spread", "block"),
        ("less", "balanced", "block"),
        ("selectit", "rows", "rows"),
    ],
)
def test_the_design_of_a_method(method: str, auto: str, block: str) -> None:
    assert design_of("auto", METHODS[method]) == auto
    assert design_of("block", METHODS[method]) == block


def test_a_design_is_refused_where_it_is_no_use() -> None:
    with pytest.raises(ConfigError, match="every pair of rows that have gradients is free"):
        design_of("spread", METHODS["less"])
    with pytest.raises(ConfigError, match="gives a value to single rows"):
        design_of("spread", METHODS["selectit"])
    for method in ("delift", "delift-se"):
        with pytest.raises(ConfigError, match="balanced sides save nothing"):
            design_of("balanced", METHODS[method])
    assert design_of("balanced", METHODS["less"]) == "balanced"
    with pytest.raises(ConfigError, match="gives a value to single rows"):
        design_of("balanced", METHODS["selectit"])
    with pytest.raises(ConfigError, match="Did you mean 'spread'"):
        design_of("spraed", METHODS["delift"])


def test_every_design_is_called_alike() -> None:
    names = None
    for entry in DESIGNS:
        plan = entry.load()
        assert entry.summary.endswith(".")
        assert names in (None, list(inspect.signature(plan).parameters))
        names = list(inspect.signature(plan).parameters)
        assert plan(300, 80, 0.1, 0).training_pairs >= 16
    assert names == ["n_train", "n_target", "fraction", "seed", "clusters", "costs"]


def test_plans_do_not_wait_for_torch() -> None:
    import subprocess

    code = (
        "import sys; from nncift_core.config import RunConfig;"
        "from nncift_core.pipeline.planning import label_plan;"
        "label_plan(RunConfig(method='delift', objective='fl'), 300, 100);"
        "print({'torch', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
