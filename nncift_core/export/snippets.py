"""Texts that load an exported file into a trainer: TRL, Axolotl, LLaMA-Factory.

Pure text from the file's name, its schema and the layout of the original rows. File names and
column names are quoted for the language that they stand in. What the trainers read:

- TRL: https://huggingface.co/docs/trl/dataset_formats and https://huggingface.co/docs/trl/sft_trainer
  (``messages``, or ``prompt`` with ``completion``; a chat template is applied to turns only).
- Axolotl: docs/dataset-formats/conversation.qmd and inst_tune.qmd of axolotl-ai-cloud/axolotl
  (``chat_template`` with ``message_property_mappings``; ShareGPT as a type of its own is gone).
- LLaMA-Factory: data/README.md and src/llamafactory/data of hiyouga/LLaMA-Factory (``columns`` and
  ``tags`` that are named replace all defaults, so all that are needed are named).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from nncift_core.errors import ConfigError, unknown_name
from nncift_core.export.exportable import Layout
from nncift_core.export.rows import SCHEMAS

MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
"""Stands for the model to tune; to be replaced."""

_OWN_SHAPES = {
    "alpaca": Layout("alpaca", "instruction", "output", "input"),
    "messages": Layout("messages", "messages", "messages"),
    "sharegpt": Layout("sharegpt", "conversations", "conversations"),
    "prompt-completion": Layout("pairs", "prompt", "completion"),
}


@dataclass(frozen=True)
class SnippetPart:
    """One file of a snippet.

    Attributes:
        name: What to call the file.
        language: ``python``, ``yaml`` or ``json``.
        text: Its content, ending with a line break.
    """

    name: str
    language: str
    text: str


@dataclass(frozen=True)
class _File:
    """The exported file as a trainer sees it."""

    name: str
    schema: str
    layout: Layout

    @property
    def loader(self) -> str:
        """Name of the loader of the library datasets."""
        return "parquet" if self.schema == "parquet" else "json"

    @property
    def stem(self) -> str:
        """The name of the data, in letters, digits and hyphens."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.name.partition(".")[0]).strip("-") or "subset"


def snippet(
    trainer: str, file_name: str, schema: str, layouts: Sequence[Layout] = ()
) -> list[SnippetPart]:
    """What loads a file into a trainer; the file lies in the folder that training starts in.

    Args:
        trainer: A name of ``TRAINERS``.
        file_name: Name of the exported file, without a folder.
        schema: Its schema.
        layouts: Where prompt and response lie in the original rows; for ``raw`` and ``parquet``.

    Raises:
        ConfigError: Unknown trainer or schema, or the trainer cannot read such a file.
    """
    if trainer not in TRAINERS:
        raise unknown_name("trainer", trainer, TRAINERS)
    _, write = TRAINERS[trainer]
    name = SCHEMAS[schema].name
    layout = _OWN_SHAPES.get(name) or _raw_layout(name, layouts, TRAINERS[trainer][0])
    return write(_File(PurePath(file_name).name, name, layout))


def _raw_layout(schema: str, layouts: Sequence[Layout], trainer: str) -> Layout:
    """The layout that all original rows share, if a trainer can be told of it."""
    plain = len(layouts) == 1 and layouts[0].kind != "instances"
    if plain and not any("." in name for name in layouts[0].columns):
        return layouts[0]
    why = "come from files of different shapes" if len(layouts) > 1 else "are nested"
    raise ConfigError(
        f"The original rows {why}, which {trainer} cannot be told of "
        f"({SCHEMAS[schema].title} keeps them so).",
        "Choose Chat messages or Alpaca instead.",
    )


def _trl(file: _File) -> list[SnippetPart]:
    layout = file.layout
    lines = [
        "# pip install trl",
        "from datasets import load_dataset",
        "from trl import SFTConfig, SFTTrainer",
        "",
        f'dataset = load_dataset("{file.loader}", data_files={file.name!a}, split="train")',
    ]
    if layout.kind == "sharegpt":
        # Chat templates know user and assistant, not human and gpt.
        lines += [
            "",
            'ROLES = {"human": "user", "gpt": "assistant", "observation": "tool"}',
            "",
            "",
            "def to_messages(row):",
            f"    turns = row[{layout.prompt!a}]",
            '    return {"messages": [',
            '        {"role": ROLES.get(turn["from"], turn["from"]), "content": turn["value"]}',
            "        for turn in turns",
            "    ]}",
            "",
            "",
            "dataset = dataset.map(to_messages, remove_columns=dataset.column_names)",
        ]
    elif layout.kind == "messages":
        if layout.prompt != "messages":
            lines.append(f'dataset = dataset.rename_column({layout.prompt!a}, "messages")')
        lines.append('dataset = dataset.select_columns(["messages"])')
    elif file.schema == "prompt-completion":
        lines += [
            'dataset = dataset.select_columns(["prompt", "completion"])',
            "# Plain text: prompt and completion are joined as they stand, no chat template.",
        ]
    else:
        prompt = f"row[{layout.prompt!a}]"
        if layout.input is not None:
            prompt = f'"\\n".join(filter(None, [{prompt}, row[{layout.input!a}]]))'
        lines += [
            "",
            "",
            "def to_turns(row):",
            "    return {",
            f'        "prompt": [{{"role": "user", "content": {prompt}}}],',
            f'        "completion": [{{"role": "assistant", '
            f'"content": row[{layout.response!a}]}}],',
            "    }",
            "",
            "",
            "dataset = dataset.map(to_turns, remove_columns=dataset.column_names)",
        ]
    lines += [
        "",
        "trainer = SFTTrainer(",
        f'    model="{MODEL}",  # the model to tune',
        "    train_dataset=dataset,",
        f"    args=SFTConfig(output_dir={file.stem + '-model'!a}),",
        ")",
        "trainer.train()",
    ]
    return [SnippetPart("train.py", "python", _text(lines))]


