"""Record the first two minutes as an animation: docs/images/walk.webp.

    python tests/browser/record_walk.py [--out docs/images/walk.webp]

A fresh workspace, the demo, a real run, the heatmap, a selection and a downloaded file, as a
newcomer would see them. Each frame has a sentence, and a mark where the next click goes.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Locator, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_OPTIONS, ROOT, start_server
from tests.browser.steps import READY, settled

SIZE = (1280, 800)
FRAME = (960, 600)
CAPTION = 44
SECONDS = 2.4
LARGEST = 2_500_000
INK, PAPER, MARK = "#ffffff", "#1d2733", "#E69F00"


@dataclass
class Walk:
    """The frames so far."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def frame(self, words: str, at: Locator | None = None, seconds: float = SECONDS) -> None:
        """Keep what is on the screen with a sentence, and a ring around what is pressed next."""
        place = None
        if at is not None:
            at.scroll_into_view_if_needed()
            place = at.bounding_box()
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB").resize(FRAME)
        drawn = Image.new("RGB", (FRAME[0], FRAME[1] + CAPTION), PAPER)
        drawn.paste(picture, (0, 0))
        pen = ImageDraw.Draw(drawn)
        if place is not None:
            scale = FRAME[0] / SIZE[0]
            left, top = place["x"] * scale, place["y"] * scale
            right, bottom = left + place["width"] * scale, top + place["height"] * scale
            pen.rounded_rectangle(
                (left - 6, top - 6, right + 6, bottom + 6), radius=8, outline=MARK, width=4
            )
        pen.text((14, FRAME[1] + 11), words, font=ImageFont.load_default(20), fill=INK)
        self.frames.append(drawn)
        self.seconds.append(seconds)

    def press(self, words: str, name: str) -> None:
        """A frame with a mark on a button, then the click."""
        button = self.page.get_by_role("button", name=name, exact=True).first
        button.wait_for()
        settled(self.page)
        self.page.wait_for_timeout(800)
        self.frame(words, button)
        button.click()

    def go(self, name: str) -> None:
        """Another page by the menu."""
        self.page.get_by_role("link", name=name, exact=True).first.click()
        self.page.get_by_role("heading", name=name, exact=True).wait_for()
        settled(self.page)
        self.page.wait_for_timeout(1500)

    def save(self, out: Path) -> None:
        """Write the animation, with fewer details until it is small enough."""
        for quality in (80, 65, 50, 35, 20):
            self.frames[0].save(
                out,
                save_all=True,
                append_images=self.frames[1:],
                duration=[int(1000 * seconds) for seconds in self.seconds],
                loop=0,
                quality=quality,
                method=6,
            )
            if out.stat().st_size <= LARGEST:
                return
        raise SystemExit(f"{out} has {out.stat().st_size:,} bytes; take fewer frames.")


def walk(walk: Walk, url: str) -> None:
    """The first two minutes."""
    page = walk.page
    page.goto(url)
    walk.press("The demo project is there on the first start.", "Set up the first run")
    walk.press("Choose a method, see what it costs, start.", "Start")
    page.get_by_role("button", name="Cancel").first.wait_for()
    moving = page.get_by_text(re.compile(r"[1-9][\d,]* of [\d,]+ rows"))
    for words in (
        "The run shows each stage with its rate.",
        "A refresh or a second tab sees it too.",
    ):
        moving.first.wait_for()
        walk.frame(words, seconds=1.6)
        page.wait_for_timeout(8_000)
    walk.press("Done. Can the estimates be trusted?", "See whether to trust the estimates")
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    settled(page)
    page.wait_for_timeout(1_500)
    walk.frame("A sentence says it first; the charts show why.")
    walk.go("Influence")
    page.locator(READY).first.wait_for()
    walk.frame("Every pool row against every target row: which help which?")
    zoom(walk)
    walk.go("Select")
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    page.wait_for_timeout(1_500)
    walk.frame("How much to keep: the curve shows where more rows add little.")
    slider = page.get_by_role("slider").first
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    settled(page)
    page.wait_for_timeout(1_500)
    walk.frame("Move the budget: figures and rows follow at once.")
    walk.press("Keep this selection to compare and export it.", "Keep this selection")
    walk.press("Then take it to the trainer.", "Take it to the trainer")
    walk.press("Choose the format, look at the first rows, build the file.", "Build the file")
    page.get_by_role("button", name="Download the file").first.wait_for()
    walk.press("Download it, with a manifest that says where it came from.", "Download the file")
    walk.frame("Fewer, better rows, and you can say why.", seconds=4.0)


def zoom(walk: Walk) -> None:
    """Into the heatmap with the wheel, then a pair."""
    page = walk.page
    cells = page.get_by_role("application").first
    box: Any = cells.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5)
    for _ in range(6):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(400)
    page.wait_for_timeout(2_000)
    walk.frame("Zoom with the wheel, down to single pairs.")
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5)
    pair = page.get_by_text("Predicted influence", exact=True)
    pair.wait_for()
    settled(page)
    pair.scroll_into_view_if_needed()
    page.wait_for_timeout(1_000)
    walk.frame("Click a cell: both texts, the estimate with its interval, pin or ban.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "walk.webp")
    options = parser.parse_args()
    server = start_server(Path(tempfile.mkdtemp()) / "workspace")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
            context = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]})
            page = context.new_page()
            page.set_default_timeout(300_000)
            taken = Walk(page)
            walk(taken, server.url)
            taken.save(options.out)
            browser.close()
    finally:
        server.kill()
    sys.stdout.write(f"{options.out}: {len(taken.frames)} frames\n")


if __name__ == "__main__":
    main()
