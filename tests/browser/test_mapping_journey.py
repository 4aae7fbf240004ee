"""A file whose columns are guessed wrong: seen in the preview, corrected, and imported right."""

from __future__ import annotations

import csv

from nncift_core.store import Workspace
from tests.browser.steps import opened, settled, upload


def test_a_wrong_mapping_is_corrected_before_the_import(page, changing, tmp_path) -> None:
    # The column called prompt holds a topic; what was asked stands in another one.
    path = tmp_path / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["prompt", "asked", "answer"])
        for row in range(12):
            writer.writerow([f"topic {row}", f"What is {row} plus {row}?", f"It is {2 * row}."])
    opened(page, f"{changing.server.url}/data?new=Sums")
    upload(page, "Pool files", [path])
    page.get_by_text("prompt ← prompt").first.wait_for()
    page.get_by_text("Change the mapping").first.click()
    box = page.get_by_role("combobox", name="Prompt").first
    box.wait_for()
    box.click()
    page.get_by_role("option", name="asked", exact=True).click()
    page.get_by_text("prompt ← asked").first.wait_for()
    page.get_by_text("A sample of the pool", exact=True).first.click()
    settled(page)
    page.get_by_role("button", name="Import").click()
    page.wait_for_function("location.search.includes('project=')")
    settled(page)
    workspace = Workspace.open(changing.prepared.root)
    project = next(one for one in workspace.catalog.projects() if one.name == "Sums")
    rows, total = workspace.catalog.browse_rows(project.pool_id)
    assert total == 12
    assert [(one.row.prompt, one.row.response) for one in rows][:2] == [
        ("What is 0 plus 0?", "It is 0."),
        ("What is 1 plus 1?", "It is 2."),
    ]
