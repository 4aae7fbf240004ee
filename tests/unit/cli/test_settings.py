"""Settings of the groups as options: they reach the configuration, and none is ignored."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncift_core.cli.options import build_parser
from nncift_core.cli.settings import (
    GROUPS,
    SETTINGS,
    Setting,
    read_selection,
    read_settings,
    uses,
)
from nncift_core.config import LanguageModelConfig, LessConfig, RunConfig, SelectITConfig
from nncift_core.errors import ConfigError, ModelError
from nncift_core.influence import METHODS
from nncift_core.selection_config import SelectionConfig

OTHER: dict[str, str] = {
    "method": "less", "label_fraction": "0.25", "budget": "17", "objective": "coverage",
    "encoder": "some/encoder", "network": "paper", "inputs": "states", "design": "block",
    "second_round": "0.3", "seed": "11", "exact": "",
    "model": "some/model", "adapter": "some/adapter", "device": "cuda:1", "dtype": "bfloat16",
    "quantization": "nf4", "attention": "eager", "template": "plain", "context": "512",
    "memory_mb": "256", "trust_remote_code": "",
    "less_warmup_share": "0.5", "less_epochs": "2", "less_learning_rate": "1e-3",
    "less_batch_rows": "4", "less_rank": "16", "less_alpha": "32", "less_dropout": "0",
    "less_modules": "q_proj,v_proj", "less_dimensions": "256",
    "selectit_alpha": "0.5", "selectit_variant": "code", "selectit_more_models": "a/b,c/d",
    "use_case": "target", "optimizer": "naive", "duplicates": "exact", "quality_weight": "0.25",
    "pin": f"{'0' * 16}-0,{'1' * 16}-2", "ban": f"{'2' * 16}-0", "ban_where": "tokens > 5",
    "quota": "cluster:1=2..", "token_budget": "900", "least_tokens": "3", "most_tokens": "50",
}  # fmt: skip
"""A value other than the default for every setting; flags have none."""

each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.option)


def read(*options: str) -> RunConfig:
    return read_settings(build_parser().parse_args(["run", *options]))


def option(setting: Setting, value: str | None = None) -> list[str]:
    value = OTHER[setting.name] if value is None else value
    return [setting.option] if setting.kind == "bool" else [setting.option, value]


def a_method_that_uses(setting: Setting) -> list[str]:
    if setting.name == "method":
        return []
    return ["--method", next(entry.name for entry in METHODS if uses(entry, setting.group))]


def test_every_field_of_every_group_is_a_setting() -> None:
    known = [(setting.group, setting.field) for setting in SETTINGS]
    assert known == [
        (group, field.name)
        for group, config in (("", RunConfig), ("lm", LanguageModelConfig), ("less", LessConfig),
                              ("selectit", SelectITConfig), ("selection", SelectionConfig))
        for field in fields(config)
        if field.name not in GROUPS
    ]  # fmt: skip
    assert len({setting.option for setting in SETTINGS}) == len(SETTINGS)
    assert {setting.name for setting in SETTINGS} == set(OTHER)
    named = {setting.option for setting in SETTINGS}
    assert {"--model", "--memory-mb", "--less-rank", "--selectit-variant"} <= named


@each_setting
def test_an_option_reaches_its_field_and_no_other(setting: Setting) -> None:
    config = read(*option(setting), *a_method_that_uses(setting))
    holder = getattr(config, setting.group) if setting.group else config
    value = getattr(holder, setting.field)
    kinds = {"str": str, "int": int, "float": float, "bool": bool}
    assert type(value) is kinds[setting.kind]
    if setting.kind == "bool":
        assert value is True
    else:
        assert value == kinds[setting.kind](OTHER[setting.name])
    assert value != setting.default
    before = asdict(read(*a_method_that_uses(setting)))
    after = asdict(config)
    if setting.group:
        after[setting.group][setting.field] = setting.default
    else:
        after[setting.field] = before[setting.field]
    assert after == before


@pytest.mark.parametrize("method", METHODS.names)
def test_no_option_gives_the_defaults(method: str) -> None:
    assert read("--method", method) == RunConfig(method=method)
    assert read() == RunConfig()


@each_setting
@pytest.mark.parametrize("method", METHODS.names)
def test_a_setting_that_the_method_does_not_use_is_refused(method: str, setting: Setting) -> None:
    """Also one that is given at its default."""
    if setting.name == "method" or uses(METHODS[method], setting.group):
        return
    for value in (None, str(setting.default)):
        with pytest.raises(
            ConfigError, match=f"Method '{method}' .* would change nothing"
        ) as caught:
            read("--method", method, *option(setting, value))
        assert setting.option in caught.value.message
        assert f"Leave {setting.option} out" in caught.value.hint


def test_who_uses_what() -> None:
    used = {entry.name: [group for group in GROUPS if group and uses(entry, group)]
            for entry in METHODS}  # fmt: skip
    assert used == {"delift-se": ["selection"], "delift": ["lm", "selection"],
                    "less": ["lm", "less", "selection"],
                    "selectit": ["lm", "selectit", "selection"]}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dtype", "float8"], "bfloat16"),
        (["--quantization", "gptq"], "nf4"),
        (["--attention", "flash"], "flash_attention_2"),
        (["--template", "llama"], "chat"),
        (["--context", "-1"], "context is -1"),
        (["--context", "many"], "many"),
        (["--memory-mb", "1"], "memory_mb is 1"),
        (["--less-rank", "0"], "rank is 0"),
        (["--less-rank", "1.5"], "1.5"),
        (["--less-warmup-share", "0"], "Warm-up share 0"),
        (["--less-learning-rate", "nan"], "learning_rate is nan"),
        (["--less-dropout", "1"], "Dropout 1"),
        (["--less-dimensions", "8"], "dimensions is 8"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_impossible_values(options: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read("--method", "less", *options)
    assert words in str(caught.value)


def test_impossible_values_of_selectit() -> None:
    for options in (["--selectit-alpha", "-1"], ["--selectit-variant", "papers"]):
        with pytest.raises(ConfigError):
            read("--method", "selectit", *options)


def test_an_option_stands_once_and_a_flag_has_no_value() -> None:
    with pytest.raises(ConfigError, match="--less-rank is given twice"):
        read("--method", "less", "--less-rank", "4", "--less-rank", "8")
    with pytest.raises(ConfigError, match="--model is given twice"):
        read("--method", "less", "--model", "demo", "--model", "demo")
    with pytest.raises(ConfigError, match="trust-remote-code"):
        read("--method", "less", "--trust-remote-code=yes")


# Folders --------------------------------------------------------------------------------------


@pytest.fixture
def model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of a model, in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "adapter_config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize("given_as", ["home/mine", "./home/../home/mine", "~/mine"])
def test_a_folder_is_kept_by_its_full_path(model_folder: Path, given_as: str) -> None:
    names = ["--model", given_as, "--adapter", given_as, "--encoder", given_as]
    more = ["--selectit-more-models", f"{given_as}, some/id"]
    config = read("--method", "selectit", *names, *more)
    full = str(model_folder)
    assert (config.lm.model, config.lm.adapter, config.encoder) == (full, full, full)
    assert config.selectit.more_models == f"{full},some/id"


def test_the_demo_model_is_not_a_folder_of_that_name(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    config = read("--method", "selectit", "--model", "demo", "--selectit-more-models", "demo")
    assert (config.lm.model, config.selectit.more_models) == ("demo", "demo")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./no/such/folder", "does not exist"),
        ("/no/such/folder", "does not exist"),
        ("empty", "holds no model"),
        ("a file", "is a file"),
        ("half", "holds no weights"),
        ("pickled", "pickled weights only"),
        ("", "does not exist"),
    ],
)
@pytest.mark.parametrize("where", ["--model", "--selectit-more-models", "--adapter"])
def test_folders_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str, where: str
) -> None:
    if name == "" and where != "--model":
        return
    monkeypatch.chdir(tmp_path)
    kind = "adapter" if where == "--adapter" else "model"
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("")
    for folder in ("half", "pickled"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
        (tmp_path / folder / "adapter_config.json").write_text("{}")
    (tmp_path / "pickled" / f"{kind}.bin").write_bytes(b"")
    with pytest.raises(ModelError) as caught:
        read("--method", "selectit", where, name)
    assert words.replace("model", kind) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["~nobody-here/model", "m" * 5000, "a/" * 3000 + "b"])
def test_names_that_no_folder_can_have(name: str) -> None:
    with pytest.raises(ModelError, match=r"does not exist"):
        read("--method", "delift", "--model", name)


# Whole commands -------------------------------------------------------------------------------


def test_help_lists_every_setting_with_its_text(cli: Any) -> None:
    os.environ["COLUMNS"] = "300"
    try:
        texts = {command: cli(command, "--help").out for command in ("run", "pilot")}
    finally:
        del os.environ["COLUMNS"]
    for text in texts.values():
        words = " ".join(text.split())
        for setting in SETTINGS:
            assert f" {setting.option} " in words
            assert setting.text in words
            if setting.kind != "bool" and setting.default != "":
                assert f"Default: {setting.default}." in words
        for title in ("language model, for methods that use one:", "settings of method less:",
                      "settings of method selectit:", "what the subset must obey:"):  # fmt: skip
            assert title in text
    assert "--output" not in texts["pilot"]
    assert "--config" not in texts["pilot"]


@each_setting
def test_a_replay_takes_no_setting(cli: Any, setting: Setting) -> None:
    sentence = cli("run", "--config", "c.json", "--output", "x.jsonl", *option(setting)).sentence
    assert sentence.startswith(f"The option {setting.option} does not go with --config.")


@pytest.fixture
def spec_of(cli: Any) -> Callable[..., Any]:
    """``spec_of(arguments)``: what a run would be made of; none is made."""
    from nncift_core import pipeline

    def call(parts: list[str]) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            caught: list[Any] = []
            patch.setattr(pipeline, "create_run", lambda *a: caught.append(a) or "stop")
            done = cli(*parts)
            assert caught, done.err
            return caught[0][2], done.err

    return call


def test_what_is_given_is_what_the_run_keeps(spec_of: Any, arguments: Any) -> None:
    spec, _ = spec_of(
        arguments(method="less", less_rank=4, less_learning_rate="1e-4", template="plain",
                  trust_remote_code=True, memory_mb=128)
    )  # fmt: skip
    assert spec.config.less == LessConfig(rank=4, learning_rate=1e-4)
    assert spec.config.lm == LanguageModelConfig(
        template="plain", trust_remote_code=True, memory_mb=128
    )
    assert spec.config.objective == "topk"
    assert json.loads(json.dumps(spec.as_json()))["config"]["less"]["rank"] == 4


def test_selectit_needs_no_target(spec_of: Any, arguments: Any) -> None:
    spec, err = spec_of(arguments(method="selectit", target=None))
    assert (spec.target, spec.target_sample) == (None, None)
    assert "Warning" not in err
    for target in ("sample:20", None):
        given = {} if target is None else {"target": target}
        spec, err = spec_of(arguments(method="selectit", **given))
        assert (spec.target is None) == (target is not None)
        assert spec.target_sample == (20 if target else None)
        assert "Warning: SelectIT scores rows without a target set" in err
        assert err.count("not read") == 1


@pytest.mark.parametrize("method", ["delift-se", "delift", "less"])
def test_all_others_need_one(cli: Any, arguments: Any, method: str) -> None:
    sentence = cli(*arguments(method=method, target=None)).sentence
    assert sentence == "The option --target is missing. See nncift run --help."
    parts = arguments(method=method, target=None, output=None)
    if method != "delift-se":
        assert "See nncift pilot --help." in cli("pilot", *parts[1:]).sentence


@pytest.mark.parametrize("objective", ["fl", "fl-pool", "flmi", "flcg", "coverage", "round-robin"])
def test_objectives_of_pairs_do_not_go_with_selectit(
    cli: Any, arguments: Any, objective: str
) -> None:
    sentence = cli(*arguments(method="selectit", target=None, objective=objective)).sentence
    assert sentence == (
        f"Objective {objective!r} compares pairs, but 'selectit' scores single rows. "
        "Use --objective topk."
    )


def test_a_refused_setting_leaves_nothing(cli: Any, arguments: Any, tmp_path: Path) -> None:
    for options in ({"method": "delift", "less_rank": 4}, {"method": "delift", "model": "./no"}):
        assert cli(*arguments(**options)).sentence
    assert not (tmp_path / "workspace").exists()
    assert not (tmp_path / "out").exists()


# Row ids --------------------------------------------------------------------------------------

ONE, TWO = f"{'0' * 16}-0", f"{'ab' * 8}-12"


@pytest.mark.parametrize("name", ["pin", "ban"])
def test_ids_are_kept_as_ids_wherever_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_bytes(f"\ufeff{TWO}\r\n\n  {ONE}\n{TWO}\n".encode())
    for given_as, kept in (
        (ONE, ONE),
        (f" {ONE} , {TWO},{ONE}", f"{ONE},{TWO}"),
        ("ids.txt", f"{TWO},{ONE}"),
        (str(tmp_path / "ids.txt"), f"{TWO},{ONE}"),
    ):
        config = read(f"--{name}", given_as)
        assert getattr(config.selection, name) == kept


@pytest.mark.parametrize(
    ("given_as", "words"),
    [
        ("", "names no row"),
        (" , ", "names no row"),
        ("row 7", "neither a list of row ids nor a file"),
        (ONE.upper().replace("0", "X"), "neither a list of row ids nor a file"),
        ("x" * 5000, "neither a list of row ids nor a file"),
        (f"{ONE},no", "neither a list of row ids nor a file"),
        ("words.txt", "Line 2 of 'words.txt' is 'hello', which is no row id"),
        ("empty.txt", "holds no row id"),
        ("binary.txt", "cannot be read as text"),
        (".", "neither a list of row ids nor a file"),
    ],
)
def test_what_names_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_as: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text(f"{ONE}\nhello\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        read("--pin", given_as)
    assert words in caught.value.message
    assert len(caught.value.message) < 300


def test_selection_settings_of_a_later_selection_begin_with_those_of_the_run() -> None:
    base = SelectionConfig(ban=ONE, duplicates="exact")
    options = build_parser().parse_args(["select", "r", "--pin", TWO, "--duplicates", "keep"])
    assert read_selection(options, base) == SelectionConfig(pin=TWO, ban=ONE, duplicates="keep")
    with pytest.raises(ConfigError, match="both pinned and banned"):
        read_selection(build_parser().parse_args(["select", "r", "--pin", ONE]), base)


@given(st.text(max_size=40))
def test_any_name_of_a_model_is_a_name_or_one_sentence(name: str) -> None:
    """Never an error of another kind; without the hub."""
    parsed = build_parser().parse_args(["run", "--method", "delift"])
    parsed.model = name
    try:
        assert read_settings(parsed).lm.model
    except (ConfigError, ModelError) as error:
        assert str(error)