def _axolotl(file: _File) -> list[SnippetPart]:
    layout = file.layout
    lines = [
        f"base_model: {MODEL}  # the model to tune",
        "datasets:",
        f"  - path: {_yaml(file.name)}",
        f"    ds_type: {file.loader}",
    ]
    if layout.chat:
        lines += ["    type: chat_template", f"    field_messages: {_yaml(layout.prompt)}"]
        role, content = ("from", "value") if layout.kind == "sharegpt" else ("role", "content")
        lines += [
            "    message_property_mappings:",
            f"      role: {role}",
            f"      content: {content}",
        ]
    elif (layout.prompt, layout.input, layout.response) == ("instruction", "input", "output"):
        lines.append("    type: alpaca")
    else:
        lines += ["    type:", f"      field_instruction: {_yaml(layout.prompt)}"]
        both = "{instruction}"
        if layout.input is not None:
            lines.append(f"      field_input: {_yaml(layout.input)}")
            both = "{instruction}\\n{input}"
        lines += [
            f"      field_output: {_yaml(layout.response)}",
            "      # How the prompt is put to the model: write its own form here.",
            f'      format: "{both}\\n"',
            '      no_input_format: "{instruction}\\n"',
        ]
    lines += [
        f"output_dir: {_yaml(file.stem + '-model')}",
        "sequence_len: 2048",
        "micro_batch_size: 2",
        "gradient_accumulation_steps: 4",
        "num_epochs: 1",
        "learning_rate: 0.00002",
        "optimizer: adamw_torch",
        "lr_scheduler: cosine",
    ]
    return [SnippetPart("axolotl.yaml", "yaml", _text(lines))]


def _llama_factory(file: _File) -> list[SnippetPart]:
    layout = file.layout
    if file.name.endswith(".gz"):
        raise ConfigError(
            "LLaMA-Factory tells formats by the ending of a file and reads no .gz.",
            "Export without compression.",
        )
    entry: dict[str, object] = {"file_name": file.name}
    if layout.chat:
        entry["formatting"] = "sharegpt"
        entry["columns"] = {"messages": layout.prompt}
        named = (
            ("from", "value", "human", "gpt")
            if layout.kind == "sharegpt"
            else ("role", "content", "user", "assistant")
        )
        tags = ("role_tag", "content_tag", "user_tag", "assistant_tag")
        observation = "observation" if layout.kind == "sharegpt" else "tool"
        entry["tags"] = {
            **dict(zip(tags, named, strict=True)),
            "observation_tag": observation,
            "function_tag": "function_call",
            "system_tag": "system",
        }
    else:
        entry["formatting"] = "alpaca"
        columns = {"prompt": layout.prompt, "query": layout.input, "response": layout.response}
        entry["columns"] = {name: column for name, column in columns.items() if column}
    config = [
        f"model_name_or_path: {MODEL}  # the model to tune",
        "template: qwen  # the template of that model",
        "stage: sft",
        "do_train: true",
        "finetuning_type: lora",
        'dataset_dir: "."  # the folder with the file and dataset_info.json',
        f"dataset: {_yaml(file.stem)}",
        "cutoff_len: 2048",
        f"output_dir: {_yaml(file.stem + '-model')}",
        "per_device_train_batch_size: 2",
        "gradient_accumulation_steps: 4",
        "num_train_epochs: 1.0",
        "learning_rate: 0.0001",
    ]
    info = json.dumps({file.stem: entry}, indent=2)
    return [
        SnippetPart("dataset_info.json", "json", f"{info}\n"),
        SnippetPart("llama-factory.yaml", "yaml", _text(config)),
    ]


TRAINERS: dict[str, tuple[str, Callable[[_File], list[SnippetPart]]]] = {
    "trl": ("TRL", _trl),
    "axolotl": ("Axolotl", _axolotl),
    "llama-factory": ("LLaMA-Factory", _llama_factory),
}
"""The trainers by name: what people call them, and what writes the texts."""


def _yaml(text: str) -> str:
    """A text as a double-quoted YAML scalar in ASCII."""
    return f'"{"".join(map(_yaml_character, text))}"'


def _yaml_character(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return f"\\{character}"
    if 0x20 <= code < 0x7F:
        return character
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
