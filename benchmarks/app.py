"""How fast the app is in a real browser: pools of 15,000, 50,000 and 250,000 rows.

    python benchmarks/app.py [--workspace DIR] [--only 250000] [--pages data select]

Opens every page of three projects (``app_data.py`` describes and makes them) in Chromium against a
server of its own. Seconds go from the navigation to a page that can be used: the script has ended,
no placeholder is left, and the page's main thing is drawn. *Cold* is the first visit of the page
after the start of the server, *warm* the median of five further visits, each a full load of the
address as from a bookmark, with the browser's cache. Bytes are those of a warm visit: what came
over the websocket (unpacked), and by HTTP apart.

Before every visit the benchmark waits until the machine is quiet, for half a minute at most.
Actions run from the key, click or wheel to their answer, and to the last change on the page
(``app_actions.py``). Memory is the resident set of the server's process after the visits so far.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooLate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.app_actions import ACTIONS
from benchmarks.app_data import Place, prepare
from nncift_core.runtime import versions
from tests.browser.conftest import CHROMIUM, CHROMIUM_OPTIONS, Server, start_server

RESULT = Path(__file__).parent / "results" / "app.json"
WARM_VISITS = 5
MOST_SECONDS, MOST_BYTES = 1.5, 3_000_000
MOST_BUSY = 0.15
"""Share of the cores that may be at work before a visit; what others do would be measured too."""
MOST_WAIT = 40_000
"""Milliseconds after which a page counts as not ready."""

CHART = ".js-plotly-plot .main-svg"
TABLE = "[data-testid=stDataFrame] canvas"
PAGES: dict[str, tuple[str, str]] = {
    "home": ("", ".st-key-steps button"),
    "data": ("data", TABLE),
    "run": ("run", "[data-testid=stMain] button"),
    "trust": ("trust", CHART),
    "studies": ("studies", "[data-testid=stMain] button"),
    "influence": ("influence", "[data-ready='1']"),
    "influence, methods": ("influence?tab=methods", "[data-ready='1']"),
    "influence, map": ("influence?tab=map", "[data-ready='1']"),
    "influence, rows": ("influence?tab=rows", TABLE),
    "select": ("select", CHART),
    "compare": ("compare", CHART),
    "export": ("export", "[data-testid=stMain] [data-testid=stCode]"),
    "jobs": ("jobs", "[data-testid=stMain] button"),
}
"""Address of each page, and the main thing on it."""

SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return app && app.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stSkeleton]')
    && document.querySelector('[data-testid=stMain] h1');
}"""


class Traffic:
    """Bytes that come to one page."""

    def __init__(self, page: Page) -> None:
        self.websocket = self.http = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._frame))
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", self._loaded)

    def _frame(self, payload: str | bytes) -> None:
        self.websocket += len(payload)

    def _loaded(self, event: dict[str, Any]) -> None:
        self.http += int(event["encodedDataLength"])

    def reset(self) -> None:
        """Count from here."""
        self.websocket = self.http = 0


