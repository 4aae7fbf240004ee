"""Pin, ban and undo with the keyboard, and pin what was drawn around on the map."""

from __future__ import annotations

from nncift_core.selection.actions import curation
from tests.browser.steps import READY, opened, settled


def rows_in_force(opened_copy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids that are pinned and banned, as the run's log says."""
    prepared = opened_copy.prepared
    log = curation(prepared.workspace.catalog.actions(prepared.run))
    return tuple(log.pinned), tuple(log.banned)


def tick(page, row: int) -> None:
    """Tick a row of the table; its marks are the leftmost column."""
    table = page.locator("[data-testid=stDataFrame]").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + 35 * row + 17)
    page.get_by_text("1 row marked").first.wait_for()
    settled(page)


def test_pin_ban_and_undo_by_keyboard(page, changing) -> None:
    opened(page, changing.link("select"))
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    tick(page, 1)
    page.keyboard.press("b")
    page.get_by_text("banned 1").first.wait_for()
    assert len(rows_in_force(changing)[1]) == 1
    settled(page)
    tick(page, 2)
    page.keyboard.press("p")
    page.get_by_text("pinned 1").first.wait_for()
    pinned, banned = rows_in_force(changing)
    assert len(pinned) == 1 and len(banned) == 1
    for left in ("pinned 0, banned 1", "pinned 0, banned 0"):
        settled(page)
        page.keyboard.press("u")
        page.get_by_text(left).first.wait_for()
    assert rows_in_force(changing) == ((), ())
    # Another tab, or tomorrow, sees the same.
    opened(page, changing.link("select"))
    page.get_by_text("pinned 0").first.wait_for()


def test_rows_drawn_around_on_the_map_are_pinned_together(page, changing) -> None:
    opened(page, changing.link("influence", tab="map"))
    canvas = page.locator(f"canvas{READY}").first
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    corners = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.32)]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.keyboard.down("Shift")
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.get_by_text("selected pool row").first.wait_for()
    settled(page)
    selected = int(canvas.get_attribute("data-selected"))
    assert selected > 1
    page.get_by_role("button", name="Pin").first.click()
    page.get_by_text(f"pinned {selected}").first.wait_for()
    assert len(rows_in_force(changing)[0]) == selected
    page.get_by_role("button", name="Undo").first.click()
    page.get_by_text("pinned 0").first.wait_for()
    assert rows_in_force(changing) == ((), ())
