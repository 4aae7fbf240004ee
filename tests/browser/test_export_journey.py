"""The export page in every format: each file is read again and compared row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from tests.browser.steps import download, opened, read_lines, settled

Plain = tuple[str, str]


def plain(row: dict[str, Any]) -> Plain:
    return row["prompt"], row["response"]


def turns(row: dict[str, Any], name: str, who: str, what: str, said: tuple[str, str]) -> Plain:
    found = [(turn[who], turn[what]) for turn in row[name]]
    assert [who for who, _ in found] == list(said)
    return found[0][1], found[1][1]


READERS = {
    "raw": plain,
    "alpaca": lambda row: (row["instruction"], row["output"]),
    "messages": lambda row: turns(row, "messages", "role", "content", ("user", "assistant")),
    "sharegpt": lambda row: turns(row, "conversations", "from", "value", ("human", "gpt")),
    "prompt-completion": lambda row: (row["prompt"], row["completion"]),
    "parquet": plain,
}


def rows_of(path: Path, schema: str) -> list[Plain]:
    if schema == "parquet":
        records = pyarrow.parquet.read_table(path).to_pylist()
    else:
        records = read_lines(path)
    return [READERS[schema](record) for record in records]


@pytest.mark.parametrize("which", ["selected", "rest"])
def test_every_format_holds_the_chosen_rows(page, changing, tmp_path, which) -> None:
    catalog = changing.prepared.workspace.catalog
    record = next(one for one in catalog.selections(changing.prepared.run) if one.name != "x")
    chosen = [row.row_id for row in catalog.selection_rows(record.id)]
    project = catalog.project(changing.prepared.project)
    found, _ = catalog.browse_rows(project.pool_id, limit=10_000)
    texts = {one.row.id: (one.row.prompt, one.row.response) for one in found}
    if which == "selected":
        expected = [texts[row_id] for row_id in chosen]
    else:
        expected = [text for row_id, text in texts.items() if row_id not in set(chosen)]
    schemas = READERS if which == "selected" else ("raw",)
    for schema in schemas:
        link = changing.link("export", selection=record.id, schema=schema, which=which)
        opened(page, link)
        build = page.get_by_role("button", name="Build the file")
        if build.count():
            build.click()
        button = page.get_by_role("button", name="Download the file").first
        button.wait_for()
        settled(page)
        saved = download(page, button, tmp_path / f"{which}-{schema}")
        assert rows_of(saved, schema) == expected, schema
    if which == "selected":
        manifest = page.get_by_role("button", name="Download the manifest").first
        told = json.loads(download(page, manifest, tmp_path / "manifest.json").read_text("utf-8"))
        assert str(len(chosen)) in json.dumps(told)
