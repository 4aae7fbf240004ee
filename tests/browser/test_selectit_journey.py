"""SelectIT with the demo language model in a real browser: cost, run, scores, a checked export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nncift_core import pipeline
from nncift_core.store import Workspace
from tests.browser.conftest import ROOT, start_server
from tests.browser.prepared import fill_cache
from tests.browser.steps import settled

POOL_ROWS, TARGET_ROWS = 340, 20


@pytest.fixture(name="small_server")
def server_with_a_small_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The app with the first rows of the demo as its demo project."""
    folder = tmp_path / "demo"
    folder.mkdir()
    for name, count in (("demo_pool.jsonl", POOL_ROWS), ("demo_target.jsonl", TARGET_ROWS)):
        lines = (ROOT / "data" / name).read_text("utf-8").splitlines()[:count]
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(folder))
    # The sentence encoder is not what this is about, so its vectors are there already.
    workspace = Workspace.open(tmp_path / "workspace")
    project = pipeline.ensure_demo(workspace)
    for dataset in (project.pool_id, str(project.target_id)):
        found, _ = workspace.catalog.browse_rows(dataset, limit=1_000)
        fill_cache(workspace, [one.row for one in found])
    started = start_server(workspace.path)
    yield started
    started.kill()


@pytest.mark.timeout(600)
def test_from_the_demo_to_the_rows_that_selectit_rates_best(
    page, small_server, tmp_path: Path
) -> None:
    page.goto(small_server.url)
    page.get_by_role("button", name="Set up the first run").click()
    page.locator(".st-key-method-selectit").get_by_role("button").click()
    page.get_by_text("knows only the demo data").wait_for()
    settled(page)
    page.get_by_role("button", name="Measure the cost").click()
    # The pilot embeds first, as the run will, to draw its rows alike.
    page.wait_for_function(
        """() => !document.body.innerText.includes('unknown until measured')
        || document.body.innerText.includes('nothing left to measure')""",
        timeout=240_000,
    )
    settled(page)
    page.get_by_role("button", name="Start", exact=True).click()
    trust = page.get_by_role("button", name="See whether to trust the estimates")
    trust.wait_for(timeout=180_000)
    trust.click()
    page.get_by_text("Q4 · unseen rows").first.wait_for()
    page.get_by_role("link", name="Influence").first.click()
    charts = page.locator("[data-testid=stPlotlyChart]")
    charts.nth(1).locator(".barlayer path").first.wait_for()
    settled(page)
    page.get_by_role("link", name="Export").first.click()
    page.get_by_role("button", name="Build the file").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the file").first.click()
    saved = tmp_path / "downloaded.jsonl"
    download.value.save_as(saved)
    chosen = [json.loads(line) for line in saved.read_text("utf-8").splitlines()]
    pool = (tmp_path / "demo" / "demo_pool.jsonl").read_text("utf-8").splitlines()
    assert len(chosen) == 3 * POOL_ROWS // 10
    rows = [json.loads(line) for line in pool]
    assert all(row in rows for row in chosen)
