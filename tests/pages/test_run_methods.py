"""Run: the fields of each method, what they refuse, and the pilot that measures the cost."""

from __future__ import annotations

import shlex
import time
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nncift_core import jobs
from nncift_core.config import LanguageModelConfig, LessConfig, RunConfig, SelectITConfig
from nncift_core.errors import ConfigError, ModelError
from nncift_core.influence import METHODS
from nncift_core.jobs import JobState
from nncift_core.jobs.state import beat, write_state
from nncift_core.pipeline import create_pilot
from nncift_core.pipeline.inputs import uses_states
from pages._ui.run.config_fields import field_choices, field_key, label_of
from pages._ui.run.cost import rate_words, saving_words, source_words
from pages._ui.run.method_cards import needs_words
from pages._ui.run.model_form import ModelFields
from pages._ui.runs import label_unit, stage_words, stages_of
from tests.pages.conftest import Place, make_spec

pytestmark = pytest.mark.usefixtures("open_databases")

MODEL_KEYS = {
    field_key("", setting.name)
    for setting in fields(LanguageModelConfig)
    if setting.name != "trust_remote_code"
}
LESS_KEYS = {field_key("less-", setting.name) for setting in fields(LessConfig)}
SELECTIT_KEYS = {field_key("selectit-", setting.name) for setting in fields(SelectITConfig)}


