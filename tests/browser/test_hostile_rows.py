"""Rows that want to be more than text: no script runs, nothing is fetched, all can be read."""

from __future__ import annotations

from tests.browser.prepared import HOSTILE
from tests.browser.steps import READY, Watch, opened, settled


def test_hostile_rows_are_text_on_every_page(page, reading) -> None:
    watch = Watch(page, reading.server.url)
    for name, more in (
        ("data", {"row": 1}),
        ("data", {"row": 2}),
        ("data", {"row": 3}),
        ("influence", {"pool": 1, "target": 1}),
        ("influence", {"tab": "rows"}),
        ("influence", {"tab": "map"}),
        ("select", {"part": "left-out", "q": "hostile"}),
        ("compare", {}),
        ("export", {}),
    ):
        opened(page, reading.link(name, **more))
        if more.get("tab") == "map":
            page.locator(READY).first.wait_for()
        assert page.title() != "hit", (name, more)
        if "row" in more:
            shown = page.get_by_role("dialog")
            prompt, response = HOSTILE[more["row"] - 1]
            for text in (prompt, response.replace("\x1b", "")[:20]):
                shown.get_by_text(text[:14]).first.wait_for()
            assert not shown.locator("iframe, img[src*='pixel'], a[href*='javascript']").count()
            toggle = shown.get_by_text("Formatted", exact=True)
            if toggle.count():
                toggle.first.click()
                settled(page)
                hidden = "iframe, script, img[src*='pixel'], a[href*='javascript']"
                assert not shown.locator(hidden).count()
    assert not watch.dialogs and not watch.elsewhere
    assert not watch.problems
