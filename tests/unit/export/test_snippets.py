"""Snippets parse, name the very file, and read it: the Python one is run up to the trainer."""

from __future__ import annotations

import ast
import json
import sys
import types

import pytest
import yaml

from nncift_core.errors import ConfigError
from nncift_core.export import SCHEMAS, ExportRow, Layout, suffix_for, write_rows
from nncift_core.export.score_columns import score_values
from nncift_core.export.snippets import TRAINERS, snippet
from nncift_core.types import Row

NAMES = [
    "subset.jsonl",
    "a b.jsonl",
    'it\'s "q".jsonl',
    "x\ny: {z}.jsonl",
    "é\u2028👩.jsonl",
    "\\n'+evil+'.jsonl",
    "# - !!python.jsonl",
]
RAW_LAYOUTS = {
    "alpaca": Layout("alpaca", "instruction", "output", "input"),
    "pairs": Layout("pairs", "my 'question'", "answer"),
    "messages": Layout("messages", "chat", "chat"),
    "sharegpt": Layout("sharegpt", "conversations", "conversations"),
}


def row_for(layout):
    if layout.kind == "messages":
        turns = [{"role": "user", "content": "p"}, {"role": "assistant", "content": "r"}]
        value = {layout.prompt: turns}
    elif layout.kind == "sharegpt":
        turns = [{"from": "human", "value": "p"}, {"from": "gpt", "value": "r"}]
        value = {layout.prompt: turns}
    else:
        value = {layout.prompt: "p", layout.response: "r"}
        if layout.input:
            value[layout.input] = ""
    chats = (layout.prompt,) if layout.chat else ()
    scores = score_values("0-0", 0.5, 1, 0.5, "why", labelled=True)
    return ExportRow(json.dumps({**value, "extra": 1}), Row("0-0", "p", "r"), scores, chats)


CASES = [
    (schema, layout)
    for schema in SCHEMAS.names
    for layout in (RAW_LAYOUTS.values() if "raw" in SCHEMAS[schema].needs else [None])
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trainer", list(TRAINERS))
def test_they_parse_and_name_the_file(trainer, name):
    for schema, layout in CASES:
        parts = snippet(trainer, name, schema, [layout] if layout else [])
        texts = {part.name: part.text for part in parts}
        assert all(text.isascii() for text in texts.values())
        if trainer == "trl":
            tree = ast.parse(texts["train.py"])
            strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            assert name in strings
            compile(texts["train.py"], "train.py", "exec")
        elif trainer == "axolotl":
            (dataset,) = yaml.safe_load(texts["axolotl.yaml"])["datasets"]
            assert dataset["path"] == name
            assert dataset["ds_type"] == ("parquet" if schema == "parquet" else "json")
        else:
            info = json.loads(texts["dataset_info.json"])
            config = yaml.safe_load(texts["llama-factory.yaml"])
            assert info[config["dataset"]]["file_name"] == name
            # LLaMA-Factory splits the names of datasets at commas.
            assert set(config["dataset"]) <= set(
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
            )


@pytest.mark.parametrize(("schema", "layout"), CASES)
def test_columns_that_configurations_name_are_in_the_file(tmp_path, schema, layout):
    path = tmp_path / f"subset{suffix_for(schema)}"
    write_rows(path, schema, [row_for(layout or RAW_LAYOUTS["alpaca"])])
    if schema == "parquet":
        import pyarrow.parquet as pq

        (row,) = pq.read_table(path).to_pylist()
    else:
        row = json.loads(path.read_text())
    layouts = [layout] if layout else []
    (part,) = snippet("axolotl", path.name, schema, layouts)
    (dataset,) = yaml.safe_load(part.text)["datasets"]
    kind = dataset["type"]
    if kind == "chat_template":
        turn = row[dataset["field_messages"]][1]
        names = dataset["message_property_mappings"]
        assert turn[names["content"]] == "r"
        assert turn[names["role"]] in ("assistant", "gpt")
    elif kind == "alpaca":
        assert (row["instruction"], row["input"], row["output"]) == ("p", "", "r")
    else:
        assert row[kind["field_instruction"]] == "p" and row[kind["field_output"]] == "r"
        assert "{instruction}" in kind["format"]
    info, _ = snippet("llama-factory", path.name, schema, layouts)
    (entry,) = json.loads(info.text).values()
    if entry["formatting"] == "sharegpt":
        tags = entry["tags"]
        turns = row[entry["columns"]["messages"]]
        assert [turn[tags["content_tag"]] for turn in turns] == ["p", "r"]
        assert [turn[tags["role_tag"]] for turn in turns] == [
            tags["user_tag"],
            tags["assistant_tag"],
        ]
    else:
        assert row[entry["columns"]["prompt"]] == "p"
        assert row[entry["columns"]["response"]] == "r"


@pytest.mark.parametrize(("schema", "layout"), CASES)
def test_the_trl_snippet_gives_the_trainer_what_it_reads(tmp_path, monkeypatch, schema, layout):
    """Really loaded with the library datasets; only the trainer is a stand-in."""
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    path = tmp_path / f"it's {schema}{suffix_for(schema)}"
    write_rows(path, schema, [row_for(layout or RAW_LAYOUTS["alpaca"])] * 2)
    (part,) = snippet("trl", path.name, schema, [layout] if layout else [])
    given = {}

    class SFTTrainer:
        def __init__(self, model, train_dataset, args):
            given.update(rows=train_dataset.to_list(), columns=set(train_dataset.column_names))

        def train(self):
            given["trained"] = True

    trl = types.ModuleType("trl")
    trl.SFTTrainer, trl.SFTConfig = SFTTrainer, lambda output_dir: output_dir
    monkeypatch.setitem(sys.modules, "trl", trl)
    monkeypatch.chdir(tmp_path)
    exec(compile(part.text, "train.py", "exec"), {"__name__": "__main__"})
    assert given["trained"] and len(given["rows"]) == 2
    user, assistant = ({"role": "user", "content": "p"}, {"role": "assistant", "content": "r"})
    if given["columns"] == {"messages"}:
        assert given["rows"][0]["messages"] == [user, assistant]
    elif schema == "prompt-completion":
        assert given["rows"][0] == {"prompt": "p", "completion": "r"}
    else:
        assert given["rows"][0] == {"prompt": [user], "completion": [assistant]}


def test_what_no_trainer_can_be_told_of_is_refused_in_a_sentence():
    nested = Layout("instances", "instruction", "instances.output", "instances.input")
    for layouts, words in (
        ([nested], "nested"),
        ([Layout("pairs", "a.b", "c")], "nested"),
        (list(RAW_LAYOUTS.values()), "different shapes"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            snippet("trl", "a.jsonl", "raw", layouts)
        assert "Chat messages" in caught.value.hint
        assert snippet("trl", "a.jsonl", "messages", layouts)
    with pytest.raises(ConfigError, match="Did you mean 'axolotl'"):
        snippet("axolotol", "a.jsonl", "raw")
    with pytest.raises(ConfigError, match=r"\.gz"):
        snippet("llama-factory", "a.jsonl.gz", "alpaca")
