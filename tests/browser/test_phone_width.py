"""Every page on a phone: nothing is wider than the screen, and the main button can be reached."""

from __future__ import annotations

import pytest

from tests.browser.steps import READY, opened

PAGES = ("", "data", "run", "trust", "studies", "influence", "select", "compare", "export", "jobs")

TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  // What scrolls inside itself may be wide, as tables and code are.
  const scrolls = (one) => {
    for (let at = one.parentElement; at; at = at.parentElement) {
      const way = getComputedStyle(at).overflowX;
      if (way === 'auto' || way === 'scroll' || way === 'hidden' || way === 'clip') {
        const box = at.getBoundingClientRect();
        if (box.left >= -1 && box.right <= width + 1) return true;
      }
      if (at.dataset.testid === 'stMain') return false;
    }
    return false;
  };
  return [...document.querySelectorAll('[data-testid=stMain] *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && one.checkVisibility()
      && (box.right > width + 1 || box.left < -1) && !scrolls(one);
  }).map((one) => `${one.tagName} ${one.dataset.testid || one.className} `
    + `${one.innerText ? one.innerText.slice(0, 40) : ''}`).slice(0, 5);
}"""


@pytest.fixture(name="phone")
def page_of_a_phone(browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def test_every_page_fits_on_a_phone(phone, reading) -> None:
    cut = {}
    for name in PAGES:
        opened(phone, reading.link(name))
        if name == "influence":
            phone.locator(READY).first.wait_for()
        if wide := phone.evaluate(TOO_WIDE):
            cut[name or "home"] = wide
        buttons = phone.locator("[data-testid=stMain] [data-testid=stBaseButton-primary]")
        if buttons.count():
            buttons.first.scroll_into_view_if_needed()
            box = buttons.first.bounding_box()
            assert box is not None and box["x"] >= 0, name
            assert box["x"] + box["width"] <= 390, name
    assert not cut
