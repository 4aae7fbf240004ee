"""The command that a page shows is read by the command line as the very same run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

from nncift_core.cli.options import build_parser
from nncift_core.cli.settings import GROUPS, SETTINGS, read_settings, uses
from nncift_core.config import LanguageModelConfig, LessConfig, RunConfig, SelectITConfig
from nncift_core.influence import METHODS
from nncift_core.selection_config import SelectionConfig
from pages._ui.command import run_command

LM = LanguageModelConfig(
    model="some/model", adapter="some/adapter", device="cuda:1", dtype="bfloat16",
    quantization="nf4", attention="eager", template="plain", context=512, memory_mb=256,
    trust_remote_code=True,
)  # fmt: skip
LESS = LessConfig(
    warmup_share=0.5, epochs=2, learning_rate=1e-3, batch_rows=4, rank=16, alpha=32.0, dropout=0.0,
    modules="q_proj,v_proj", dimensions=256,
)  # fmt: skip
SELECTIT = SelectITConfig(alpha=0.5, variant="code", more_models="a/b,c/d")
SELECTION = SelectionConfig(
    use_case="target", optimizer="stochastic", duplicates="exact", quality_weight=0.25,
    pin=f"{'0' * 16}-0,{'1' * 16}-2", ban=f"{'2' * 16}-0", token_budget=900, least_tokens=3,
    ban_where='prompt contains "a; b"; tokens > 5', quota="cluster:1=2..0.5", most_tokens=50,
)  # fmt: skip
EVERYTHING = RunConfig(
    label_fraction=0.123456, budget="17", objective="topk", encoder="some/encoder",
    network="towers", inputs="states", design="block", second_round=0.25, seed=11,
    exact=True, lm=LM, less=LESS, selectit=SELECTIT, selection=SELECTION,
)  # fmt: skip


def words(command: str) -> list[str]:
    found = shlex.split(command.replace("\\\n", " "))
    assert found[:4] == ["python", "-m", "nncift_core", "run"]
    return found[3:]


@pytest.fixture
def command(demo_workspace: Any) -> Any:
    """``command(config)``: the words of the command for the demo's data."""
    catalog = demo_workspace.workspace.catalog
    project = demo_workspace.project
    by_id = {record.id: record for record in catalog.datasets()}

    def make(config: RunConfig, target: bool = True, sample: int | None = None) -> list[str]:
        return words(
            run_command(
                demo_workspace.workspace,
                config,
                by_id[project.pool_id],
                by_id[project.target_id] if target else None,
                sample,
            )
        )

    return make


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(),
        RunConfig(method="delift"),
        replace(EVERYTHING, method="delift", exact=False),
        replace(EVERYTHING, method="less"),
        replace(EVERYTHING, method="selectit"),
        RunConfig(method="less", less=LessConfig(learning_rate=1e-7, alpha=512.5)),
        RunConfig(method="less", less=LessConfig(modules="a b,'c' $d")),
    ],
    ids=["se", "delift", "all delift", "all less", "all selectit", "small", "signs"],
)
def test_the_command_line_reads_the_same_settings(command: Any, config: RunConfig) -> None:
    found = read_settings(build_parser().parse_args(command(config)))
    # What the method does not read is not on the command line, which would refuse it.
    method = METHODS[config.method]
    unread = {group: GROUPS[group]() for group in GROUPS if not uses(method, group)}
    assert found == replace(config, **unread)


def test_settings_at_their_default_are_left_out(command: Any) -> None:
    for method in ("delift-se", "delift", "less", "selectit"):
        options = [word for word in command(RunConfig(method=method)) if word.startswith("--")]
        assert options == ["--train", "--target", "--method", "--workspace", "--output"]


def test_every_setting_is_shown(command: Any) -> None:
    commands = [command(replace(EVERYTHING, method=method)) for method in ("less", "selectit")]
    shown = {word for found in commands for word in found if word.startswith("--")}
    differs = {
        setting.option
        for setting in SETTINGS
        for holder in [getattr(EVERYTHING, setting.group) if setting.group else EVERYTHING]
        if getattr(holder, setting.field) != setting.default
    }
    assert differs <= shown
    # All but the method, which is always shown.
    assert len(differs) == len(SETTINGS) - 1


def test_targets(command: Any) -> None:
    config = RunConfig(method="selectit")
    assert "--target" in command(config)
    sampled = command(config, target=False, sample=20)
    assert sampled[sampled.index("--target") + 1] == "sample:20"
    alone = command(config, target=False)
    assert "--target" not in alone
    assert build_parser().parse_args(alone).target is None
