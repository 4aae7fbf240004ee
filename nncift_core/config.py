"""Settings of a run: frozen dataclasses whose field texts are also the CLI help and tooltips.

Cross-checks live in ``__post_init__``, so an impossible configuration cannot exist.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from nncift_core.errors import ConfigError
from nncift_core.selection_config import FORMER, SelectionConfig
from nncift_core.setting_checks import check_choice, check_known, check_least, check_types

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
DEFAULT_MODEL = "demo"
"""The small language model that comes with this project."""

MOST_DIGITS = 18
"""Digits of a row count that are read."""


@dataclass(frozen=True)
class Budget:
    """How many rows to keep: a share of the pool or a count.

    Attributes:
        text: As given: with a decimal point and at most 1.0 it is a share of the pool,
            an integer is a row count.
    """

    text: str

    def __post_init__(self) -> None:
        self._parsed()

    def _parsed(self) -> Decimal | int:
        text = self.text.strip()
        problem = ConfigError(
            f"Budget {self.text[:40]!r} is neither a share nor a row count.",
            "Give a share with a decimal point up to 1.0 (0.3) or a whole number of rows (500).",
        )
        # More digits than any pool has rows; Python refuses to read thousands of them.
        if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS:
            count = int(text)
            if count == 0:
                raise ConfigError("Budget 0 would select nothing.", "Give at least 1 row.")
            return count
        if "." not in text or "e" in text.lower():
            raise problem
        try:
            share = Decimal(text)
        except InvalidOperation as error:
            raise problem from error
        if not share.is_finite() or not 0 < share <= 1:
            raise problem
        return share

    def rows(self, n_train: int) -> int:
        """The number of rows to select from a pool of ``n_train``: at least 1.

        Raises:
            ConfigError: A row count is larger than the pool.
        """
        parsed = self._parsed()
        if isinstance(parsed, int):
            if parsed > n_train:
                raise ConfigError(
                    f"Budget {parsed} is larger than the pool of {n_train} rows.",
                    f"Give at most {n_train}, or a share such as 0.3.",
                )
            return parsed
        # Decimal, not float: floor(0.29 * 100) must be 29.
        return max(1, int(parsed * n_train))


@dataclass(frozen=True)
class LanguageModelConfig:
    """Which language model labels the rows, and how it runs."""

    model: str = DEFAULT_MODEL
    """Language model: demo (bundled, small), a Hugging Face id, or a folder."""

    adapter: str = ""
    """LoRA adapter on top of the model: a Hugging Face id or a folder; empty means none."""

    device: str = "auto"
    """Where the model runs: auto, cpu, cuda, cuda:1 or mps. auto takes a GPU where there is one."""

    dtype: str = "auto"
    """Number format: auto, float32, bfloat16 or float16. auto is float32 on a CPU."""

    quantization: str = "none"
    """Smaller weights through bitsandbytes: none, nf4 (4 bit) or int8."""

    attention: str = "auto"
    """Attention kernel: auto, sdpa, flash_attention_2 or eager."""

    template: str = "auto"
    """Prompt template: auto (the model's chat template where it has one), chat or plain."""

    context: int = 0
    """Most tokens of a prompt with its response; 0 means what the model can read."""

    memory_mb: int = 1024
    """Memory in MB that scoring may use for one pass, besides the model's weights."""

    trust_remote_code: bool = False
    """Run Python code that a model brings along. Only for models whose authors you trust."""

    def __post_init__(self) -> None:
        check_types(self)
        check_choice(self, "dtype", ("auto", "float32", "bfloat16", "float16"))
        check_choice(self, "quantization", ("none", "nf4", "int8"))
        check_choice(self, "attention", ("auto", "sdpa", "flash_attention_2", "eager"))
        check_choice(self, "template", ("auto", "chat", "plain"))
        check_least(self, "context", 0)
        check_least(self, "memory_mb", 64)


@dataclass(frozen=True)
class LessConfig:
    """The LoRA warm-up and the gradient features of LESS."""

    warmup_share: float = 0.05
    """Share of the pool that the adapter is warmed up on (at least 64 rows, or all)."""

    epochs: int = 4
    """Passes over the warm-up rows; each ends with a checkpoint."""

    learning_rate: float = 2e-5
    """Highest learning rate of the warm-up, decayed to 0 in a line."""

    batch_rows: int = 8
    """Rows of one warm-up step."""

    rank: int = 128
    """Rank of the LoRA matrices."""

    alpha: float = 512.0
    """LoRA scaling: the update is multiplied by alpha / rank."""

    dropout: float = 0.1
    """Share of the adapter's inputs that is dropped during the warm-up."""

    modules: str = "auto"
    """Layers that get an adapter, separated by commas; auto means the attention projections."""

    dimensions: int = 8192
    """Dimensions that gradients are projected to."""

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.warmup_share <= 1:
            raise ConfigError(
                f"Warm-up share {self.warmup_share} is outside 0 to 1.",
                "Give a share above 0 and at most 1, such as 0.05.",
            )
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"Learning rate {self.learning_rate} is outside 0 to 1.", "Try 2e-5.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"Dropout {self.dropout} is outside 0 to 1.", "Try 0.1.")
        for name in ("epochs", "batch_rows", "rank"):
            check_least(self, name, 1)
        check_least(self, "dimensions", 64)


@dataclass(frozen=True)
class SelectITConfig:
    """How SelectIT turns ratings into one score."""

    alpha: float = 0.2
    """How much disagreement of the rating prompts lowers a score."""

    variant: str = "paper"
    """paper, or code: the published code applies one more softmax to the probabilities."""

    more_models: str = ""
    """Further models that rate too, separated by commas; weighted by their parameters."""

    def __post_init__(self) -> None:
        check_types(self)
        check_choice(self, "variant", ("paper", "code"))
        check_least(self, "alpha", 0)


@dataclass(frozen=True)
class RunConfig:
    """Everything besides the data that decides a run's result."""

    method: str = "delift-se"
    """Influence function that labels the pairs."""

    label_fraction: float = 0.05
    """Share u of the rows of each side that a block of labels has: at most u² of the pairs; every
    design costs what that block costs."""

    budget: str = "0.3"
    """Rows to keep: a share of the pool with a decimal point (0.3), or a whole number of rows."""

    objective: str = ""
    """What makes a subset good; empty means the method's own default."""

    encoder: str = DEFAULT_ENCODER
    """Sentence-transformers id or folder that embeds the rows."""

    network: str = "auto"
    """What predicts unlabelled pairs: a network, a rival, or auto: the best on labels kept out."""

    inputs: str = "auto"
    """What estimators see of a row: text (its sentence embedding), states (that and the language
    model's hidden states of it), or auto: states where a language model labels."""

    design: str = "auto"
    """Which pairs are labelled: block (the paper's), spread (where a pair costs), balanced (where a
    row costs), or auto, which is what suits the method."""

    second_round: float = 0.0
    """Share of the labels that is spent in a second round, where an ensemble disagrees most."""

    seed: int = 0
    """Seed of every random draw; the same seed gives the same subset."""

    exact: bool = False
    """True influence for every pair instead of predictions: the original influence function."""

    lm: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    """The language model, for methods that use one."""

    less: LessConfig = field(default_factory=LessConfig)
    """Settings of method less."""

    selectit: SelectITConfig = field(default_factory=SelectITConfig)
    """Settings of method selectit."""

    selection: SelectionConfig = field(default_factory=SelectionConfig)
    """What the curator asks of the subset."""

    def __post_init__(self) -> None:
        check_types(self)
        Budget(self.budget)
        if not 0 < self.label_fraction <= 1:
            raise ConfigError(
                f"Label fraction {self.label_fraction} is outside 0 to 1.",
                "Give a share of the rows above 0 and at most 1, such as 0.05.",
            )
        check_choice(self, "inputs", ("auto", "text", "states"))
        check_choice(self, "design", ("auto", "block", "spread", "balanced"))
        if not 0 <= self.second_round <= 0.5:
            raise ConfigError(
                f"A second round of {self.second_round} is outside 0 to 0.5.",
                "Give the share of the labels that is kept for it, such as 0.3.",
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(
                f"Seed {self.seed} is outside 0 to 4294967295.", "Give a small whole number."
            )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RunConfig:
        """The settings that ``dataclasses.asdict`` turned into JSON types.

        Groups and settings that are missing have their defaults.

        Raises:
            ConfigError: A setting is unknown or of a wrong type.
        """
        groups = {
            "lm": LanguageModelConfig,
            "less": LessConfig,
            "selectit": SelectITConfig,
            "selection": SelectionConfig,
        }
        values: dict[str, Any] = dict(content)
        # What versions did that knew no such settings.
        for name, former in (("design", "block"), ("inputs", "text"), ("selection", FORMER)):
            values.setdefault(name, former)
        check_known(cls, values, "")
        for name, group in groups.items():
            part = values.get(name) or {}
            if not isinstance(part, Mapping):
                raise ConfigError(f"The settings {name!r} are {part!r}, not a group of settings.")
            check_known(group, part, f"{name}.")
            values[name] = group(**part)
        return cls(**values)


@functools.cache
def field_texts(config_class: type) -> dict[str, str]:
    """The text under each field of a dataclass, by field name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(config_class)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    texts: dict[str, str] = {}
    for statement, following in itertools.pairwise(body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            texts[statement.target.id] = " ".join(str(following.value.value).split())
    return texts
