"""Conversations: turns that stay turns, and what is said where they cannot."""

from __future__ import annotations

import json

import pytest

from nncift_core.datasets.chat import prompt_and_response
from nncift_core.export import ExportRow, Layout, losses, write_rows
from nncift_core.types import Row

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "4"},
]


def chat_row(turns, column="messages", **more):
    prompt, response = prompt_and_response(turns, column)
    raw = json.dumps({column: turns, **more}, ensure_ascii=False)
    return ExportRow(raw, Row("0-0", prompt, response), None, (column,))


def written(tmp_path, schema, row):
    write_rows(tmp_path / "a.jsonl", schema, [row])
    (line,) = (tmp_path / "a.jsonl").read_text("utf-8").split("\n")[:-1]
    return json.loads(line)


def test_messages_are_the_turns_of_the_row(tmp_path):
    assert written(tmp_path, "messages", chat_row(CHAT)) == {"messages": CHAT}


def test_sharegpt_has_all_turns_and_the_system_text_first(tmp_path):
    speakers = ["system", "human", "gpt", "human", "gpt"]
    assert written(tmp_path, "sharegpt", chat_row(CHAT))["conversations"] == [
        {"from": speaker, "value": turn["content"]}
        for speaker, turn in zip(speakers, CHAT, strict=True)
    ]


def test_one_shape_becomes_the_other(tmp_path):
    turns = [
        {"from": "system", "value": "s"},
        {"from": "Human", "value": "u"},
        {"from": "function_call", "value": "{}"},
        {"from": "observation", "value": "9"},
        {"from": "gpt", "value": "a", "weight": 1},
    ]
    row = chat_row(turns, "conversations")
    assert written(tmp_path, "messages", row)["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "function_call", "content": "{}"},
        {"role": "tool", "content": "9"},
        {"role": "assistant", "content": "a", "weight": 1},
    ]
    assert [turn["from"] for turn in written(tmp_path, "sharegpt", row)["conversations"]] == [
        "system",
        "human",
        "function_call",
        "observation",
        "gpt",
    ]


def test_parts_of_text_are_joined_and_tool_calls_stay(tmp_path):
    call = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": call},
        {"role": "tool", "content": "9", "tool_call_id": "1"},
        {"role": "assistant", "content": "done"},
    ]
    found = written(tmp_path, "messages", chat_row(turns))["messages"]
    assert found == [{**turns[0], "content": "a\nb"}, *turns[1:]]


def test_a_column_that_was_not_read_as_the_conversation_is_not_taken_for_it(tmp_path):
    raw = json.dumps({"messages": CHAT, "prompt": "p", "response": "r"})
    row = ExportRow(raw, Row("0-0", "p", "r"), None, ("messages",))
    assert len(written(tmp_path, "messages", row)["messages"]) == 2


@pytest.mark.parametrize("schema", ["alpaca", "prompt-completion"])
def test_text_formats_hold_the_speakers_in_the_prompt(tmp_path, schema):
    found = list(written(tmp_path, schema, chat_row(CHAT)).values())
    assert found[0] == "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: 2+2?"
    assert found[-1] == "4"


LAYOUT = (Layout("messages", "messages", "messages"),)


def test_what_a_format_cannot_hold_is_said():
    row = chat_row(CHAT, subtask="math", empty="")
    assert losses("raw", [row], LAYOUT) == losses("parquet", [row], LAYOUT) == []
    turns, fields = losses("alpaca", [row, row], LAYOUT)
    assert "2 rows" in turns and "Chat messages" in turns
    assert "(subtask)" in fields
    assert losses("messages", [row], LAYOUT) == [fields]
    assert losses("messages", [chat_row(CHAT[1:3])], LAYOUT) == []
    assert losses("alpaca", [chat_row(CHAT[1:3])], LAYOUT) == []


def test_turns_that_trainers_stumble_over_are_said():
    odd = chat_row([*CHAT, {"role": "user", "content": "thanks"}])
    (sentence,) = losses("sharegpt", [odd], LAYOUT)
    assert "LLaMA-Factory" in sentence and "one row" in sentence
    call = [*CHAT[:1], {"role": "user", "content": "x", "name": "Ann"}, CHAT[2]]
    (sentence,) = losses("sharegpt", [chat_row(call)], LAYOUT)
    assert "tool calls" in sentence
    assert losses("messages", [chat_row(call)], LAYOUT) == []
    narrator = [{"role": "narrator", "content": "x"}, CHAT[2]]
    (sentence,) = losses("messages", [chat_row(narrator)], LAYOUT)
    assert "chat templates" in sentence


def test_layouts_of_sources():
    mapping = {"kind": "pairs", "prompt": "a.b", "response": "c", "input": None, "id": None}
    sources = ({"mapping": mapping}, {"mapping": mapping}, {"name": "old"})
    (layout,) = Layout.of_sources(sources)
    assert layout == Layout("pairs", "a.b", "c") and not layout.chat
    assert layout.columns == {"a.b", "a", "c"}
