"""A real server on a fresh workspace and a real Chromium to walk through it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.browser.prepared import Prepared, prepare, write_demo

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
CHROMIUM_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_MS = int(os.environ.get("NNCIFT_BROWSER_SECONDS", "30")) * 1000
"""How long a test waits for what it expects."""


@dataclass
class Server:
    """The app, running."""

    url: str
    workspace: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


def start_server(
    workspace: Path,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Server:
    """Start the app on a free port and wait until it answers."""
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    with (workspace.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamlit",
                "run",
                "app.py",
                "--server.port",
                str(port),
                *options,
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "NNCIFT_WORKSPACE": str(workspace),
                "HF_HUB_OFFLINE": "1",
                # Server, worker and browser share the cores: more threads only wait.
                "OMP_NUM_THREADS": "1",
                **(environment or {}),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://localhost:{port}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return Server(url, workspace, process)
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError((workspace.parent / "server.log").read_text())


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small demo."""
    return write_demo(tmp_path_factory.mktemp("small") / "demo")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Prepared:
    """A workspace with a finished run; never changed, only copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNCIFT_DEMO_DIR", str(demo))
        return prepare(tmp_path_factory.mktemp("prepared"), demo)


@dataclass
class Opened:
    """A server on a prepared workspace."""

    server: Server
    prepared: Prepared

    def link(self, name: str = "", /, **more: object) -> str:
        """The address of a page of its finished run."""
        return f"{self.server.url}/{name}?{self.prepared.query(**more)}"


def open_copy(prepared: Prepared, folder: Path, options: Sequence[str] = ()) -> Opened:
    """A server on a copy of a prepared workspace."""
    shutil.copytree(prepared.root, folder / "workspace")
    copied = replace(prepared, root=folder / "workspace")
    environment = {"NNCIFT_DEMO_DIR": str(prepared.demo)}
    return Opened(start_server(copied.root, environment=environment, options=options), copied)


@pytest.fixture(scope="session")
def reading(
    prepared: Prepared, browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    """A server for tests that change nothing."""
    opened = open_copy(prepared, tmp_path_factory.mktemp("reading"))
    yield opened
    opened.server.kill()


@pytest.fixture
def changing(prepared: Prepared, browser, tmp_path: Path) -> Iterator[Opened]:
    """A server and a workspace of the test's own."""
    opened = open_copy(prepared, tmp_path)
    yield opened
    opened.server.kill()


@pytest.fixture
def fresh(browser, demo: Path, tmp_path: Path) -> Iterator[Server]:
    """A server on a folder where there is nothing yet; its demo is the small one."""
    started = start_server(tmp_path / "workspace", environment={"NNCIFT_DEMO_DIR": str(demo)})
    yield started
    started.kill()


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: browser tests cannot run")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep a picture of the page in the test's folder when the test fails."""
    report = yield
    values = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed and {"page", "tmp_path"} <= values.keys():
        with contextlib.suppress(Exception):
            values["page"].screenshot(path=values["tmp_path"] / "failed.png")
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
