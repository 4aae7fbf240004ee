"""What a curator does on a page, timed in the browser: zoom, search, slider, next rows.

An action's time goes from the event of the key, wheel or button to its answer: another window that
is drawn, other figures, another count of rows. Besides, the last change of the page that follows:
charts are drawn again after the figures. A watcher in the page notes all with the browser's own
clock. An action whose answer changes nothing counts as not done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from playwright.sync_api import Page

TABLE = "[data-testid=stDataFrame] canvas"
CHART = ".js-plotly-plot .main-svg"
HEATMAP = "[data-ready='1']"
ROUNDS = 5

WATCH = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const main = document.querySelector('[data-testid=stMain]');
  if (!window.watched) {
    window.watched = {input: 0, change: 0, ran: 0, roots: new Set()};
    for (const kind of ['keydown', 'wheel', 'mouseup', 'click', 'pointerup'])
      window.addEventListener(kind, () => { window.watched.input = performance.now(); },
                              {capture: true, passive: true});
    new MutationObserver(() => {
      if (app.dataset.testScriptState === 'notRunning') window.watched.ran = performance.now();
    }).observe(app, {attributes: true, attributeFilter: ['data-test-script-state']});
  }
  const roots = [main, ...[...main.querySelectorAll('*')].map(one => one.shadowRoot)];
  for (const root of roots) {
    if (!root || window.watched.roots.has(root)) continue;
    window.watched.roots.add(root);
    new MutationObserver(() => { window.watched.change = performance.now(); })
      .observe(root, {subtree: true, childList: true, characterData: true, attributes: true,
        attributeFilter: ['data-window', 'data-ready', 'd']});
  }
}"""
QUIET = """() => {
  const {input, change, ran} = window.watched, now = performance.now();
  const state = document.querySelector('[data-testid=stApp]').dataset.testScriptState;
  return ran > input && change > input && state === 'notRunning' && now - change > 300
    && now - ran > 300 && !document.querySelector('[data-testid=stSkeleton]');
}"""
SPENT = "() => (Math.max(window.watched.change, window.watched.ran) - window.watched.input) / 1000"


ANSWER = """(expression) => {
  const read = () => (0, eval)(expression), before = read();
  window.watched.answered = 0;
  const look = () => {
    if (read() !== before) window.watched.answered = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
ANSWERED = "() => (window.watched.answered - window.watched.input) / 1000"

FIGURES = (
    "[...document.querySelectorAll('[data-testid=stMetricValue]')].map(e => e.innerText).join()"
)
CAPTIONS = (
    "[...document.querySelectorAll('[data-testid=stCaptionContainer]')]"
    ".map(e => e.innerText).join()"
)


@dataclass(frozen=True)
class Timed:
    """Seconds of one action, from the event to its answer and to the last change."""

    answer: float
    settled: float


def timed(page: Page, acts: Iterable[Callable[[], object]], answer: str = "") -> list[Timed]:
    """Times of each act, one after the other.

    Args:
        page: Where they are done.
        acts: What is done.
        answer: JavaScript whose value the answer changes; the last change counts without it.
    """
    found = []
    for act in acts:
        page.evaluate(WATCH)
        if answer:
            page.evaluate(ANSWER, answer)
        act()
        page.wait_for_function(QUIET, polling=50, timeout=120_000)
        settled = float(page.evaluate(SPENT))
        if answer:
            page.wait_for_function("() => window.watched.answered", timeout=5_000)
        found.append(Timed(float(page.evaluate(ANSWERED)) if answer else settled, settled))
    return found


def zoom(page: Page) -> list[Timed]:
    """The wheel, one notch after the other, on the middle of the heatmap."""
    chart = page.locator("[data-window]").first
    chart.scroll_into_view_if_needed()
    middle = chart.bounding_box()
    assert middle is not None
    before = set()

    def turn() -> None:
        before.add(chart.get_attribute("data-window"))
        page.mouse.move(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
        page.mouse.wheel(0, -240)

    seconds = timed(page, [turn] * ROUNDS)
    assert chart.get_attribute("data-window") not in before, "the wheel zooms"
    return seconds


def search(page: Page) -> list[Timed]:
    """Words into the search field of a table."""
    field = page.get_by_role("textbox", name="Search").first
    field.wait_for()

    def look(word: str) -> None:
        field.fill(word)
        page.keyboard.press("Enter")

    return timed(
        page, [lambda word=word: look(word) for word in ("baba", "code", "zu", "rare")], CAPTIONS
    )


def slide(page: Page) -> list[Timed]:
    """The budget, a percent less at a time: a shorter part of the same order."""
    slider = page.get_by_role("slider").first
    slider.wait_for()
    slider.focus()
    return timed(page, [lambda: page.keyboard.press("ArrowLeft")] * ROUNDS, FIGURES)


def widen(page: Page) -> list[Timed]:
    """The budget, a percent more: rows beyond what the run chose must be chosen."""
    slider = page.get_by_role("slider").first
    slider.wait_for()
    slider.focus()
    return timed(page, [lambda: page.keyboard.press("ArrowRight")], FIGURES)


def turn_pages(page: Page) -> list[Timed]:
    """The next pages of a table of rows."""
    following = page.get_by_role("button", name="Next", exact=True).first
    following.wait_for(timeout=10_000)
    return timed(page, [following.click] * 3, CAPTIONS)


ACTIONS: dict[str, tuple[str, str, Callable[[Page], list[Timed]]]] = {
    "heatmap zoom": ("influence", HEATMAP, zoom),
    "search in Data": ("data", TABLE, search),
    "search in Select": ("select?part=left-out", TABLE, search),
    "budget slider": ("select", CHART, slide),
    "next rows in Select": ("select", CHART, turn_pages),
    "larger budget": ("select", CHART, widen),
}
"""Name: address, the main thing there, and what is done."""