@pytest.fixture(name="started")
def started_jobs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Jobs that would have been started."""
    begun: list[Path] = []
    monkeypatch.setattr(jobs, "start", begun.append)
    return begun


def keys_of(app: Any) -> set[str]:
    """Keys of all fields of a page."""
    kinds = (app.text_input, app.number_input, app.selectbox, app.toggle)
    return {element.key for kind in kinds for element in kind}


def config_of(place: Place) -> dict[str, Any]:
    (run,) = place.workspace.catalog.runs(place.project.id)
    return run.config["config"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("delift-se", set()),
        ("delift", MODEL_KEYS),
        ("less", MODEL_KEYS | LESS_KEYS),
        ("selectit", MODEL_KEYS | SELECTIT_KEYS),
    ],
)
def test_each_method_brings_its_own_fields(
    method: str, expected: set[str], open_app, demo_workspace, words
) -> None:
    app = open_app("run", {**demo_workspace.query, "method": method, "labels": "20"})
    assert not app.exception and not app.error
    every = MODEL_KEYS | LESS_KEYS | SELECTIT_KEYS
    assert keys_of(app) & every == expected
    # It would run code on the server for anybody with the page.
    assert "trust-remote-code" not in keys_of(app)
    text = words(app)
    assert ("knows only the demo data" in text) == bool(expected)
    assert ("HuggingFaceTB/SmolLM2-135M-Instruct" in text) == bool(expected)
    assert ("Language model" in [field.label for field in app.text_input]) == bool(expected)
    assert len([b for b in app.button if (b.key or "").startswith("method-")]) == len(METHODS.names)


def test_a_method_is_chosen_by_its_card(open_app, demo_workspace) -> None:
    app = open_app("run", {**demo_workspace.query, "labels": "20"})
    app.selectbox(key="objective").set_value("coverage").run()
    app.button(key="method-less").click().run()
    assert app.query_params["method"] == "less"
    assert app.selectbox(key="objective").value == "fl"
    assert app.number_input(key="less-rank").value == LessConfig().rank
    assert app.number_input(key="less-learning-rate").value == LessConfig().learning_rate


def test_a_pointwise_method_offers_only_what_it_can_and_speaks_of_rows(
    open_app, demo_workspace, words
) -> None:
    app = open_app("run", {**demo_workspace.query, "method": "selectit", "labels": "20"})
    assert not app.exception and not app.error
    assert len(app.selectbox(key="objective").options) == 1
    assert app.selectbox(key="objective").value == "topk"
    assert app.slider(key="labels").label == "Labelled rows"
    assert "24 rows to train on (20 % of all)" in words(app)
    app = open_app("run", {**demo_workspace.query, "method": "delift", "labels": "20"})
    assert app.slider(key="labels").label == "Labelled rows of each side"
    assert len(app.selectbox(key="objective").options) > 3
    # 62 rows with four targets each cost no more than 24 rows with 12 targets each.
    assert "248 pairs to train on (3.44 % of all)" in words(app)
    # W is labelled too, by 24 x 24 pairs of 120 x 120.
    app.selectbox(key="objective").set_value("fl-pool").run()
    assert "824 pairs to train on (3.81 % of all)" in words(app)
    # 18 x 18 pairs of as many rows as 24 and 12.
    app.button(key="method-less").click().run()
    assert "324 pairs to train on (from " in words(app)


def test_settings_reach_the_run_the_command_and_the_address(
    open_app, demo_workspace, started
) -> None:
    app = open_app("run", {**demo_workspace.query, "method": "selectit", "labels": "20"})
    app.text_input(key="model").set_value(" Qwen/Qwen2.5-0.5B-Instruct ")
    app.selectbox(key="quantization").set_value("nf4")
    app.number_input(key="memory-mb").set_value(2048)
    app.number_input(key="selectit-alpha").set_value(0.5)
    app.selectbox(key="selectit-variant").set_value("code").run()
    assert not app.exception and not app.error
    command = shlex.split(app.code[0].value.replace("\\\n", " "))
    from nncift_core.cli.options import build_parser

    options = build_parser().parse_args(command[3:])
    assert (options.model, options.memory_mb) == ("Qwen/Qwen2.5-0.5B-Instruct", 2048)
    assert (options.selectit_alpha, options.selectit_variant) == (0.5, "code")
    app.button(key="start").click().run()
    assert not app.exception
    config = config_of(demo_workspace)
    assert config["lm"] == {
        **vars(LanguageModelConfig()),
        "model": "Qwen/Qwen2.5-0.5B-Instruct",
        "quantization": "nf4",
        "memory_mb": 2048,
    }
    assert config["selectit"] == {**vars(SelectITConfig()), "alpha": 0.5, "variant": "code"}
    assert len(started) == 1


def test_a_link_brings_the_settings_back(open_app, demo_workspace) -> None:
    query = {"method": "less", "model": "a/b", "dtype": "bfloat16", "less-rank": "8"}
    app = open_app("run", {**demo_workspace.query, **query})
    assert app.text_input(key="model").value == "a/b"
    assert app.selectbox(key="dtype").value == "bfloat16"
    assert app.number_input(key="less-rank").value == 8


@pytest.mark.parametrize(
    ("method", "kind", "key", "value", "sentence"),
    [
        ("delift", "number_input", "context", -1, "The setting context is -1."),
        ("delift", "number_input", "memory-mb", 1, "The setting memory_mb is 1."),
        ("less", "number_input", "less-warmup-share", 1.5, "Warm-up share 1.5"),
        ("less", "number_input", "less-dropout", 1.0, "Dropout 1.0"),
        ("less", "number_input", "less-rank", 0, "The setting rank is 0."),
        ("selectit", "number_input", "selectit-alpha", -0.5, "The setting alpha is -0.5."),
    ],
)
def test_a_bad_value_gives_one_sentence_and_no_start(
    method, kind, key, value, sentence, open_app, demo_workspace
) -> None:
    app = open_app("run", {**demo_workspace.query, "method": method, "labels": "20"})
    getattr(app, kind)(key=key).set_value(value).run()
    assert not app.exception
    assert [sentence in error.value.replace("\\", "") for error in app.error] == [True]
    assert app.button(key="start").disabled
    # The fields stay where they are.
    assert keys_of(app) >= MODEL_KEYS | {"encoder", "seed"}


@pytest.mark.parametrize("key", ["model", "adapter", "selectit-more-models"])
def test_a_model_that_names_a_folder_is_not_opened(key: str, open_app, demo_workspace) -> None:
    query = {**demo_workspace.query, "method": "selectit", "labels": "20", key: "a/b, data/demo_lm"}
    if key != "selectit-more-models":
        query[key] = "data/demo_lm"
    app = open_app("run", query)
    assert not app.exception
    assert "names a folder" in app.error[0].value
    assert app.button(key="start").disabled


@pytest.mark.parametrize("name", ["/etc", "./mine", "~/mine", "data/demo_lm", "a/b/c", "..\\up"])
@pytest.mark.parametrize("setting", ["model", "adapter", "more_models"])
def test_folders_are_refused_wherever_a_model_is_named(setting: str, name: str) -> None:
    model = vars(LanguageModelConfig()) | ({} if setting == "more_models" else {setting: name})
    own = {"more_models": f"some/model, {name}"} if setting == "more_models" else {}
    with pytest.raises(ConfigError, match="names a folder"):
        ModelFields(model, own, "selectit").settings()


@pytest.mark.parametrize("name", ["demo", "gpt2", "some/model", "x" * 90 + "/" + "y" * 300, "\0"])
def test_names_that_are_no_folders_pass(name: str) -> None:
    model = vars(LanguageModelConfig()) | {"model": name}
    assert ModelFields(model, {}, "").settings()["lm"].model == name


def test_the_cost_is_unknown_until_it_is_measured(
    open_app, demo_workspace, started, words, monkeypatch
) -> None:
    query = {**demo_workspace.query, "method": "delift", "labels": "20"}
    app = open_app("run", query)
    assert "unknown until measured" in words(app)
    app.button(key="pilot").click().run()
    assert not app.exception and not app.error
    (folder,) = started
    assert folder.parent == demo_workspace.workspace.pilots_dir
    assert jobs.read_job(folder)["kind"] == "pilot"
    # Queued: its panel is there, the button is not.
    assert "Measuring the cost" in words(app)
    assert "pilot" not in [button.key for button in app.button]


@pytest.fixture(name="pilot")
def pilot_of(demo_workspace: Place) -> Path:
    config = RunConfig(method="delift", label_fraction=0.2)
    return create_pilot(demo_workspace.workspace, make_spec(demo_workspace.project, config))


def test_a_pilot_at_work_shows_its_progress(open_app, demo_workspace, pilot, words) -> None:
    import os

    from nncift_core.jobs.process import mark_of

    running = JobState(
        "running",
        stage="label",
        done=30,
        total=500,
        unit="pairs",
        rate=24.0,
        started_at=time.time() - 2,
        process=mark_of(os.getpid()),
    )
    write_state(pilot, running)
    beat(pilot)
    app = open_app("run", {**demo_workspace.query, "method": "delift", "labels": "20"})
    assert not app.exception
    assert "30 of 500 pairs · 24.0 pairs/s" in app.get("progress")[0].proto.text
    assert app.button(key="pilot-cancel").label == "Cancel"
    # Another run of the project may be started all the same: it waits.
    assert not app.button(key="start").disabled
    write_state(pilot, replace(running, status="queued", stage="", ahead=1))
    app = open_app("run", {**demo_workspace.query, "method": "delift", "labels": "20"})
    assert "Waiting behind 1 other job" in words(app)


def test_a_pilot_that_failed_says_why(open_app, demo_workspace, pilot, words, started) -> None:
    with pytest.raises(ModelError), jobs.running(pilot) as progress:
        progress.stage("label", 10, "pairs")
        raise ModelError("The model is not here.", "Name another one.")
    app = open_app("run", {**demo_workspace.query, "method": "delift", "labels": "20"})
    assert "The model is not here" in app.error[0].value
    app.button(key="pilot-resume").click().run()
    assert started == [pilot]


def test_a_measured_rate_tells_the_cost(open_app, demo_workspace, words, monkeypatch) -> None:
    monkeypatch.setattr("nncift_core.pipeline.cost.known_rate", lambda workspace, config: 24.0)
    app = open_app("run", {**demo_workspace.query, "method": "delift", "labels": "20"})
    text = words(app)
    assert "Full labelling **~ 5 min**, this run **~ " in text
    assert "saved **" in text
    assert "Labels at 24.0 pairs/s, as measured here." in text
    assert "unknown" not in text
    assert "pilot" not in [button.key for button in app.button]


def test_a_pilot_that_found_nothing_to_measure_says_so(
    open_app, demo_workspace, pilot, words
) -> None:
    with jobs.running(pilot) as progress:
        progress.stage("label", 10, "pairs")
        progress.advance(10)
        (pilot / "result.json").write_text("{}", "utf-8")
    app = open_app("run", {**demo_workspace.query, "method": "delift", "labels": "20"})
    assert not app.exception and not app.error
    assert "nothing left to measure" in words(app)
    assert "Measuring the cost" not in words(app)


def test_choices_are_those_that_the_settings_allow() -> None:
    found = {**field_choices(LanguageModelConfig), **field_choices(SelectITConfig)}
    assert set(found) == {"dtype", "quantization", "attention", "template", "variant"}
    for name, choices in found.items():
        group: Any = SelectITConfig if name == "variant" else LanguageModelConfig
        for choice in choices:
            group(**{name: choice})
        with pytest.raises(ConfigError, match=", ".join(choices)):
            group(**{name: "another"})


def test_names_of_fields() -> None:
    assert label_of("memory_mb") == "Memory (MB)"
    assert label_of("learning_rate") == "Learning rate"
    assert field_key("less-", "warmup_share") == "less-warmup-share"


def test_what_methods_need_in_words() -> None:
    assert needs_words(METHODS["delift-se"].needs) == "Needs a sentence encoder."
    assert needs_words(METHODS["less"].needs) == (
        "Needs a language model and gradients of its LoRA weights."
    )


def test_stages_are_named_by_what_they_count() -> None:
    assert [label_unit(name) for name in METHODS.names] == ["pairs", "pairs", "gradients", "rows"]
    stages = stages_of({"method": "less"})
    assert list(stages) == ["embed", "label", "train", "predict", "select"]
    for settings, reads in (
        ({"method": "less", "inputs": "auto", "network": "auto"}, True),
        ({"method": "less", "inputs": "auto", "network": "paper"}, False),
        ({"method": "less", "inputs": "text", "network": "auto"}, False),
        ({"method": "selectit", "inputs": "auto", "network": "auto"}, False),
        ({"method": "selectit", "inputs": "states", "network": "ridge"}, True),
        ({"method": "delift-se", "inputs": "auto", "network": "auto"}, False),
        ({"method": "less", "inputs": "auto", "network": "auto", "exact": True}, False),
    ):
        read = ["read"] if reads else []
        assert [name for name in stages_of(settings) if name not in ("label", "train")] == [
            *(["embed"] if not settings.get("exact") else []), *read, "predict", "select",
        ]  # fmt: skip
        if not settings.get("exact"):
            assert uses_states(RunConfig(**settings)) is reads
    words = [stage_words(name, unit) for name, unit in stages.items()]
    assert words[1] == "Compute gradients"
    assert words[3] == "Predict pairs"
    pointwise = stages_of({"method": "selectit"})
    assert stage_words("label", pointwise["label"]) == "Label rows"
    assert stage_words("predict", pointwise["predict"]) == "Predict rows"
    assert list(stages_of({"method": "delift", "exact": True})) == ["label", "predict", "select"]
    assert list(stages_of({"method": "delift-se", "exact": True})) == [
        "embed",
        "predict",
        "select",
    ]
    assert stage_words("warm-up") == "Warm up"


def test_cost_in_words() -> None:
    def cost(seconds: float, label_seconds: float | None = 1.0) -> Any:
        return SimpleNamespace(
            seconds=seconds, label_seconds=label_seconds, label_rate=24.0, unit="pairs",
            label_units=500, full_units=9_000, measured_here=True, rows_to_embed=0,
        )  # fmt: skip

    assert saving_words(cost(1_260.0), cost(68_400.0), exact=False) == (
        "Full labelling **~ 19 h**, this run **~ 21 min**, saved **98.2 %**"
    )
    # What takes any time at all never saves everything.
    assert "saved **99.9 %**" in saving_words(cost(1.0), cost(1e9), exact=False)
    assert "*Exact* costs no more" in saving_words(cost(20.0), cost(2.0), exact=False)
    assert saving_words(cost(120.0), cost(120.0), exact=True).startswith("This run **~ 2 min**")
    unknown = saving_words(cost(40.0, None), cost(90.0, None), exact=False)
    assert "9,000 pairs" in unknown and "**unknown until measured**" in unknown
    assert source_words(cost(1.0)) == (
        "Labels at 24.0 pairs/s, as measured here. The rest is reckoned from earlier runs in "
        "this workspace."
    )
    assert rate_words(0.125, "gradients") == "8.00 s per gradient"
    assert rate_words(None, "rows") == "rate unknown"
