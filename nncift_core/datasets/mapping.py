"""Which column is the prompt, which the response: guessed from names, corrected by the user.

Works on the columns and the first records of one file. Knows nothing of formats, and takes
no row apart: ``extract`` does.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nncift_core.datasets.chat import is_turn, turns_in
from nncift_core.errors import ConfigError, DataError, unknown_name

FIELDS = ("prompt", "input", "response", "subtask", "group", "id")
"""What can be mapped; the keys of overrides."""

_PROMPTS = ("instruction", "prompt", "question", "query", "problem")
_RESPONSES = ("output", "response", "completion", "answer", "solution", "target")
_KNOWN_PAIRS = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    *((prompt, response) for prompt in _PROMPTS for response in _RESPONSES),
    ("input", "output"),
    ("inputs", "targets"),
)
_INPUTS = ("input", "context")
_CHATS = (("messages", "messages"), ("conversations", "sharegpt"), ("conversation", "sharegpt"))
_INSTANCES = "instances"
_LABELS = {"subtask": ("subtask", "sub_task"), "group": ("group",), "id": ("id",)}

_MISSING = object()


@dataclass(frozen=True)
class ColumnMapping:
    """Where the parts of a row are found; names may be dotted paths into nested objects.

    Attributes:
        kind: ``alpaca``, ``pairs``, ``messages``, ``sharegpt`` or ``instances``.
        prompt: Column of the prompt; of the whole conversation for chats.
        input: Column appended to the prompt on a line of its own, or None.
        response: Column of the response; for chats the same as ``prompt``.
        subtask: Column of the subtask, or None.
        group: Column of the group, or None.
        id: Column of the row's own id, or None.
    """

    kind: str
    prompt: str
    response: str
    input: str | None = None
    subtask: str | None = None
    group: str | None = None
    id: str | None = None

    def describe(self) -> str:
        """``prompt <- instruction + input, response <- output``."""
        if self.kind in ("messages", "sharegpt"):
            parts = [
                f"prompt <- {self.prompt} (all turns before the last assistant turn)",
                f"response <- {self.response} (the last assistant turn)",
            ]
        else:
            prompt = f"{self.prompt} + {self.input}" if self.input else self.prompt
            parts = [f"prompt <- {prompt}", f"response <- {self.response}"]
        for label in _LABELS:
            if column := getattr(self, label):
                parts.append(f"{label} <- {column}")
        return ", ".join(parts)


def columns_of(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The columns of all records, in the order of their first occurrence."""
    return tuple(dict.fromkeys(key for record in records for key in record))


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """The value of a column or of a dotted path; None where it does not exist."""
    found = _look_up(record, path)
    return None if found is _MISSING else found


def _look_up(record: Mapping[str, Any], path: str) -> Any:
    if path in record:
        return record[path]
    value: Any = record
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _MISSING
    return value


def map_columns(
    records: Sequence[Mapping[str, Any]], overrides: Mapping[str, str] | None, name: str
) -> ColumnMapping:
    """The mapping of a file: what the user says, the rest guessed.

    Args:
        records: The first records of the file.
        overrides: Column by field of ``FIELDS``; an empty string means that there is none.
        name: Display name of the file.

    Raises:
        ConfigError: An override has an unknown field, or names a column that does not exist.
        DataError: No prompt and response can be found.
    """
    overrides = dict(overrides or {})
    for field, column in overrides.items():
        if field not in FIELDS:
            raise unknown_name("mapping field", field, FIELDS)
        if not column and field in ("prompt", "response"):
            raise ConfigError(
                f"The {field} of {name} is mapped to no column.", f"Name a column for {field}."
            )
        if column and not _exists(records, column):
            raise _no_such_column(records, field, column, name)
    names = {_plain(column): column for column in reversed(columns_of(records))}
    mapping = _texts(records, names, overrides, name)
    labels: dict[str, str | None] = {
        label: overrides[label] or None
        if label in overrides
        else _label_column(records, names, candidates)
        for label, candidates in _LABELS.items()
    }
    return ColumnMapping(**{**mapping, **labels})


def _texts(
    records: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    overrides: Mapping[str, str],
    name: str,
) -> dict[str, Any]:
    """Kind, prompt, input and response of a mapping."""
    prompt, response = overrides.get("prompt"), overrides.get("response")
    if prompt and response in (None, prompt) and (kind := _chat_kind(records, prompt)):
        return _chat(kind, prompt, overrides, name)
    pair = _pair(names, prompt, response)
    instances = names.get(_INSTANCES)
    if instances and not _instance_keys(records, instances):
        instances = None
    inside = instances and response and response.startswith(f"{instances}.")
    if instances and (inside or pair is None):
        return _instances(records, names, instances, overrides, name)
    if pair is None and not response:
        for column, kind in _CHATS:
            if column in names and _chat_kind(records, names[column]):
                return _chat(kind, names[column], overrides, name)
        for column in names.values():
            if guessed := _chat_kind(records, column):
                return _chat(guessed, column, overrides, name)
    if pair is None:
        raise _nothing_mapped(records, overrides, name)
    added = _input_column(names, pair, overrides)
    kind = "alpaca" if added or _plain(pair[0]) == "instruction" else "pairs"
    return {"kind": kind, "prompt": pair[0], "input": added, "response": pair[1]}


