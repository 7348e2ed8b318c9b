"""What an operator does in the Dagster UI, done by a browser: read, follow the lineage, look, materialize."""

import base64
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Watched

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PICTURES = {
    "trading_signals": ("signals", "distributions", "nulls"),
    "regime_features": ("regimes", "distributions", "nulls"),
    "price_features": ("distributions", "nulls"),
}
WAY = ["candles", "daily_candles", "price_features", "trading_signals", "online_store/trading_signals"]


@pytest.mark.parametrize("asset", [*WAY, "feast_registry", "regime_model", "training/ml_training_features"])
def test_an_asset_reads_as_documentation(ui: Watched, asset: str) -> None:
    page = ui.open(f"/assets/{asset}")
    expect(page.get_by_text("Latest materialization")).to_be_visible()
    for heading in ("Description", "Owners", "Kinds", "Code location"):
        expect(page.get_by_text(heading, exact=True).first).to_be_visible()


def test_the_lineage_leads_from_candles_to_the_online_store_click_by_click(ui: Watched) -> None:
    page = ui.open(f"/assets/{WAY[0]}")
    for asset in WAY[1:]:
        page.locator(f"a[href='/assets/{asset}']").first.click()
        expect(page).to_have_url(re.compile(f"/assets/{asset}(\\?|$)"))
        expect(page.get_by_text("Latest materialization")).to_be_visible()


@pytest.mark.parametrize("asset", PICTURES)
def test_pictures_open_where_a_person_would_rather_look_than_read(ui: Watched, asset: str) -> None:
    page = ui.open(f"/assets/{asset}")
    for name in PICTURES[asset]:
        picture = _open_picture(page, name)
        assert picture.evaluate("image => image.complete && image.naturalWidth") == 880
        source = picture.get_attribute("src") or ""
        assert len(base64.b64decode(source.partition("base64,")[2])) <= 150_000
        page.get_by_role("button", name="Close", exact=True).click()
        expect(page.locator("img[src^='data:image/png']")).to_have_count(0)


def test_checks_are_listed_with_what_they_ask(ui: Watched) -> None:
    page = ui.open("/assets/trading_signals?view=checks")
    for name in ("schema", "row_count", "in_range", "filled", "fresh"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()


def test_automation_is_listed_and_stopped_by_the_setting(ui: Watched) -> None:
    page = ui.open("/automation")
    for name in ("candles_after_each_close", "daily_tables_after_midnight", "follow_inputs", "behind", "new_symbols"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    assert page.locator("input[type=checkbox]:checked").count() == 0


def test_an_asset_is_materialized_from_the_ui(ui: Watched) -> None:
    page = ui.open("/assets/daily_candles")
    page.get_by_role("button", name="Materialize", exact=False).first.click()
    page.get_by_role("button", name="Latest", exact=False).first.click()
    page.get_by_role("button", name="Launch", exact=False).last.click()
    expect(page.get_by_text("Launched run")).to_be_visible()
    page = ui.open("/runs")
    # The run that built the graph, and this one.
    expect(page.get_by_text("Success", exact=True)).to_have_count(2, timeout=300_000)


FORGING = """
<script>
const ui = "%s", sent = [
  fetch(ui + "/report_asset_materialization/forged", {method: "POST", mode: "no-cors"}),
  fetch(ui + "/graphql?query=mutation+{wipeAssets(assetPartitionRanges:[]){__typename}}", {mode: "no-cors"}),
  fetch(ui + "/graphql", {method: "POST", mode: "no-cors", body: "query=mutation"}),
];
Promise.allSettled(sent).then(() => { document.title = "done" });
</script>
"""


class _Foreign(BaseHTTPRequestHandler):
    """A page that asks another server for changes, as a visitor's browser would send them."""

    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_page_of_another_origin_changes_nothing(ui: Watched) -> None:
    foreign = ThreadingHTTPServer(("127.0.0.1", 0), type("Page", (_Foreign,), {"page": (FORGING % ui.url).encode()}))
    threading.Thread(target=foreign.serve_forever, daemon=True).start()
    browser = ui.page.context.browser
    assert browser is not None
    page, answered = browser.new_page(), list[int]()
    page.on("response", lambda found: answered.append(found.status) if found.url.startswith(ui.url) else None)
    page.goto(f"http://127.0.0.1:{foreign.server_port}")
    expect(page).to_have_title("done")
    page.close()
    foreign.shutdown()
    foreign.server_close()
    assert sorted(answered) == [403, 403, 405]


def test_the_ui_complained_of_nothing_and_talked_to_nobody_else(ui: Watched) -> None:
    ui.open("/asset-groups").wait_for_timeout(3000)
    assert ui.complaints == []
    assert ui.strangers == []


def _open_picture(page: Page, name: str) -> Locator:
    row = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))
    row.get_by_text("Show Markdown").click()
    picture = page.locator("img[src^='data:image/png']")
    expect(picture).to_be_visible()
    return picture
