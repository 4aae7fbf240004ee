"""Take the pictures of the documentation: every page of the demo project in docs/images.

    python tests/browser/take_screenshots.py [--workspace DIR]

Runs the demo first if the workspace has no finished run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.sync_api import Page, sync_playwright

from nncift_core.store import Workspace
from tests.browser.conftest import CHROMIUM, CHROMIUM_OPTIONS, ROOT, start_server

IMAGES = ROOT / "docs" / "images"
PAGES = ("home", "data", "run", "trust", "influence", "select", "export")
WIDE, NARROW = 1440, 768


def finished_run(workspace: Path) -> tuple[str, str]:
    """Project and run of the demo, made if there is none."""
    catalog = Workspace.open(workspace).catalog
    for run in catalog.runs():
        if run.status == "done":
            return run.project_id, run.run_id
    command = [sys.executable, "-m", "nncift_core", "demo", "--workspace", str(workspace)]
    subprocess.run(command, check=True, cwd=ROOT)
    return finished_run(workspace)


def take(page: Page, url: str, path: Path) -> None:
    """Open a page, wait until nothing moves, and keep its picture."""
    page.goto(url)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")
    page.wait_for_timeout(2500)
    page.screenshot(path=path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--dark", action="store_true", help="into a temporary folder, to look at")
    options = parser.parse_args()
    workspace = options.workspace or Path(tempfile.mkdtemp()) / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    project, run = finished_run(workspace)
    folder = Path(tempfile.mkdtemp()) if options.dark else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    server = start_server(workspace.absolute())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
            for width in (WIDE, NARROW):
                context = browser.new_context(
                    viewport={"width": width, "height": 1000},
                    color_scheme="dark" if options.dark else "light",
                )
                page = context.new_page()
                for name in PAGES:
                    place = "" if name == "home" else name
                    url = f"{server.url}/{place}?project={project}&run={run}"
                    take(page, url, folder / f"{name}{'' if width == WIDE else f'-{width}'}.png")
            browser.close()
    finally:
        server.kill()
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
