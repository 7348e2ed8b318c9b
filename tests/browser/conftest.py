"""A real Chromium on a real Dagster UI over a freshly built sample market of the last months."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect, sync_playwright

from crypto_features import clock

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
START_SECONDS = 180


@dataclass
class Watched:
    """A page, and what it must not do: complain, or talk to another machine."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.strangers.append(request.url)


@pytest.fixture(scope="module")
def dagster_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Dagster UI whose graph was built once."""
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    folder = tmp_path_factory.mktemp("ui")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    start = clock.now() - timedelta(days=62)
    environment = os.environ | {
        "CRYPTO_FEATURES_DATA": str(folder / "data"),
        "CRYPTO_FEATURES_START": f"{start:%Y-%m}",
        "CRYPTO_FEATURES_AUTOMATION": "false",
    }
    program = str(Path(sys.executable).with_name("crypto-features"))
    subprocess.run([program, "run"], env=environment, cwd=ROOT, check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "dev", "--port", str(port)],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, server)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture(scope="module")
def ui(dagster_ui: str) -> Iterator[Watched]:
    """One page in Chromium; it may not reach anything but the UI.

    Playwright's event loop runs until the module is over: no test after it could run one of its own.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1500, "height": 1000}).new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield Watched(page, dagster_ui)
        browser.close()


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(START_SECONDS):
        assert server.poll() is None, "the UI ended before it answered"
        if _has_assets(url):
            return
        time.sleep(1)
    raise AssertionError(f"the UI showed no assets within {START_SECONDS} s")


def _has_assets(url: str) -> bool:
    question = urllib.request.Request(  # noqa: S310 - our own loopback address.
        f"{url}/graphql", b'{"query": "{assetNodes {id}}"}', {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(question) as answer:  # noqa: S310 - our own loopback address.
            return bool(json.load(answer)["data"]["assetNodes"])
    except (urllib.error.URLError, ConnectionError):
        return False
