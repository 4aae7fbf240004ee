"""The first two minutes: from an empty folder to a file of the demo's best rows, in five clicks."""

from __future__ import annotations

import json

import pytest

from tests.browser.steps import download, read_lines, settled

COUNT_CLICKS = """window.clicks = 0;
addEventListener('click', (event) => { if (event.isTrusted) window.clicks += 1; }, true);"""


@pytest.mark.timeout(180)
def test_the_demo_becomes_a_file_in_five_clicks(page, fresh, demo, tmp_path) -> None:
    page.add_init_script(COUNT_CLICKS)
    page.goto(fresh.url)
    page.get_by_role("button", name="Set up the first run").click()
    page.get_by_role("button", name="Start", exact=True).click()
    # The run embeds the rows with the real encoder, labels, learns, predicts and selects.
    page.get_by_role("button", name="Take it to the trainer").click(timeout=120_000)
    page.get_by_role("heading", name="Export", exact=True).wait_for()
    settled(page)
    build = page.get_by_role("button", name="Build the file")
    if build.count():
        build.click()
    saved = download(
        page, page.get_by_role("button", name="Download the file").first, tmp_path / "best.jsonl"
    )
    clicks = page.evaluate("window.clicks")
    chosen, pool = read_lines(saved), read_lines(demo / "demo_pool.jsonl")
    assert len(chosen) == 3 * len(pool) // 10
    known = {json.dumps(row) for row in pool}
    assert all(json.dumps(row) in known for row in chosen)
    assert clicks <= 5
