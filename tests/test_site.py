"""The site of the documentation: it builds, its links lead somewhere, and it loads nothing from elsewhere."""

import functools
import http.server
import posixpath
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Request, expect, sync_playwright

import crypto_features as cf
import crypto_features_reader
import feature_repo
from docs.tools.settings_page import PAGE, page
from tests.browser.conftest import CHROMIUM

ROOT = Path(__file__).parents[1]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
"""Attributes by which a browser loads something without being asked."""


class Html(HTMLParser):
    """The anchors, links and loaded addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if values.get("rel") != "canonical" and LOADED.get(tag) in values:
            self.loads.append(values[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Html]:
    return {path.relative_to(site).as_posix(): Html(path.read_text()) for path in site.rglob("*.html")}


def test_every_link_leads_to_a_page_and_an_anchor(site: Path, pages: dict[str, Html]) -> None:
    dead = []
    for name, html in pages.items():
        for link in html.links + html.loads:
            parts = urlsplit(link)
            if parts.scheme or name == "404.html":
                continue
            path = unquote(parts.path)
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            if target in pages:
                found = not parts.fragment or unquote(parts.fragment) in pages[target].anchors
            else:
                found = (site / target).is_file() or (site / target / "index.html").is_file()
            if not found:
                dead.append(f"{name}: {link}")
    assert dead == []
    assert sum(len(html.links) for html in pages.values()) > 2000


def test_what_is_written_as_a_page_is_shown_as_one_and_not_as_its_source(site: Path, pages: dict[str, Html]) -> None:
    heads = {name: re.search(r"<h1[^>]*>([^<]*)", (site / name).read_text()) for name in pages}
    assert [name for name, head in heads.items() if head and head[1].strip().endswith(".md")] == []
    assert {"use-it", "your-own-candles"} <= pages["index.html"].anchors


def test_no_page_loads_anything_from_another_host(site: Path, pages: dict[str, Html]) -> None:
    loads = {load for html in pages.values() for load in html.loads}
    assert {load for load in loads if re.match(r"[a-z]+:|//", load)} == set()
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert {url for url in re.findall(r"url\(([^)]*)\)|@import ([^;]*)", styles) if "//" in "".join(url)[:9]} == set()
    assert loads


def test_every_public_name_has_an_entry_in_the_reference(pages: dict[str, Html]) -> None:
    anchors = {one for name, html in pages.items() if name.startswith("reference/") for one in html.anchors}
    public = {
        f"crypto_features.{name}" for name in cf.__all__ if name not in {"OPEN", "HIGH", "LOW", "CLOSE", "VOLUME"}
    }
    public |= {f"feature_repo.{name}" for name in set(feature_repo.__all__) - set(cf.__all__)}
    public |= {f"crypto_features_reader.{name}" for name in crypto_features_reader.__all__}
    assert public - anchors == set()


def test_the_page_of_settings_is_that_of_the_settings() -> None:
    assert PAGE.read_text() == page(), "docs/settings.md is stale: `make docs` writes it"


def test_llms_txt_names_every_page_of_the_navigation(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    assert text.startswith("# crypto-features\n\n> ")
    listed = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", text, re.MULTILINE)
    navigation = re.findall(r"(?<=[ :])[\w/]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert len(listed) == len(navigation) > 25
    assert [address for address in listed if not (site / address).is_file()] == []


class Silent(http.server.SimpleHTTPRequestHandler):
    """A file server that prints nothing."""

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where the site is served, on loopback."""
    handler = functools.partial(Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.browser
def test_a_reader_searches_the_site_without_another_host(address: str) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page()
        shown.on("request", note)
        shown.goto(address)
        shown.get_by_role("textbox", name="Search").first.fill("passport")
        expect(shown.locator(".md-search-result__link").first).to_be_visible()
        browser.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert any(url.endswith("search_index.json") for url in asked)
