"""Run: how pairs are estimated. Which settings a method has, and that they reach the run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from nncift_core import jobs
from nncift_core.cli.options import build_parser
from nncift_core.cli.settings import read_settings
from nncift_core.config import RunConfig
from nncift_core.influence import METHODS
from nncift_core.network import ESTIMATORS
from nncift_core.pipeline.planning import label_plan
from pages._ui.run.estimate_form import INPUTS, NETWORK, PLACING, SECOND_ROUND

pytestmark = pytest.mark.usefixtures("open_databases")

EVERY = {NETWORK, PLACING, INPUTS, SECOND_ROUND}
FIELDS = {
    "delift-se": {NETWORK, PLACING, SECOND_ROUND},
    "delift": EVERY,
    "less": {NETWORK, PLACING, INPUTS},
    "selectit": {NETWORK, INPUTS},
}
DESIGNS = {
    "delift-se": ["Auto: spread", "Block", "Spread"],
    "delift": ["Auto: spread", "Block", "Spread"],
    "less": ["Auto: balanced", "Block", "Balanced"],
}


@pytest.fixture(name="started")
def started_jobs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Jobs that would have been started."""
    begun: list[Path] = []
    monkeypatch.setattr(jobs, "start", begun.append)
    return begun


@pytest.fixture(name="form")
def open_form(open_app: Any, demo_workspace: Any) -> Any:
    """``form(method, **query)``: the page of a new run."""

    def make(method: str, **query: str) -> Any:
        app = open_app("run", {**demo_workspace.query, "method": method, "labels": "20", **query})
        assert not app.exception
        return app

    return make


def fields_of(app: Any) -> set[str]:
    return {box.key for box in app.selectbox} & EVERY


def command_of(app: Any) -> list[str]:
    return shlex.split(app.code[0].value.replace("\\\n", " "))[3:]


def config_of(place: Any) -> RunConfig:
    (run,) = place.workspace.catalog.runs(place.project.id)
    return RunConfig.from_json(run.config["config"])


@pytest.mark.parametrize("method", METHODS.names)
def test_a_method_has_the_settings_that_it_can_use(form: Any, method: str) -> None:
    app = form(method)
    assert not app.error
    assert fields_of(app) == FIELDS[method]
    assert len(app.selectbox(key=NETWORK).options) == len(ESTIMATORS)
    if method in DESIGNS:
        offered = app.selectbox(key=PLACING).options
        assert [text if ":" not in text or text.startswith("Auto") else text.split(":")[0]
                for text in offered] == DESIGNS[method]  # fmt: skip
    # Everything that is offered can be planned.
    for design in {"delift": ("block", "spread"), "less": ("block", "balanced")}.get(method, ()):
        label_plan(RunConfig(method=method, objective="topk", design=design), 600, 200)


def test_settings_reach_the_command_and_the_run(
    form: Any, demo_workspace: Any, started: list[Path]
) -> None:
    app = form("delift")
    assert not {"--network", "--design", "--inputs", "--second-round"} & set(command_of(app))
    app.selectbox(key=NETWORK).set_value("ridge")
    app.selectbox(key=PLACING).set_value("block")
    app.selectbox(key=INPUTS).set_value("text")
    app.selectbox(key=SECOND_ROUND).set_value(0.3).run()
    assert not app.exception and not app.error
    shown = read_settings(build_parser().parse_args(command_of(app)))
    found = {"network": "ridge", "design": "block", "inputs": "text", "second_round": 0.3}
    assert {name: getattr(shown, name) for name in found} == found
    app.button(key="start").click().run()
    assert not app.exception and len(started) == 1
    config = config_of(demo_workspace)
    assert {name: getattr(config, name) for name in found} == found


def test_another_method_forgets_what_it_cannot_use(
    form: Any, demo_workspace: Any, started: list[Path]
) -> None:
    """A setting that is not shown is not sent: the run would be refused for it."""
    app = form("delift")
    app.selectbox(key=PLACING).set_value("spread")
    app.selectbox(key=SECOND_ROUND).set_value(0.2)
    app.selectbox(key=NETWORK).set_value("towers").run()
    app.button(key="method-less").click().run()
    assert not app.exception and not app.error
    assert app.selectbox(key=PLACING).value == "auto"
    assert "--second-round" not in command_of(app)
    app.button(key="start").click().run()
    config = config_of(demo_workspace)
    assert (config.method, config.network) == ("less", "towers")
    assert (config.design, config.second_round) == ("auto", 0.0)


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("less", {"design": "spread", "second-round": "0.3"}),
        ("delift", {"design": "balanced"}),
        ("selectit", {"design": "spread", "second-round": "0.3"}),
        ("delift-se", {"inputs": "states"}),
        ("delift", {"network": "no-such", "inputs": "all", "second-round": "7"}),
    ],
)
def test_a_link_cannot_ask_for_what_is_not_offered(
    form: Any, method: str, query: dict[str, str]
) -> None:
    app = form(method, **query)
    assert not app.error
    assert not app.button(key="start").disabled
    shown = read_settings(build_parser().parse_args(command_of(app)))
    assert (shown.network, shown.design, shown.inputs, shown.second_round) == (
        "auto", "auto", "auto", 0.0,
    )  # fmt: skip


def test_an_exact_run_estimates_nothing(form: Any) -> None:
    app = form("delift", exact="true")
    assert fields_of(app) == EVERY
    assert all(app.selectbox(key=key).disabled for key in EVERY)
    app = form("delift")
    assert not any(app.selectbox(key=key).disabled for key in EVERY)
