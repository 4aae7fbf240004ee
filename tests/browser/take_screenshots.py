"""Take the pictures of the documentation: every page of the demo project in docs/images.

    python tests/browser/take_screenshots.py [--workspace DIR]

Shows DELIFT (SE) on every page, and SelectIT where it looks different. Runs them first if the
workspace has no finished run of theirs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.store import Workspace
from tests.browser.conftest import CHROMIUM, CHROMIUM_OPTIONS, ROOT, start_server

IMAGES = ROOT / "docs" / "images"
PAGES = ("home", "data", "run", "trust", "studies", "influence", "select", "compare", "export")
WIDE, NARROW = 1440, 768


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


def opened(page: Page, url: str) -> None:
    """Open a page and wait until nothing moves."""
    page.goto(url)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")
    page.wait_for_timeout(2500)


def open_language_model(page: Page) -> None:
    """Unfold the settings of another run and bring those of the language model into view."""
    page.get_by_text("Set up another run").first.click()
    page.wait_for_timeout(2500)
    page.get_by_role("heading", name="Language model").evaluate(
        "heading => heading.scrollIntoView({block: 'start'})"
    )
    page.wait_for_timeout(500)


def keep(page: Page, path: Path) -> None:
    """Keep the picture, with as few colors as look alike: a third of the bytes."""
    page.screenshot(path=path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--dark", action="store_true", help="into a temporary folder, to look at")
    options = parser.parse_args()
    root = options.workspace or Path(tempfile.mkdtemp()) / "workspace"
    root.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.open(root)
    project = pipeline.ensure_demo(workspace).id
    by_pairs, by_rows = (finished_run(workspace, name) for name in ("delift-se", "selectit"))
    selections_to_compare(workspace, by_pairs)
    folder = Path(tempfile.mkdtemp()) if options.dark else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    server = start_server(root.absolute())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
            for width in (WIDE, NARROW):
                context = browser.new_context(
                    viewport={"width": width, "height": 1000},
                    color_scheme="dark" if options.dark else "light",
                )
                page = context.new_page()
                ending = "" if width == WIDE else f"-{width}"
                link = f"project={project}&run="
                for name in PAGES:
                    place = "" if name == "home" else name
                    opened(page, f"{server.url}/{place}?{link}{by_pairs}")
                    keep(page, folder / f"{name}{ending}.png")
                opened(page, f"{server.url}/influence?{link}{by_rows}")
                keep(page, folder / f"influence-rows{ending}.png")
                opened(page, f"{server.url}/run?{link}{by_rows}&method=selectit")
                open_language_model(page)
                keep(page, folder / f"run-model{ending}.png")
                context.close()
            browser.close()
    finally:
        server.kill()
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
