"""What several journeys do: wait until a page rests, upload, download, watch its requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

APP = "[data-testid=stApp]"
READY = "[data-ready='1']"
"""A heatmap or map that has drawn what it was told."""


def settled(page: Any) -> None:
    """Wait until the script has run to its end and nothing is a placeholder."""
    page.wait_for_selector(f"{APP}[data-test-script-state=notRunning]")
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")


def opened(page: Any, url: str) -> None:
    """Open an address and wait until the page rests."""
    page.goto(url)
    page.locator("[data-testid=stMain] h1").first.wait_for()
    settled(page)


def upload(page: Any, label: str, paths: Sequence[Path]) -> None:
    """Give files to an upload box."""
    box = page.locator("[data-testid=stFileUploader]", has_text=label)
    box.locator("input[type=file]").set_input_files([str(path) for path in paths])
    for path in paths:
        # A name in a narrow column is cut, and then hidden from view.
        box.locator(f"[title='{path.name}']").first.wait_for(state="attached")
    settled(page)


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """JSON lines."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines as objects."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def download(page: Any, button: Any, path: Path) -> Path:
    """Press a button that gives a file, and keep the file."""
    with page.expect_download() as caught:
        button.click()
    caught.value.save_as(path)
    return path


class Watch:
    """Everything a page asks for and everything that runs in it without being asked."""

    def __init__(self, page: Any, home: str) -> None:
        self._home = urlsplit(home).netloc
        self.elsewhere: list[str] = []
        self.dialogs: list[str] = []
        self.problems: list[str] = []
        page.on("request", self._request)
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _request(self, request: Any) -> None:
        place = urlsplit(request.url)
        if place.scheme in ("http", "https", "ws", "wss") and place.netloc != self._home:
            self.elsewhere.append(request.url)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()
