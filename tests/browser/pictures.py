"""The picture of docs/catalog.md: `python -m tests.browser.pictures data/catalog.html docs/images/catalog.png`."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM

FEATURE = "f-price_features.rsi_14"


def main(page: Path, picture: Path) -> None:
    """Photograph one feature of the page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_context(viewport={"width": 1100, "height": 1180}, color_scheme="light").new_page()
        shown.goto(f"{page.resolve().as_uri()}#{FEATURE}")
        shown.locator(f"[id='{FEATURE}'][open]").wait_for()
        shown.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
