"""The catalog's page as a person opens it: from a file, by mouse, keyboard or phone, in light and dark."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from crypto_features.catalog_page.entries import Around, Check
from crypto_features.catalog_page.page import page, write_page
from crypto_features.settings import Settings
from tests.browser.conftest import CHROMIUM, Watched
from tests.catalog_page import desk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a desk's catalog, whose names and texts are hostile."""
    folder = tmp_path_factory.mktemp("desk")
    at = datetime(2024, 5, 31, 12, tzinfo=UTC)
    drift = Check("drift", passed=False, text=f"PSI 0.4 {desk.HOSTILE}", at=at)
    checks = [drift, Check("schema", passed=True, text="Right.")]
    leaks = {"momentum": "momentum: leak-tested (truncate 40, start 12)"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_FEATURES_DATA", str(folder / "data"))
        desk.fill(desk.catalog, length=900)
        around = Around(checks={"momentum": checks}, leaks=leaks)
        write_page(folder / "catalog.html", page(Settings.load(), desk.catalog, around))
    return folder / "catalog.html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=["desktop light", "desktop dark", "phone light", "phone dark"])
def anyhow(request: pytest.FixtureRequest, chromium: Browser, file: Path) -> Iterator[Watched]:
    """The page on each kind of screen."""
    screen, _, scheme = request.param.partition(" ")
    width, height = (390, 844) if screen == "phone" else (1280, 900)
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    watched = Watched(context.new_page(), file.as_uri())
    watched.open("")
    yield watched
    context.close()


@pytest.fixture
def opened(chromium: Browser, file: Path) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context.new_page(), file.as_uri())
    watched.open("")
    yield watched
    context.close()


def unfold(shown: Page) -> None:
    shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")


def test_axe_finds_no_fault_and_nothing_runs_off_the_screen(anyhow: Watched) -> None:
    unfold(anyhow.page)
    found = Axe().run(anyhow.page).response
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == []
    assert len(found["passes"]) > 20
    assert anyhow.page.evaluate("document.documentElement.scrollWidth") <= anyhow.page.evaluate("innerWidth")
    assert anyhow.complaints == []
    assert anyhow.strangers == []


def test_dark_and_light_have_their_own_colours(chromium: Browser, file: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme)
        shown = context.new_page()
        shown.goto(file.as_uri())
        grounds.append(shown.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert grounds == ["rgb(255, 255, 255)", "rgb(21, 24, 27)"]


def test_what_is_hostile_is_shown_and_not_run(opened: Watched) -> None:
    unfold(opened.page)
    expect(opened.page.get_by_text(desk.HOSTILE, exact=True).first).to_be_visible()
    assert opened.page.title() == "Catalog of desk"
    assert opened.page.locator("img").count() == 0
    assert opened.complaints == []


def test_search_leaves_what_has_every_word(opened: Watched) -> None:
    shown = opened.page
    shown.keyboard.press("/")
    expect(shown.get_by_label("Search")).to_be_focused()
    shown.keyboard.type("close ratio")
    expect(shown.locator(".feature:visible .name")).to_have_text(["return_3"])
    expect(shown.get_by_role("status")).to_have_text("1 of 4 features")
    expect(shown.locator("section.table:visible h2")).to_have_text(["momentum"])
    shown.keyboard.type(" nonsense")
    expect(shown.get_by_text("Nothing has all these words.")).to_be_visible()
    shown.keyboard.press("Escape")
    expect(shown.locator("section.table:visible")).to_have_count(5)
    assert opened.complaints == []


def test_a_feature_is_opened_by_the_keyboard(opened: Watched) -> None:
    shown = opened.page
    shown.keyboard.press("Tab")
    expect(shown.get_by_text("Skip to the tables")).to_be_focused()
    summary = shown.locator("#f-momentum\\.return_3 > summary")
    summary.focus()
    shown.keyboard.press("Enter")
    section = shown.locator("#f-momentum\\.return_3")
    expect(section.get_by_text("It describes the past")).to_be_visible()
    expect(section.get_by_role("region", name="IC of return_3 by horizon")).to_be_visible()
    section.get_by_role("link", name="candles").press("Enter")
    expect(shown.locator("#t-candles")).to_be_in_viewport()


def test_drift_is_said_of_each_feature_and_a_set_shows_its_label(opened: Watched) -> None:
    unfold(opened.page)
    feature = opened.page.locator("#f-momentum\\.return_3")
    expect(feature.get_by_text("of 6 symbols unusual in their newest 30 values, until 2026-")).to_be_visible()
    expect(feature.get_by_text("Looked at 2024-05-31 12:00 UTC")).to_be_visible()
    learn = opened.page.locator("section.table").filter(has_text="What our model learns, as momentum was.")
    expect(learn.locator("code", has_text="momentum")).to_be_visible()
    expect(learn.get_by_role("region", name="IC of return_3 with ahead_3d by horizon")).to_be_visible()
    expect(learn.get_by_text("A String has no ranks.")).to_be_visible()
    learn.get_by_role("link", name="return_3").click()
    expect(opened.page.locator("#f-momentum\\.return_3 > summary")).to_be_in_viewport()
    assert opened.complaints == []


def test_a_link_to_a_feature_opens_it(opened: Watched) -> None:
    opened.page.goto(f"{opened.url}#f-momentum.mean_5")
    opened.page.reload()
    expect(opened.page.locator("#f-momentum\\.mean_5")).to_have_attribute("open", "")
    expect(opened.page.locator("#f-momentum\\.mean_5 > summary")).to_be_in_viewport()


def test_the_lineage_leads_to_a_table(opened: Watched) -> None:
    opened.page.locator("svg.graph a").filter(has_text="momentum").click()
    expect(opened.page.locator("#t-momentum h2")).to_be_in_viewport()