def _pair(
    names: Mapping[str, str], prompt: str | None, response: str | None
) -> tuple[str, str] | None:
    if prompt and response:
        return prompt, response
    if prompt:
        found = next((names[one] for one in _RESPONSES if names.get(one, prompt) != prompt), None)
        return (prompt, found) if found else None
    if response:
        found = next((names[one] for one in _PROMPTS if names.get(one, response) != response), None)
        return (found, response) if found else None
    return next(
        ((names[one], names[two]) for one, two in _KNOWN_PAIRS if one in names and two in names),
        None,
    )


def _input_column(
    names: Mapping[str, str], pair: tuple[str, str], overrides: Mapping[str, str]
) -> str | None:
    if "input" in overrides:
        return overrides["input"] or None
    if _plain(pair[0]) != "instruction":
        return None
    return next((names[one] for one in _INPUTS if one in names and names[one] not in pair), None)


def _instances(
    records: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    instances: str,
    overrides: Mapping[str, str],
    name: str,
) -> dict[str, Any]:
    keys = _instance_keys(records, instances)
    prompt = overrides.get("prompt") or next((names[one] for one in _PROMPTS if one in names), None)
    response = overrides.get("response") or next(
        (f"{instances}.{one}" for one in _RESPONSES if one in keys), None
    )
    if not prompt or not response:
        raise _nothing_mapped(records, overrides, name)
    if "input" in overrides:
        added = overrides["input"] or None
    else:
        added = next((f"{instances}.{one}" for one in _INPUTS if one in keys), None)
    return {"kind": "instances", "prompt": prompt, "input": added, "response": response}


def _chat(kind: str, column: str, overrides: Mapping[str, str], name: str) -> dict[str, Any]:
    if overrides.get("input"):
        raise ConfigError(
            f"Column {column!r} of {name} holds conversations, so no input can be added.",
            "Leave the input out, or map prompt and response to columns of text.",
        )
    return {"kind": kind, "prompt": column, "input": None, "response": column}


def _chat_kind(records: Sequence[Mapping[str, Any]], column: str) -> str:
    """``messages`` or ``sharegpt`` when the column holds conversations, else nothing."""
    for record in records:
        value = value_at(record, column)
        if value is None:
            continue
        turns = turns_in(value)
        if turns and is_turn(turns[0]):
            return "messages" if "role" in turns[0] else "sharegpt"
    return ""


def _instance_keys(records: Sequence[Mapping[str, Any]], column: str) -> set[str]:
    return {
        key
        for record in records
        if isinstance(record.get(column), list)
        for instance in record[column]
        if isinstance(instance, dict)
        for key in instance
    }


def _label_column(
    records: Sequence[Mapping[str, Any]], names: Mapping[str, str], candidates: Sequence[str]
) -> str | None:
    """A label column by its name, unless it holds lists or objects: a guess costs no row."""
    for candidate in candidates:
        column = names.get(candidate)
        if column and not any(isinstance(record.get(column), list | dict) for record in records):
            return column
    return None


def _plain(column: str) -> str:
    return column.strip().lower().replace("-", "_").replace(" ", "_")


def _exists(records: Sequence[Mapping[str, Any]], column: str) -> bool:
    if any(_look_up(record, column) is not _MISSING for record in records):
        return True
    head, _, tail = column.partition(".")
    return bool(tail) and tail in _instance_keys(records, head)


def _paths(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Columns and the paths one level below them."""
    for column in columns_of(records):
        yield column
        nested = [record[column] for record in records if isinstance(record.get(column), dict)]
        for key in columns_of(nested):
            yield f"{column}.{key}"
        for key in sorted(_instance_keys(records, column)):
            yield f"{column}.{key}"


def _listed(records: Sequence[Mapping[str, Any]]) -> str:
    columns = [repr(column) for column in columns_of(records)]
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return ", ".join(columns[:20]) + more


def _no_such_column(
    records: Sequence[Mapping[str, Any]], field: str, column: str, name: str
) -> ConfigError:
    near = difflib.get_close_matches(column, list(_paths(records)), n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return ConfigError(
        f"{name} has no column {column!r}, to which {field} is mapped.{guess}",
        f"Its columns: {_listed(records)}.",
    )


def _nothing_mapped(
    records: Sequence[Mapping[str, Any]], overrides: Mapping[str, str], name: str
) -> DataError:
    missing = [field for field in ("prompt", "response") if field not in overrides]
    held = f"the columns {_listed(records)}" if columns_of(records) else "no columns"
    options = " ".join(f"--map {field}=COLUMN" for field in missing)
    return DataError(
        f"No {' and no '.join(missing)} column was found in {name}, which has {held}.",
        f"Say which they are: {options}.",
    )
