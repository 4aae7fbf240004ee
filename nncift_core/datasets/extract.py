"""Takes the rows out of a record by a mapping, or says why a row cannot be used.

Numbers and truth values are not accepted as prompt or response: JSON's 1.50 has no one
spelling as text (1.5, 1.50), so what a model would be trained on would be our guess, and
trainers fail on such a column. Labels (subtask, group, id) are names only, so there a number
is taken as its digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from nncift_core.datasets import report
from nncift_core.datasets.chat import prompt_and_response
from nncift_core.datasets.mapping import ColumnMapping, value_at
from nncift_core.datasets.records import (
    Record,
    RowProblem,
    text_characters,
    to_json,
    type_name,
)
from nncift_core.datasets.report import Limits


class Extracted(NamedTuple):
    """One row that can be used."""

    prompt: str
    response: str
    subtask: str | None
    group: str | None
    source_id: str | None
    raw: str


class Unusable(NamedTuple):
    """One row that cannot."""

    reason: str
    raw: str


def rows_of(
    record: Record, mapping: ColumnMapping, limits: Limits
) -> Iterator[Extracted | Unusable]:
    """The rows of one record: one, or one per instance.

    Args:
        record: As read.
        mapping: Of the file it is from.
        limits: How long a row may be.
    """
    if mapping.kind != "instances":
        yield _row(record.value, record.raw, mapping, limits)
        return
    column = mapping.response.split(".", 1)[0]
    instances = record.value.get(column)
    if not isinstance(instances, list):
        held = "missing or null" if instances is None else type_name(instances)
        yield Unusable(f"{report.WRONG_TYPE}: {column!r} is {held}, not a list", record.raw)
        return
    if not instances:
        yield Unusable(f"{report.NULL_RESPONSE}: {column!r} is an empty list", record.raw)
    for number, instance in enumerate(instances, 1):
        alone = len(instances) == 1
        narrowed = {**record.value, column: [instance]}
        raw = record.raw if alone else to_json(narrowed)
        if isinstance(instance, dict):
            # Paths such as instances.output now lead into the one instance.
            result = _row({**record.value, column: instance}, raw, mapping, limits)
        else:
            reason = f"{report.WRONG_TYPE}: {type_name(instance)}, not an object"
            result = Unusable(reason, raw)
        if isinstance(result, Unusable) and not alone:
            result = Unusable(f"{_with_detail(result.reason)}, instance {number}", raw)
        yield result


def _with_detail(reason: str) -> str:
    return reason if ": " in reason else f"{reason}: in this row"


def _row(
    value: dict[str, Any], raw: str, mapping: ColumnMapping, limits: Limits
) -> Extracted | Unusable:
    # Escapes only make the line longer than its text, so most rows need no count.
    if len(raw) > limits.row_characters:
        length = text_characters(value)
        if length > limits.row_characters:
            return Unusable(
                f"{report.TOO_LONG}: {length:,} characters, the limit is {limits.row_characters:,}",
                raw,
            )
    try:
        prompt, response = _texts(value, mapping)
        return Extracted(
            prompt,
            response,
            _label(value, mapping.subtask),
            _label(value, mapping.group),
            _label(value, mapping.id),
            raw,
        )
    except RowProblem as problem:
        return Unusable(str(problem), raw)


def _texts(value: dict[str, Any], mapping: ColumnMapping) -> tuple[str, str]:
    if mapping.kind in ("messages", "sharegpt"):
        prompt, response = prompt_and_response(value_at(value, mapping.prompt), mapping.prompt)
    else:
        prompt = _text(value, mapping.prompt) or ""
        if mapping.input is not None:
            added = _text(value, mapping.input) or ""
            if added.strip():
                # The line break is what common trainers put between instruction and input.
                prompt = f"{prompt}\n{added}" if prompt.strip() else added
        found = _text(value, mapping.response)
        if not prompt.strip():
            raise RowProblem(f"{report.NO_PROMPT}: {mapping.prompt!r} is missing, null or empty")
        if found is None:
            raise RowProblem(f"{report.NULL_RESPONSE}: {mapping.response!r} is missing or null")
        response = found
    if not prompt.strip():
        raise RowProblem(f"{report.NO_PROMPT}: {mapping.prompt!r} is empty")
    if not response.strip():
        raise RowProblem(f"{report.EMPTY_RESPONSE}: {mapping.response!r} is empty")
    return prompt, response


def _text(value: dict[str, Any], column: str) -> str | None:
    found = value_at(value, column)
    if found is None or isinstance(found, str):
        return found
    raise RowProblem(f"{report.WRONG_TYPE}: {column!r} holds {type_name(found)}, not text")


def _label(value: dict[str, Any], column: str | None) -> str | None:
    if column is None:
        return None
    found = value_at(value, column)
    if found is None or found == "":
        return None
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, int | float):
        return str(found)
    raise RowProblem(f"{report.WRONG_TYPE}: {column!r} holds {type_name(found)}, not a label")
