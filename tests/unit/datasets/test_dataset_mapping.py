"""Column mapping: guesses for the common layouts, overrides, and instances and chats in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nncift_core.datasets import Dataset, load_files, preview_file
from nncift_core.datasets.mapping import map_columns
from nncift_core.errors import ConfigError, DataError


def load(tmp_path: Path, rows: list[dict[str, Any]], **options) -> Dataset:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_files([path], **options)


def turns(*texts: str) -> list[dict[str, str]]:
    return [
        {"role": "user" if i % 2 == 0 else "assistant", "content": text}
        for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("record", "described"),
    [
        ({"instruction": "a", "input": "", "output": "b"}, "instruction + input / output"),
        ({"instruction": "a", "response": "b"}, "instruction / response"),
        ({"Instruction": "a", "Input": "", "Response": "b"}, "Instruction + Input / Response"),
        ({"instruction": "a", "context": "c", "response": "b"}, "instruction + context / response"),
        ({"prompt": "a", "completion": "b"}, "prompt / completion"),
        ({"response": "b", "prompt": "a"}, "prompt / response"),
        ({"question": "a", "answer": "b", "id": 3}, "question / answer"),
        ({"query": "a", "response": "b"}, "query / response"),
        ({"input": "a", "output": "b"}, "input / output"),
        # a flat pair is plainer than the conversation beside it
        ({"messages": turns("q", "a"), "prompt": "a", "response": "b"}, "prompt / response"),
    ],
)
def test_flat_layouts(record: dict[str, Any], described: str) -> None:
    mapping = map_columns([record], None, "rows")
    prompt, response = described.split(" / ")
    label = ", id <- id" if "id" in record else ""
    assert mapping.describe() == f"prompt <- {prompt}, response <- {response}{label}"
    assert mapping.kind == ("alpaca" if "nstruction" in prompt else "pairs")


def test_instruction_and_input_are_two_lines(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Add", "input": "1, 2", "output": "3"},
        {"instruction": "Hi", "input": None, "output": "Ho"},
        {"instruction": "Hi", "input": "  ", "output": "Ho"},
        {"instruction": "", "input": "alone", "output": "3"},
        {"instruction": "Add", "input": 5, "output": "3"},
    ]
    dataset = load(tmp_path, rows)
    assert [row.prompt for row in dataset.rows] == ["Add\n1, 2", "Hi", "Hi", "alone"]
    assert dataset.report.rejected[0].reason == "wrong type: 'input' holds a number, not text"


@pytest.mark.parametrize("layout", ["messages", "conversations"])
def test_chats(tmp_path: Path, layout: str) -> None:
    chats = [
        turns("q", "a"),
        turns("q1", "a1", "q2", "a2"),
        [{"role": "system", "content": "s"}, *turns("q", "a")],
        [{"role": "system", "content": "s"}, turns("", "a")[1]],
        turns("q", "a", "thanks"),
        [{"role": "user", "content": ""}, *turns("q", "a")],
        turns("q"),
        turns("q", ""),
        [{"role": "assistant", "content": "a"}],
        [],
        None,
        "text",
        [*turns("q"), {"role": "assistant", "content": None}],
        [{"role": "user", "content": 3}, *turns("q", "a")],
        ["q", "a"],
        [{"content": "q"}, *turns("q", "a")],
        turns("", "a"),
    ]
    if layout == "conversations":
        names = {"user": "human", "assistant": "gpt", "system": "system"}

        def other(turn: Any) -> Any:
            if not isinstance(turn, dict):
                return turn
            pair = {"from": names.get(turn.get("role", "")), "value": turn["content"]}
            return pair if "role" in turn else {"value": turn["content"]}

        chats = [[other(t) for t in chat] if isinstance(chat, list) else chat for chat in chats]
    dataset = load(tmp_path, [{layout: chat} for chat in chats])
    assert dataset.sources[0].mapping.kind == ("messages" if layout == "messages" else "sharegpt")
    assert [(row.prompt, row.response) for row in dataset.rows] == [
        ("q", "a"),
        ("User: q1\n\nAssistant: a1\n\nUser: q2", "a2"),
        ("System: s\n\nUser: q", "a"),
        ("System: s", "a"),
        ("q", "a"),
        ("q", "a"),
    ]
    assert [(one.line, one.kind) for one in dataset.report.rejected] == [
        (7, "null response"),
        (8, "empty response"),
        (9, "no prompt"),
        (10, "no prompt"),
        (11, "no prompt"),
        (12, "wrong type"),
        (13, "null response"),
        (14, "wrong type"),
        (15, "wrong type"),
        (16, "wrong type"),
        (17, "no prompt"),
    ]
    assert json.loads(dataset.raw[4]) == {layout: chats[4]}, "the turn after the answer is kept"


def test_content_in_parts(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    image = [{"type": "image_url", "image_url": {"url": "x"}}]
    answer = {"role": "assistant", "content": "a"}
    rows = [
        {"messages": [{"role": "user", "content": one}, answer]} for one in (parts, parts, image)
    ]
    dataset = load(tmp_path, rows)
    assert dataset.rows[0].prompt == "one\ntwo"
    assert dataset.report.rejected[0].kind == "wrong type"


def test_instances_give_a_row_each(tmp_path: Path) -> None:
    rows = [
        {
            "id": "s1",
            "instruction": "Double",
            "instances": [
                {"input": "1", "output": "2"},
                {"input": "", "output": "even"},
                {"input": "3", "output": None},
                7,
            ],
            "last": 1,
        },
        {
            "id": "s2",
            "instruction": "Greet",
            "instances": [{"input": "", "output": "Hi"}],
            "x": 1.0,
        },
        {"id": "s3", "instruction": "None", "instances": []},
        {"id": "s4", "instruction": "None", "instances": "text"},
        {"id": "s5", "instruction": "None"},
    ]
    dataset = load(tmp_path, rows)
    assert dataset.sources[0].mapping.describe() == (
        "prompt <- instruction + instances.input, response <- instances.output, id <- id"
    )
    assert [(row.prompt, row.response) for row in dataset.rows] == [
        ("Double\n1", "2"),
        ("Double", "even"),
        ("Greet", "Hi"),
    ]
    assert dataset.source_ids == ("s1", "s1", "s2")
    # The parent's object, narrowed to the one instance, in its key order.
    assert dataset.raw[1] == (
        '{"id": "s1", "instruction": "Double", '
        '"instances": [{"input": "", "output": "even"}], "last": 1}'
    )
    assert dataset.raw[2] == json.dumps(rows[1])
    assert [(one.line, one.reason) for one in dataset.report.rejected] == [
        (1, "null response: 'instances.output' is missing or null, instance 3"),
        (1, "wrong type: a number, not an object, instance 4"),
        (3, "null response: 'instances' is an empty list"),
        (4, "wrong type: 'instances' is text, not a list"),
        (5, "wrong type: 'instances' is missing or null, not a list"),
    ]


def test_instances_with_other_names(tmp_path: Path) -> None:
    rows = [{"task": "t", "instances": [{"q": "1", "a": "2"}, {"q": "3", "a": "4"}]}]
    overrides = {"prompt": "task", "input": "instances.q", "response": "instances.a"}
    dataset = load(tmp_path, rows, overrides=overrides)
    assert [(row.prompt, row.response) for row in dataset.rows] == [("t\n1", "2"), ("t\n3", "4")]


def test_overrides(tmp_path: Path) -> None:
    rows = [
        {"data": {"q": "q1", "list": [{"a": "a1"}]}, "x.y": "dot", "id": 1, "kind": "k", "g": 2.5},
        {"data": {"q": "q2", "list": [{"a": "a2"}]}, "x.y": "dot", "id": 2, "kind": "", "g": True},
    ]
    overrides = {
        "prompt": "data.q",
        "input": "x.y",
        "response": "data.list.0.a",
        "subtask": "kind",
        "group": "g",
        "id": "",
    }
    dataset = load(tmp_path, rows, overrides=overrides)
    assert [(row.prompt, row.response) for row in dataset.rows] == [
        ("q1\ndot", "a1"),
        ("q2\ndot", "a2"),
    ]
    assert [row.subtask for row in dataset.rows] == ["k", None]
    assert [row.group for row in dataset.rows] == ["2.5", "true"]
    assert dataset.source_ids == (None, None)


def test_half_an_override_leaves_the_rest_to_the_guess() -> None:
    record = {"instruction": "a", "input": "i", "output": "b", "better": "c", "question": "d"}
    assert map_columns([record], {"response": "better"}, "f").describe() == (
        "prompt <- instruction + input, response <- better"
    )
    assert map_columns([record], {"prompt": "question"}, "f").describe() == (
        "prompt <- question, response <- output"
    )
    assert map_columns([record], {"input": ""}, "f").describe() == (
        "prompt <- instruction, response <- output"
    )


def test_a_chat_column_of_any_name() -> None:
    record = {"dialog": turns("q", "a"), "prompt": "x", "response": "y"}
    assert map_columns([record], {"prompt": "dialog"}, "f").kind == "messages"
    assert map_columns([{"dialog": turns("q", "a")}], None, "f").prompt == "dialog"
    with pytest.raises(ConfigError, match="no input can be added"):
        map_columns([record], {"prompt": "dialog", "input": "prompt"}, "f")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"prompt": "qestion"}, "no column 'qestion'.*Did you mean 'question'"),
        ({"response": "data.anser"}, "no column 'data.anser'.*Did you mean 'data.answer'"),
        ({"subtask": "zzz"}, r"no column 'zzz', to which subtask is mapped\. Its columns: 'que"),
        ({"promt": "question"}, "Unknown mapping field 'promt'. Did you mean 'prompt'"),
        ({"prompt": ""}, "The prompt of f is mapped to no column"),
    ],
)
def test_bad_overrides(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        map_columns([{"question": "a", "answer": "b", "data": {"answer": "c"}}], overrides, "f")
    assert caught.value.hint


def test_a_guessed_label_costs_no_row(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "response": "b", "id": {"$oid": "1"}}] * 2
    assert load(tmp_path, rows).source_ids == (None, None)
    with pytest.raises(DataError, match="2 wrong type"):
        load(tmp_path, rows, overrides={"id": "id"})


def test_columns_that_first_come_later_are_found(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "response": "b"}] * 50 + [{"prompt": "a", "response": "b", "g": "x"}]
    assert load(tmp_path, rows, overrides={"group": "g"}).rows[50].group == "x"


def test_preview_shows_what_will_happen(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = ['{"question": "q", "answer": "a", "subtask": "s"}', "oops", '{"question": "q"}'] * 9
    path.write_text("\n".join(lines))
    preview = preview_file(path, name="shown.jsonl", limit=4)
    assert [(row.line, row.prompt, row.subtask, row.reason[:6]) for row in preview.rows] == [
        (1, "q", "s", ""),
        (2, "", None, "broken"),
        (3, "", None, "null r"),
        (4, "q", "s", ""),
    ]
    assert preview.records[1] == {"question": "q"}
    assert preview.columns == ("question", "answer", "subtask")
    other = preview_file(path, overrides={"response": "subtask"})
    assert other.rows[0].response == "s"
    path.write_text('{"a": "q", "b": "a"}\n' * 3)
    unmapped = preview_file(path)
    assert unmapped.mapping is None and unmapped.rows == ()
    assert "'a', 'b'" in unmapped.problem
    assert len(unmapped.records) == 3
