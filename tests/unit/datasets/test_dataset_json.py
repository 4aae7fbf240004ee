"""JSON in all its shapes: what is kept verbatim, what is rejected and at which line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nncift_core.datasets import Dataset, Limits, load_files
from nncift_core.errors import DataError

GOOD = '{"prompt": "p%d", "response": "r"}'


def load(tmp_path: Path, text: str | bytes, name: str = "rows.jsonl", **options) -> Dataset:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_files([path], **options)


def lines(*middle: str) -> str:
    return "\n".join([GOOD % 1, *middle, GOOD % 2]) + "\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "x", "response":', "broken JSON: Expecting value at column 28"),
        ("not json", "broken JSON: Expecting value at column 1"),
        ('{"prompt": "x", "response": "a\tb"}', "broken JSON: Invalid control character"),
        ('{"prompt": "x", "response": "r"} {}', "broken JSON: more text after column 32"),
        ('{"prompt": "x", "response": "r", "n": NaN}', "broken JSON: NaN is not JSON"),
        ('{"prompt": "x", "response": "r", "n": [-Infinity]}', "broken JSON: -Infinity"),
        ('{"prompt": "x", "response": "r", "n": 1e999}', "broken JSON: number 1e999 is out of"),
        ('{"prompt": "x", "response": "r", "n": %s}' % ("1" * 5000), "broken JSON: a number has"),
        ('{"prompt": "x", "response": "r", "n": %s}' % ("[" * 99999), "broken JSON: nested too"),
        ('["prompt", "response"]', "wrong type: a list, not an object"),
        ("null", "wrong type: null, not an object"),
        ('{"prompt": "x"}', "null response: 'response' is missing or null"),
        ('{"prompt": "x", "response": null}', "null response: 'response' is missing or null"),
        ('{"prompt": "x", "response": ""}', "empty response: 'response' is empty"),
        ('{"prompt": "x", "response": " \\n\\u00a0"}', "empty response: 'response' is empty"),
        ('{"response": "x"}', "no prompt: 'prompt' is missing, null or empty"),
        ('{"prompt": "  ", "response": "x"}', "no prompt: 'prompt' is missing, null or empty"),
        ('{"prompt": "x", "response": 42}', "wrong type: 'response' holds a number, not text"),
        ('{"prompt": "x", "response": true}', "wrong type: 'response' holds true or false, not"),
        ('{"prompt": ["x"], "response": "r"}', "wrong type: 'prompt' holds a list, not text"),
        ('{"prompt": "x", "response": {"a": 1}}', "wrong type: 'response' holds an object, not"),
        ('{"prompt": "x\\ud800", "response": "r"}', "lone surrogate: \\ud800"),
        ('{"prompt": "x", "response": "r", "note": "\\udc00x"}', "lone surrogate: \\udc00"),
    ],
)
def test_a_bad_line_costs_that_line_only(tmp_path: Path, line: str, reason: str) -> None:
    dataset = load(tmp_path, lines("", line))
    assert [row.prompt for row in dataset.rows] == ["p1", "p2"]
    (rejection,) = dataset.report.rejected
    assert (rejection.file, rejection.line) == ("rows.jsonl", 3)
    assert rejection.reason.startswith(reason)
    assert rejection.excerpt == line[:2000] + ("…" if len(line) > 2000 else "")
    assert dataset.report.reasons() == {reason.split(":")[0]: 1}


def test_a_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    dataset = load(tmp_path, lines('{"prompt": "\\ud83d\\ude00", "response": "r"}'))
    assert dataset.rows[1].prompt == "😀"


def test_bytes_that_are_not_utf8_reject_their_line(tmp_path: Path) -> None:
    bad = b'{"prompt": "caf\xe9", "response": "r"}\n'
    dataset = load(tmp_path, lines().encode() + bad + (GOOD % 3).encode())
    assert len(dataset) == 3
    (rejection,) = dataset.report.rejected
    assert (rejection.line, rejection.kind) == (3, "bad encoding")
    assert "byte 16" in rejection.reason
    assert rejection.excerpt == '{"prompt": "caf\\xe9", "response": "r"}'


def test_the_line_itself_is_kept(tmp_path: Path) -> None:
    """Numbers, escapes, spacing and key order leave as they came."""
    line = (
        '{"response":"caf\\u00e9 / \\/",  "n": 1.50, "big": 123456789012345678901234567890, '
        '"small": 0.1000000000000000055511151231257827, "exp": 1E3, "prompt": "x\u2028y"}'
    )
    dataset = load(tmp_path, f"  {line}\t\r\n{GOOD % 2}\r\n")
    assert dataset.raw[0] == line
    assert dataset.rows[0].response == "café / /"
    assert len(dataset) == 2


def test_a_key_named_twice_is_kept_and_said(tmp_path: Path) -> None:
    line = '{"prompt": "first", "prompt": "last", "response": "r"}'
    dataset = load(tmp_path, lines(line))
    assert dataset.raw[1] == line
    assert dataset.rows[1].prompt == "last"
    assert any("same key twice" in text and "line 2" in text for text in dataset.report.warnings)


def test_byte_order_marks(tmp_path: Path) -> None:
    """At the beginning with a warning; in the middle, where files were joined, too."""
    mark = b"\xef\xbb\xbf"
    part = (GOOD % 1).encode() + b"\n"
    dataset = load(tmp_path, mark + part + mark + part)
    assert len(dataset) == 2
    assert not any("\ufeff" in raw for raw in dataset.raw)
    assert any("byte order mark" in text for text in dataset.report.warnings)
    array = mark + f"[{GOOD % 1},{GOOD % 2}]".encode()
    assert len(load(tmp_path, array, "rows.json")) == 2


@pytest.mark.parametrize("first", ['{"prompt": "cut', '{"prompt":', "oops", "# comment"])
def test_a_broken_first_line_is_one_bad_line(tmp_path: Path, first: str) -> None:
    dataset = load(tmp_path, f"{first}\n{lines()}")
    assert len(dataset) == 2
    assert [rejection.line for rejection in dataset.report.rejected] == [1]


def test_every_line_is_read_once(tmp_path: Path) -> None:
    """The lines that were looked at to tell the shape are not lost."""
    for count in (2, 3, 150):
        text = "\n".join(GOOD % number for number in range(count))
        for start in ("", "\n \n"):
            dataset = load(tmp_path, start + text)
            assert [row.prompt for row in dataset.rows] == [f"p{i}" for i in range(count)]


INDENTED = """[
  {"prompt": "p1", "response": "r", "meta": {
      "k": [
        {"prompt": "inner", "response": "inner"}
      ]}
  },
  {"prompt": "p2", "response": BROKEN,
     "meta": [
        {"prompt": "inner", "response": "inner"}
     ]
  },
  {"prompt": "p3", "response": "r"}
]
"""


def test_a_broken_element_costs_one_row(tmp_path: Path) -> None:
    dataset = load(tmp_path, INDENTED, "rows.json")
    assert [row.prompt for row in dataset.rows] == ["p1", "p3"]
    (rejection,) = dataset.report.rejected
    assert rejection.line == 7
    assert rejection.reason == "broken JSON: Expecting value at line 7 column 32"
    assert rejection.excerpt.startswith('{"prompt": "p2"')
    assert json.loads(dataset.raw[0])["meta"]["k"][0]["prompt"] == "inner"


ONE, TWO = GOOD % 1, GOOD % 2


@pytest.mark.parametrize(
    ("text", "rejected", "cut_off"),
    [
        (f'[\n{ONE},\n{TWO},\n{{"pro', [4], True),
        (f"[\n{ONE},\n{TWO}", [], True),
        (f'[\n{ONE},\n{TWO},\n{{"pro"}}\n]', [4], False),
        (f'[\n{{"prompt" "p0"}},\n{ONE},\n{TWO}]', [2], False),
        (f"[\n{ONE},\n{TWO},\n]", [], False),
        (f"[\n{ONE}\n{TWO}\n]", [], False),
        (f"[{ONE}, {TWO}]\n\nmore", [3], False),
    ],
    ids=["cut", "unclosed", "last", "first", "comma too many", "comma missing", "text after"],
)
def test_damaged_arrays(tmp_path: Path, text: str, rejected: list[int], cut_off: bool) -> None:
    dataset = load(tmp_path, text, "rows.json")
    assert [row.prompt for row in dataset.rows] == ["p1", "p2"]
    assert [rejection.line for rejection in dataset.report.rejected] == rejected
    assert any("cut off" in warning for warning in dataset.report.warnings) == cut_off


def test_a_missing_comma_is_said(tmp_path: Path) -> None:
    dataset = load(tmp_path, f"[{GOOD % 1}\n{GOOD % 2}]", "rows.json")
    assert any("lacks a comma" in text and "line 2" in text for text in dataset.report.warnings)


def test_one_line_arrays_that_break_are_refused_by_place(tmp_path: Path) -> None:
    """Where rows share a line there is no sure place to go on."""
    with pytest.raises(DataError, match=r"rows.json is broken JSON .* line 1 column 42"):
        load(
            tmp_path,
            f"[{GOOD % 1}, {{    oops: 1}}, {GOOD % 2}]",
            "rows.json",
        )


def test_elements_of_other_types_and_bad_numbers(tmp_path: Path) -> None:
    text = f'[{GOOD % 1},\n 3,\n{{"prompt": "x", "n": NaN}},\n null,\n{GOOD % 2}]'
    dataset = load(tmp_path, text, "rows.json")
    assert [(one.line, one.kind) for one in dataset.report.rejected] == [
        (2, "wrong type"),
        (3, "broken JSON"),
        (4, "wrong type"),
    ]
    assert len(dataset) == 2


def test_bad_encoding_in_an_array_costs_its_element(tmp_path: Path) -> None:
    data = f"[{GOOD % 1},\n{GOOD % 2},\n".encode() + b'{"prompt": "\xff", "response": "r"}]'
    dataset = load(tmp_path, data, "rows.json")
    assert [(one.line, one.kind) for one in dataset.report.rejected] == [(3, "bad encoding")]
    assert "\\xff" in dataset.report.rejected[0].excerpt


def test_an_object_with_one_list_of_rows(tmp_path: Path) -> None:
    rows = f"[{GOOD % 1},\n{GOOD % 2}]"
    text = f'{{"version": "1 [", "data": {rows}, "tags": ["a"], "data_size": 2}}'
    for form in (text, text.replace(", ", ",\n")):
        dataset = load(tmp_path, form, "rows.json")
        assert len(dataset) == 2
        assert any("list 'data'" in warning for warning in dataset.report.warnings)
    with pytest.raises(DataError, match="several lists of rows: 'train', 'test'"):
        load(tmp_path, f'{{"train": {rows}, "test": {rows}}}', "rows.json")


def test_a_single_row_with_a_list_is_not_a_wrapper(tmp_path: Path) -> None:
    turns = '[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]'
    with pytest.raises(DataError, match="holds one row only"):
        load(tmp_path, f'{{"messages": {turns}}}')


def test_long_rows_are_rejected_by_their_text(tmp_path: Path) -> None:
    million = json.dumps({"prompt": "x", "response": "y" * 1_000_000})
    escaped = json.dumps(
        {"prompt": "é" * 30, "response": "é" * 30}
    )  # 6 characters each in the file
    other = json.dumps({"prompt": "x", "response": "y", "notes": ["z" * 50, {"a": "z" * 51}]})
    dataset = load(tmp_path, lines(million, escaped, other), limits=Limits(row_characters=100))
    assert [(one.line, one.kind) for one in dataset.report.rejected] == [
        (2, "over the length limit"),
        (4, "over the length limit"),
    ]
    assert "1,000,001 characters" in dataset.report.rejected[0].reason
    assert len(dataset.report.rejected[0].excerpt) == 2001
    assert dataset.rows[1].prompt == "é" * 30
    assert len(load(tmp_path, lines(million)).report.rejected) == 1, "the default is 200,000"
