"""The whole path in a real browser: two uploads in, a checked JSONL out."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.browser.steps import READY, settled, upload

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
DEMO = Path(__file__).resolve().parents[2] / "data"
FULL = os.environ.get("NNCIFT_BROWSER_FULL") == "1"
"""Whether the real files are used whole, which takes minutes, or their first rows."""


def first_rows(path: Path, count: int) -> list[dict]:
    text = path.read_text(encoding="utf-8")
    rows = json.loads(text) if text.startswith("[") else [json.loads(x) for x in text.splitlines()]
    return rows if FULL else rows[:count]


def walk(page, server, tmp_path: Path, pool: list[Path], target: Path, expected: int) -> list[str]:
    """From the start page to the downloaded lines; ``expected`` is a tenth of the pool."""
    page.goto(server.url)
    page.get_by_label("Name", exact=True).fill("Walk")
    page.get_by_role("button", name="Choose its data").click()
    upload(page, "Pool files", pool)
    upload(page, "Target file", [target])
    page.get_by_role("button", name="Import").click()
    # The page goes on to draw what it finds in the texts; a click before its end would be lost.
    page.get_by_text("Worth a look").wait_for()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    settled(page)
    page.get_by_role("button", name="Set up a run").click()
    page.wait_for_url("**/run*")
    page.get_by_text("The same on the command line").first.wait_for()
    settled(page)
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Cancel").wait_for()
    page.get_by_text(re.compile("rows", re.I)).first.wait_for()
    trust = page.get_by_role("button", name="See whether to trust the estimates")
    trust.wait_for(timeout=900_000)
    trust.click()
    # The quadrant chart is painted: four titled panels with lines in them.
    page.wait_for_function(
        "document.querySelectorAll('[data-testid=stPlotlyChart] path.js-line').length >= 4"
    )
    page.get_by_text("Q4").first.wait_for()
    page.get_by_role("link", name="Influence").first.click()
    heatmap = page.locator("[data-window]").first
    page.locator(READY).first.wait_for()
    before = heatmap.get_attribute("data-window")
    box = page.get_by_role("application").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.6, steps=4)
    page.mouse.up()
    page.locator(f"{READY}:not([data-window='{before}'])").first.wait_for()
    assert re.search(r"x=\d+-\d+&y=\d+-\d+", page.url), "the window is in the link"
    page.get_by_role("link", name="Select").first.click()
    slider = page.get_by_role("slider").first
    slider.wait_for()
    settled(page)
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    settled(page)
    chosen = page.locator("[data-testid=stMetric]", has_text="Rows chosen")
    chosen.get_by_text(f"{expected:,}", exact=True).wait_for(timeout=120_000)
    page.get_by_role("textbox", name="Keep it under the name").fill("Ten percent")
    page.keyboard.press("Enter")
    settled(page)
    page.get_by_role("button", name="Keep this selection").click()
    page.get_by_role("button", name="Take it to the trainer").click()
    page.get_by_role("button", name="Build the file").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the file").first.click()
    saved = tmp_path / "downloaded.jsonl"
    download.value.save_as(saved)
    return saved.read_text(encoding="utf-8").splitlines()


def check(lines: list[str], rows: list[dict]) -> None:
    """A tenth of the pool, each an uploaded row with the same keys in the same order."""
    uploaded = [json.dumps(row, ensure_ascii=False) for row in rows]
    assert len(lines) == len(rows) // 10
    found = [json.dumps(json.loads(line), ensure_ascii=False) for line in lines]
    assert set(found) <= set(uploaded)
    assert len(set(found)) > 0.9 * len(found)


@pytest.mark.timeout(1200)
@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data is not here")
def test_from_real_files_to_a_checked_download(page, fresh, tmp_path: Path) -> None:
    pool_rows: list[dict] = []
    pool = []
    for name, count in (("alpaca_en_demo.json", 120), ("code_alpaca_2k.json", 120)):
        rows = first_rows(SHARED / name, count)
        path = tmp_path / name
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        pool_rows += rows
        pool.append(path)
    target = tmp_path / "gsm8k_test.jsonl"
    target_rows = first_rows(SHARED / target.name, 80)
    target.write_text("".join(json.dumps(row) + "\n" for row in target_rows), encoding="utf-8")
    accepted = [row for row in pool_rows if row["output"].strip()]
    check(walk(page, fresh, tmp_path, pool, target, len(accepted) // 10), accepted)


@pytest.mark.timeout(600)
@pytest.mark.skipif(SHARED.is_dir(), reason="the same walk is done with the real data")
def test_from_demo_rows_to_a_checked_download(page, fresh, tmp_path: Path) -> None:
    rows = first_rows(DEMO / "demo_pool.jsonl", 240)
    pool = tmp_path / "pool.json"
    pool.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    target = tmp_path / "target.jsonl"
    lines = (DEMO / "demo_target.jsonl").read_text(encoding="utf-8").splitlines()[:80]
    target.write_text("\n".join(lines), encoding="utf-8")
    check(walk(page, fresh, tmp_path, [pool], target, len(rows) // 10), rows)
