"""The heatmap as an instrument: wheel, box and keyboard lead to one pair with both texts."""

from __future__ import annotations

import re

from tests.browser.steps import READY, opened, settled


def window_of(chart) -> str:
    return str(chart.get_attribute("data-window"))


def moved(page, chart, before: str) -> str:
    """Wait until another window is drawn."""
    page.locator(f"{READY}:not([data-window='{before}'])").first.wait_for()
    return window_of(chart)


def test_wheel_box_and_keyboard_lead_to_a_pair(page, reading) -> None:
    opened(page, reading.link("influence"))
    chart = page.locator("[data-window]").first
    page.locator(READY).first.wait_for()
    whole = window_of(chart)
    cells = page.get_by_role("application").first
    place = cells.bounding_box()
    assert place is not None
    across, down = place["x"] + place["width"] * 0.4, place["y"] + place["height"] * 0.5
    page.mouse.move(across, down)
    page.mouse.wheel(0, -240)
    zoomed = moved(page, chart, whole)
    page.wait_for_function("/x=\\d+-\\d+/.test(location.search)")
    page.mouse.move(across - 60, down - 60)
    page.mouse.down()
    page.mouse.move(across + 20, down + 20, steps=4)
    page.mouse.up()
    boxed = moved(page, chart, zoomed)
    assert re.search(r"x=\d+-\d+&y=\d+-\d+", page.url), "the window is in the link"
    linked = page.url
    cells.focus()
    page.keyboard.press("+")
    closer = moved(page, chart, boxed)
    assert closer != boxed
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("/pool=\\d+.*target=\\d+/.test(location.search)")
    page.get_by_text("Predicted influence", exact=True).wait_for()
    found = re.search(r"pool=(\d+).*target=(\d+)", page.url)
    assert found is not None
    pool, target = map(int, found.groups())
    settled(page)
    page.get_by_text(f"Pool row {pool:,}", exact=False).first.wait_for()
    page.get_by_text(f"Target row {target:,}", exact=False).first.wait_for()
    # The link brings the window back, in a page that knows nothing.
    opened(page, linked)
    page.locator(f"{READY}[data-window='{boxed}']").first.wait_for()
