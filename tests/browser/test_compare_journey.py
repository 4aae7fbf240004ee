"""Two selections side by side: what they share is what their stored rows share."""

from __future__ import annotations

from tests.browser.steps import opened, settled


def test_two_selections_stand_side_by_side(page, reading) -> None:
    catalog = reading.prepared.workspace.catalog
    stored = catalog.selections(reading.prepared.run)
    first, second = ({row.row_id for row in catalog.selection_rows(record.id)} for record in stored)
    opened(page, reading.link("compare"))
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    settled(page)
    shown = page.locator("[data-testid=stMain]").inner_text()
    assert "Best means" in shown
    assert f"{len(first & second):,}" in shown
    for only in (first - second, second - first):
        assert f"{len(only):,}" in shown
