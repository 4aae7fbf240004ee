"""Take the pictures of the documentation: every page of the demo project in docs/images.

    python tests/browser/take_screenshots.py [--workspace DIR] [--images DIR]

Every page in both themes, 1440 and 768 pixels wide: page.png, page-dark.png, page-768.png and
page-768-dark.png. Shows DELIFT (SE) on every page, and SelectIT where it looks different. Runs
them first if the workspace has no finished run of theirs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.pipeline.maps import create_map
from nncift_core.store import Workspace
from tests.browser.conftest import CHROMIUM, CHROMIUM_OPTIONS, ROOT, start_server

IMAGES = ROOT / "docs" / "images"
WIDE, NARROW = 1440, 768
PAGES = {
    "home": "",
    "data": "data",
    "run": "run",
    "trust": "trust",
    "studies": "studies",
    "influence": "influence",
    "influence-methods": "influence?tab=methods",
    "influence-map": "influence?tab=map",
    "select": "select",
    "compare": "compare",
    "export": "export",
    "jobs": "jobs",
}
"""Pictures of the run by pairs, and the address of each."""


def finished_run(workspace: Workspace, method: str) -> str:
    """A run of the demo with this method, made if there is none."""
    project = pipeline.ensure_demo(workspace)
    for run in workspace.catalog.runs(project.id):
        if run.status == "done" and run.config["config"]["method"] == method:
            return run.run_id
    assert project.target_id is not None
    spec = pipeline.RunSpec(
        config=RunConfig(method=method),
        train=pipeline.DataSource(project.pool_id, "demo_pool.jsonl"),
        target=pipeline.DataSource(project.target_id, "demo_target.jsonl"),
    )
    run_id = pipeline.create_run(workspace, project.id, spec)
    pipeline.work(workspace.run_dir(run_id))
    return run_id


def selections_to_compare(workspace: Workspace, run_id: str) -> None:
    """Two more selections of a run, made if it has only its own."""
    if len(workspace.catalog.selections(run_id)) > 1:
        return
    for objective, budget, name in (
        ("round-robin", "0.1", "Round robin, 10 %"),
        ("topk", "0.1", "Best means, 10 %"),
    ):
        made = pipeline.create_selection(workspace, run_id, objective, budget, name)
        pipeline.work(workspace.selection_dir(run_id, made))


def map_of_the_rows(workspace: Workspace, run_id: str) -> None:
    """The map of a run's rows, made if there is none."""
    folder = create_map(workspace, run_id)
    if not (folder / "result.json").is_file():
        pipeline.work(folder)


def opened(page: Page, url: str) -> None:
    """Open a page and wait until nothing moves."""
    page.goto(url)
    page.locator("[data-testid=stMain] h1").first.wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")
    page.wait_for_timeout(2000)


def keep(page: Page, path: Path) -> None:
    """Keep the picture, with as few colors as look alike: a third of the bytes."""
    page.screenshot(path=path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def take(
    page: Page, link: Callable[[str, str], str], runs: tuple[str, str], folder: Path, ending: str
) -> None:
    """All pictures of one width and theme; ``link`` gives the address of a page and a run."""
    by_pairs, by_rows = runs
    for name, place in PAGES.items():
        opened(page, link(place, by_pairs))
        keep(page, folder / f"{name}{ending}.png")
    opened(page, link("influence", by_rows))
    keep(page, folder / f"influence-rows{ending}.png")
    opened(page, link("run?new=1&method=selectit", by_rows))
    keep(page, folder / f"run-model{ending}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--images", type=Path, default=IMAGES)
    options = parser.parse_args()
    root = options.workspace or Path(tempfile.mkdtemp()) / "workspace"
    root.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.open(root)
    project = pipeline.ensure_demo(workspace).id
    runs = finished_run(workspace, "delift-se"), finished_run(workspace, "selectit")
    selections_to_compare(workspace, runs[0])
    map_of_the_rows(workspace, runs[0])
    options.images.mkdir(parents=True, exist_ok=True)
    server = start_server(root.absolute())

    def link(place: str, run: str) -> str:
        name, _, query = place.partition("?")
        return f"{server.url}/{name}?project={project}&run={run}" + (f"&{query}" if query else "")

    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
            for width in (WIDE, NARROW):
                for theme in ("light", "dark"):
                    context = browser.new_context(
                        viewport={"width": width, "height": 1000}, color_scheme=theme
                    )
                    ending = ("" if width == WIDE else f"-{width}") + (
                        "-dark" if theme == "dark" else ""
                    )
                    take(context.new_page(), link, runs, options.images, ending)
                    context.close()
            browser.close()
    finally:
        server.kill()
    sys.stdout.write(f"{options.images}\n")


if __name__ == "__main__":
    main()
