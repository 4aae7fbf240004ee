"""A run that is cancelled and resumed, refreshed while it works, and watched from a second tab."""

from __future__ import annotations

import json
import re

import pytest

from nncift_core import jobs, pipeline
from tests.browser.prepared import ROOT
from tests.browser.steps import opened, settled

POOL_ROWS = 400
"""Rows that no vector is kept of: the encoder works on them for some seconds."""


@pytest.fixture(name="slow")
def link_to_a_project_that_takes_its_time(changing, tmp_path) -> str:
    """The address of the Run page of a project whose rows are still to be embedded."""
    workspace = changing.prepared.workspace
    lines = (ROOT / "data" / "demo_pool.jsonl").read_text("utf-8").splitlines()
    pool, target = tmp_path / "slow.jsonl", tmp_path / "job.jsonl"
    pool.write_text("\n".join(lines[200 : 200 + POOL_ROWS]), "utf-8")
    target.write_text("\n".join(lines[-20:]), "utf-8")
    found = [pipeline.import_files(workspace, [path]).record.id for path in (pool, target)]
    project = pipeline.ensure_project(workspace, "Slow", found[0], found[1], None)
    return f"{changing.server.url}/run?project={project.id}"


def start(page, link: str) -> None:
    opened(page, link)
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Cancel").first.wait_for()


def test_a_cancelled_run_goes_on_where_it_stopped(page, slow, changing) -> None:
    start(page, slow)
    # Some rows are embedded, so that there is something to keep.
    page.get_by_text(re.compile(r"[1-9][\d,]* of [\d,]+ rows")).first.wait_for()
    page.get_by_role("button", name="Cancel").first.click()
    resume = page.get_by_role("button", name="Resume").first
    resume.wait_for()
    workspace = changing.prepared.workspace
    run = workspace.catalog.runs()[0]
    folder = workspace.run_dir(run.run_id)
    assert jobs.read_state(folder).status == "cancelled"
    kept = len(list(workspace.embeddings_dir.rglob("*.keys.npy")))
    assert kept > 1, "what was embedded is kept"
    resume.click()
    page.get_by_role("button", name="See whether to trust the estimates").wait_for(timeout=90_000)
    assert workspace.catalog.run(run.run_id).status == "done"
    assert json.loads((folder / "result.json").read_text("utf-8"))


def test_a_refresh_and_a_second_tab_see_the_same_run(page, slow) -> None:
    start(page, slow)
    page.wait_for_function("location.search.includes('run=')")
    page.reload()
    page.get_by_role("button", name="Cancel").first.wait_for()
    second = page.context.new_page()
    opened(second, page.url)
    second.get_by_role("button", name="Cancel").first.wait_for()
    second.get_by_role("link", name="Jobs").first.click()
    second.get_by_role("heading", name="Jobs", exact=True).wait_for()
    second.get_by_role("button", name="Cancel").first.click()
    # Nobody touches the first tab: it sees by itself that the run ended.
    page.get_by_role("button", name="Resume").first.wait_for()
    page.get_by_text("Cancelled").first.wait_for()
    settled(page)