def resident(process_id: int) -> float:
    """MB of memory that a process holds."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return 0.0


def address(server: Server, place: Place, path: str) -> str:
    name, _, query = path.partition("?")
    more = f"&{query}" if query else ""
    return f"{server.url}/{name}?project={place.project}&run={place.run}{more}"


def busy_share(seconds: float = 0.4) -> float:
    """The share of all cores that was at work in the next moment."""

    def read() -> tuple[int, int]:
        ticks = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(ticks), ticks[3] + ticks[4]

    before = read()
    time.sleep(seconds)
    after = read()
    return 1 - (after[1] - before[1]) / max(1, after[0] - before[0])


def wait_for_quiet(patience: float = 40.0) -> None:
    """Wait until nothing else is at work, as long as there is hope for that."""
    end = time.monotonic() + patience
    while busy_share() > MOST_BUSY and time.monotonic() < end:
        pass


def visit(page: Page, traffic: Traffic, url: str, thing: str) -> dict[str, float] | None:
    """Open an address and wait until the page can be used; None if it never can."""
    page.goto("about:blank")
    wait_for_quiet()
    traffic.reset()
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    try:
        # A locator also finds what components draw in a shadow tree of their own.
        page.locator(thing).first.wait_for(timeout=MOST_WAIT)
        page.wait_for_function(SETTLED, polling=20, timeout=MOST_WAIT)
    except TooLate:
        return None
    seconds = time.perf_counter() - start
    # What is still on its way belongs to this visit too.
    page.wait_for_timeout(500)
    return {"seconds": seconds, "websocket": traffic.websocket, "http": traffic.http}


def measure_page(page: Page, traffic: Traffic, url: str, thing: str) -> dict[str, Any]:
    """Cold and warm visits of one page."""
    first = visit(page, traffic, url, thing)
    if first is None:
        return {"missing": page.locator("[data-testid=stMain]").inner_text()[:200]}
    rest = [found for _ in range(WARM_VISITS) if (found := visit(page, traffic, url, thing))]
    return {
        "cold_seconds": first["seconds"],
        "cold_websocket_bytes": first["websocket"],
        "warm_seconds": statistics.median(found["seconds"] for found in rest),
        "slowest_warm_seconds": max(found["seconds"] for found in rest),
        "websocket_bytes": statistics.median(found["websocket"] for found in rest),
        "http_bytes": statistics.median(found["http"] for found in rest),
    }


def measure(browser: Browser, root: Path, place: Place, wanted: list[str]) -> dict[str, Any]:
    """All pages and actions of one project, with a server of its own."""
    server = start_server(root.absolute())
    found: dict[str, Any] = {"pages": {}, "actions": {}, "memory_mb": {}}
    try:
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(60_000)
        traffic = Traffic(page)
        found["memory_mb"]["start"] = resident(server.process.pid)
        for name, (path, thing) in PAGES.items():
            if wanted and name.split(",")[0] not in wanted:
                continue
            one = measure_page(page, traffic, address(server, place, path), thing)
            found["pages"][name] = one
            found["memory_mb"][name] = resident(server.process.pid)
            print(f"{place.name:18} {name:20} {words(one)}", flush=True)
        for action, (path, thing, act) in ACTIONS.items():
            if wanted and path.split("?")[0] not in wanted:
                continue
            visit(page, traffic, address(server, place, path), thing)
            traffic.reset()
            try:
                wait_for_quiet()
                times = act(page)
            except (TooLate, AssertionError) as error:
                found["actions"][action] = {"missing": str(error)[:200]}
            else:
                found["actions"][action] = {
                    "median_seconds": statistics.median(one.answer for one in times),
                    "longest_seconds": max(one.answer for one in times),
                    "median_settled_seconds": statistics.median(one.settled for one in times),
                    "websocket_bytes": traffic.websocket / len(times),
                }
            print(f"{place.name:18} {action:20} {found['actions'][action]}", flush=True)
        found["memory_mb"]["end"] = resident(server.process.pid)
        context.close()
    finally:
        server.kill()
    return found


def words(one: dict[str, Any]) -> str:
    if "missing" in one:
        return f"NOT READY: {one['missing']!r}"
    over = one["warm_seconds"] > MOST_SECONDS or one["websocket_bytes"] > MOST_BYTES
    return (
        f"cold {one['cold_seconds']:5.2f} s, warm {one['warm_seconds']:5.2f} s, websocket "
        f"{one['websocket_bytes'] / 1e6:6.2f} MB, http {one['http_bytes'] / 1e6:5.2f} MB"
        f"{'  <-- over' if over else ''}"
    )


def table(results: dict[str, Any]) -> str:
    """Everything as a Markdown table."""
    lines = ["| project | page or action | cold s | warm s | websocket MB | HTTP MB | server MB |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for project, found in results.items():
        for name, one in found["pages"].items():
            if "missing" in one:
                lines.append(f"| {project} | {name} | not ready | | | | |")
                continue
            lines.append(
                f"| {project} | {name} | {one['cold_seconds']:.2f} | {one['warm_seconds']:.2f} | "
                f"{one['websocket_bytes'] / 1e6:.2f} | {one['http_bytes'] / 1e6:.2f} | "
                f"{found['memory_mb'][name]:.0f} |"
            )
        for name, one in found["actions"].items():
            if "missing" in one:
                lines.append(f"| {project} | *{name}* | | not done | | | |")
                continue
            seconds = f"{one['median_seconds']:.2f} (longest {one['longest_seconds']:.2f}"
            seconds += f"; all drawn {one['median_settled_seconds']:.2f})"
            size = f"{one['websocket_bytes'] / 1e6:.2f}"
            lines.append(f"| {project} | *{name}* | | {seconds} | {size} | | |")
    return "\n".join(lines)


@contextlib.contextmanager
def only_one(lock: Path | None) -> Iterator[None]:
    """Nobody else uses a browser meanwhile, where a lock file is given."""
    if lock is None:
        yield
        return
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds, bytes and memory of every page.")
    folder = Path(tempfile.gettempdir()) / "appbench"
    parser.add_argument("--workspace", type=Path, default=folder)
    parser.add_argument("--only", type=int, nargs="*", help="pool sizes, all if left out")
    parser.add_argument("--pages", nargs="*", default=[], help="first words of pages")
    parser.add_argument("--lock", type=Path, help="file to lock while a browser runs")
    options = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("Chromium is not installed, so nothing can be measured.")
    root, places = prepare(options.workspace, options.only)
    results: dict[str, Any] = {}
    for place in places:
        with only_one(options.lock), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
            results[place.name] = measure(browser, root, place, options.pages)
            browser.close()
    print(table(results))
    report = {
        "command": "python benchmarks/app.py",
        "limits": {"seconds": MOST_SECONDS, "websocket_bytes": MOST_BYTES},
        "projects": results,
        "preparation_seconds": {place.name: place.seconds for place in places},
        "hardware": {"cores": os.cpu_count(), "load_average": os.getloadavg()},
        "versions": versions(),
    }
    if not options.only and not options.pages:
        RESULT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
