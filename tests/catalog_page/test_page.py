"""The page of a catalog: what it says is what is declared and stored, and it never runs what it shows."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from crypto_features import catalogs
from crypto_features.catalog_page import stored as kept
from crypto_features.catalog_page.content import content
from crypto_features.catalog_page.declared import readers_of_column, sources_of
from crypto_features.catalog_page.drift import states
from crypto_features.catalog_page.entries import Around, Check, DriftState, FeatureEntry, Source, TableEntry
from crypto_features.catalog_page.expression_text import expression_text
from crypto_features.catalog_page.page import _ticked, page
from crypto_features.compute.indicators import CLOSE, rsi
from crypto_features.compute.windows import window_deviation, window_mean
from crypto_features.lake.table import stored
from crypto_features.report import FeatureReport, feature_report
from crypto_features.settings import Settings
from crypto_features.shipped import catalog as shipped
from crypto_features.shipped.regime_model import ULTRA_5
from crypto_features.tables.drift import Drift
from crypto_features.training.drift import drift
from tests.catalog_page import desk
from tests.training.stationary import remembering


class Elements(HTMLParser):
    """Every element of a page with its attributes, and what is written in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(autouse=True)
def _a_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-06-01")
    return iter(())


def tables() -> dict[str, TableEntry]:
    return {table.name: table for table in content(Settings.load(), desk.catalog, Around())}


def features() -> dict[str, FeatureEntry]:
    return {feature.name: feature for feature in tables()["momentum"].features}


def test_every_table_and_feature_is_on_the_page() -> None:
    desk.fill(desk.catalog)
    elements = Elements(page(Settings.load(), desk.catalog, Around()))
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name in ("candles", "days", "momentum", "training%2Fdesk%2Fdesk_features", "training%2Fdesk%2Flearn"):
        assert f"t-{name}" in ids
    assert [i for i in ids if str(i).startswith("f-")] == [
        "f-momentum.return_3",
        "f-momentum.mean_5",
        "f-momentum.%3Csvg%20onload%3Dalert%281%29%3E",
        "f-momentum.side",
    ]
    links = {a["href"] for tag, a in elements.found if tag == "a" and str(a["href"]).startswith("#")}
    assert {str(link)[1:] for link in links} <= {*ids}


def test_what_is_shown_is_never_run() -> None:
    desk.fill(desk.catalog)
    text = page(Settings.load(), desk.catalog, Around(leaks={"momentum": desk.HOSTILE}))
    elements = Elements(text)
    assert {tag for tag, _ in elements.found} & {"img", "i", "iframe", "object", "form"} == set()
    assert [name for _, attributes in elements.found for name in attributes if name.startswith("on")] == []
    assert [tag for tag, _ in elements.found].count("script") == 1
    assert any(desk.HOSTILE in words for words in elements.words)
    policy = next(a["content"] for tag, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_the_page_asks_nothing_of_a_server() -> None:
    desk.fill(desk.catalog)
    elements = Elements(page(Settings.load(), desk.catalog, Around(dagster="http://desk.example:3000/")))
    loaded = [a.get("src") or a.get("href") for tag, a in elements.found if tag in ("script", "link", "img", "iframe")]
    assert [where for where in loaded if where] == ["data:,"]
    outside = {a["href"] for tag, a in elements.found if tag == "a" and not str(a["href"]).startswith("#")}
    assert outside == {
        "http://desk.example:3000/assets/candles",
        "http://desk.example:3000/assets/days",
        "http://desk.example:3000/assets/momentum",
        "http://desk.example:3000/assets/online_store/momentum",
        "http://desk.example:3000/assets/training/desk/desk_features",
        "http://desk.example:3000/assets/training/desk/learn",
    }


def test_the_same_data_gives_the_same_page() -> None:
    desk.fill(desk.catalog)
    assert page(Settings.load(), desk.catalog, Around()) == page(Settings.load(), desk.catalog, Around())


@pytest.mark.parametrize("catalog", [desk.catalog, shipped])
def test_a_catalog_of_which_nothing_is_published_has_a_page(catalog: object, tmp_path: Path) -> None:
    text = page(Settings.load(), catalog, Around())  # type: ignore[arg-type] # a catalog.
    assert "nothing is published yet" in text
    assert "No value is published yet." in text
    assert not (tmp_path / "data").exists()


def test_a_page_of_five_hundred_symbols_draws_twelve() -> None:
    desk.fill(desk.catalog, symbols=500, length=60)
    text = page(Settings.load(), desk.catalog, Around())
    assert [len(feature.curves) for feature in features().values()] == [12, 12, 12, 0]
    assert len(text) < 300_000
    assert "500 symbols" in text


def test_values_are_counted_as_by_hand() -> None:
    desk.fill(desk.catalog, symbols=6, length=120)
    rows = stored(Settings.load().root, desk.catalog, "momentum").read()
    found, known = features()["return_3"], rows["return_3"].drop_nulls().to_numpy()
    assert found.nulls == pytest.approx(6 * 3 / (6 * 120))
    assert found.distribution is not None
    low, high = np.quantile(known, [0.005, 0.995])
    assert sum(found.distribution.counts) == ((low <= known) & (known <= high)).sum()
    assert found.distribution.labels == (f"{low:.4g}", f"{high:.4g}")
    own = rows.filter(symbol="S000")["return_3"].to_list()
    assert found.curves[0].symbol == "S000"
    assert found.curves[0].values[-1] == own[-1]
    assert found.curves[0].values == tuple(own[-119::2])
    sides = features()["side"].distribution
    assert sides is not None
    counted = rows["side"].drop_nulls().value_counts()
    assert dict(zip(sides.labels, sides.counts, strict=True)) == dict(counted.iter_rows())


def test_costs_are_those_of_the_files() -> None:
    desk.fill(desk.catalog, symbols=6, length=120)
    table = stored(Settings.load().root, desk.catalog, "momentum")
    found = kept.stored_of(table)
    taken = 0
    for month in table.months():
        footer = pq.ParquetFile(str(table.path(month))).metadata
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        taken += sum(
            g.column(c).total_compressed_size
            for g in groups
            for c in range(g.num_columns)
            if g.column(c).path_in_schema == "mean_5"
        )
    assert found.rows == 720
    assert found.bytes_per_1000("mean_5") == 1000 * taken / 720
    assert found.cpu_ms == 1000 * 12 * len(table.months()) / 720


def test_a_month_that_notes_no_cost_leaves_it_out() -> None:
    desk.fill(desk.catalog)
    table = stored(Settings.load().root, desk.catalog, "momentum")
    table.publish("2024-01", table.read(["2024-01"]), {})
    assert kept.stored_of(table).cpu_ms is None
    assert not any(term == "Computing" for term, _ in tables()["momentum"].facts)


def test_versions_are_runs_of_months_of_one_behaviour() -> None:
    notes = {
        month: {"fingerprints": f'{{"x": "{mark}", "y": "1"}}', "published_at": f"2024-0{number}-01T00:00:00+00:00"}
        for number, (month, mark) in enumerate([("2024-01", "a"), ("2024-02", "a"), ("2024-03", "b")], 1)
    }
    x = kept.versions(notes, "x")
    assert [(v.fingerprint, v.first, v.last, v.months, v.published[:10]) for v in x] == [
        ("a", "2024-01", "2024-02", 2, "2024-02-01"),
        ("b", "2024-03", "2024-03", 1, "2024-03-01"),
    ]
    assert len(kept.versions(notes)) == 2
    assert len(kept.versions(notes, "y")) == 1
    assert kept.versions(notes, "z") == kept.versions({"2024-01": {}}) == ()


def test_a_damaged_month_is_left_out_and_the_page_is_written() -> None:
    desk.fill(desk.catalog)
    table = stored(Settings.load().root, desk.catalog, "momentum")
    Path(str(table.path("2024-01"))).write_bytes(b"PAR1")
    assert kept.stored_of(table).months == table.months()[1:]
    assert features()["return_3"].nulls == 0


def test_a_month_that_is_damaged_inside_is_named_on_the_page() -> None:
    desk.fill(desk.catalog)
    path = Path(str(stored(Settings.load().root, desk.catalog, "momentum").path("2024-02")))
    bytes_ = bytearray(path.read_bytes())
    bytes_[100] ^= 1
    path.write_bytes(bytes_)
    found = features()["return_3"]
    assert "partition 2024-02 of 'momentum' is not a whole Parquet file" in str(found.report)
    assert (found.nulls, found.curves) == (None, ())


def test_lineage_goes_down_to_the_raw_columns() -> None:
    assert sources_of(desk.catalog, "momentum", "side") == (Source("days", "close", (Source("candles", "close"),)),)
    (label, *_) = sources_of(shipped, "regime_features", "regime_label")
    while label.sources:
        label = label.sources[0]
    assert label.table == "candles"


def test_readers_are_columns_services_and_training_sets() -> None:
    found = [(one.kind, one.name) for one in readers_of_column(desk.catalog, "momentum", "return_3")]
    assert found == [
        ("column", "momentum.<svg onload=alert(1)>"),
        ("column", "momentum.side"),
        ("service", "desk_features"),
        ("service", "learn"),
        ("training set", "training/desk/desk_features"),
        ("training set", "training/desk/learn"),
    ]
    (column,) = readers_of_column(desk.catalog, "candles", "close")
    assert (column.kind, column.name) == ("column", "days.close")
    signals = [one.name for one in readers_of_column(shipped, "price_features", "atr_14")]
    assert signals == ["price_features.atr_ratio", "trading_signals.signal_strength"]


def test_a_feature_has_a_report_and_a_text_says_why_it_has_none() -> None:
    desk.fill(desk.catalog)
    found = features()
    report = found["return_3"].report
    assert isinstance(report, FeatureReport)
    assert report.method == "across symbols"
    assert found["side"].report == "A String has no ranks."
    assert {*report.by_regime["regime"]} <= {"UP<i>", "DOWN"}


def test_a_training_set_shows_how_each_feature_went_with_its_label() -> None:
    desk.fill(desk.catalog)
    found = tables()["training/desk/learn"]
    assert (found.reads, found.label) == (("days", "momentum"), "ahead_3d")
    assert [(view, name) for view, name, _ in found.reports] == [("momentum", "return_3"), ("momentum", "side")]
    (_, _, report), (_, _, why) = found.reports
    assert isinstance(report, FeatureReport)
    assert_frame_equal(report.by_horizon, feature_report_of("momentum:return_3").by_horizon)
    assert why == "A String has no ranks."
    assert found.columns[0][:2] == ("ahead_3d", "ratio")
    assert ("Built", "not yet") in found.facts
    assert found.drift == (("ahead_3d", DriftState("not judged", "nothing is published yet")),)


def feature_report_of(feature: str) -> FeatureReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogs, "_load", lambda _: desk.catalog)
        return feature_report(feature, label="ahead_3d")


def test_words_between_backticks_are_code_and_nothing_else_is() -> None:
    assert _ticked("as `a < b` is, `c`") == "as <code>a &lt; b</code> is, <code>c</code>"
    assert _ticked("a ` b <i>") == "a ` b &lt;i&gt;"
    assert _ticked("`a` and `b") == "<code>a</code> and `b"
    desk.fill(desk.catalog)
    assert "as <code>momentum</code> was. &lt;/script&gt;" in page(Settings.load(), desk.catalog, Around())


@pytest.mark.parametrize(("shift", "verdict", "unusual"), [(0.0, "steady", 0), (4.0, "drifted", 8)])
def test_the_state_of_drift_says_what_was_seen_and_until_when(shift: float, verdict: str, unusual: int) -> None:
    rows = remembering(2, time=1, together=0.3, shift=shift)
    found = drift(rows, ["f0", "f1"]).filter(feature="f0")
    psi, ks, rarest = found.select(pl.col("psi", "ks").max(), pl.col("p").min()).row(0)
    state = states(rows, ["f0", "f1"], Drift())["f0"]
    assert state.verdict == verdict
    assert state.text == (
        f"{unusual} of 8 symbols unusual in their newest 30 values, until 2024-01-01 00:00 UTC; greatest PSI "
        f"{psi:.2f}, greatest Kolmogorov-Smirnov distance {ks:.2f}; rarest as {rarest:.1%} of earlier windows"
    )


def test_what_is_not_judged_says_why() -> None:
    desk.fill(desk.catalog)
    said = {name: (feature.drift.verdict, feature.drift.text) for name, feature in features().items()}
    assert said["return_3"] == ("not judged", "too few values: 395 of a symbol, and earlier windows")
    assert said["mean_5"][0] == "not watched", "a price"
    assert "unusual in their newest" not in page(Settings.load(), desk.catalog, Around())


def test_a_model_shows_what_it_is_fitted_on_and_what_it_forecasts() -> None:
    found = {table.name: table for table in content(Settings.load(), shipped, Around())}
    assert [name for name, _ in found["regime_model"].drift] == [
        *(f"fitted on: price_features.{name}" for name in ULTRA_5),
        "forecast: regime_features.regime_label",
        "forecast: regime_features.regime_probability",
    ]
    assert {state.text for _, state in found["regime_model"].drift} == {"nothing is published yet"}
    states = {feature.name: feature.drift.verdict for feature in found["price_features"].features}
    assert (states["ma_5"], states["return_1d"]) == ("not watched", "not judged")


def test_checks_drift_and_leak_tests_are_shown_where_they_are_known() -> None:
    desk.fill(desk.catalog)
    at = datetime(2024, 5, 31, 12, tzinfo=UTC)
    checks = [
        Check("drift_return_3", passed=False, text="PSI 0.4.", at=at),
        Check("schema", passed=True, text="As declared."),
    ]
    leaks = {"momentum": "momentum: leak-tested (truncate 40, start 12)"}
    around = Around(checks={"momentum": checks}, leaks=leaks)
    found = {table.name: table for table in content(Settings.load(), desk.catalog, around)}["momentum"]
    assert (found.leak, found.probes) == ("leak-tested", [("truncate", "40"), ("start", "12")])
    named = [[check.name for check in feature.drift_checks] for feature in found.features]
    assert named == [["drift_return_3"], [], [], []]
    text = " ".join(Elements(page(Settings.load(), desk.catalog, around)).words)
    assert re.search(r"failed\s+drift_return_3\s+PSI 0\.4\.\s+Looked at 2024-05-31 12:00 UTC", text)
    assert "truncate 40" in text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (pl.col("close") / pl.col("close").shift(1) - 1, "[([close / (close.shift(1))]) - 1]"),
        (window_mean(CLOSE, 20), "close.window_mean(bars=20)"),
        (
            window_deviation(CLOSE, 20, ddof=0) / window_mean(pl.col("volume"), 5),
            "[(close.window_deviation(bars=20, ddof=0)) / (volume.window_mean(bars=5))]",
        ),
    ],
)
def test_an_expression_names_its_kernels(expression: pl.Expr, text: str) -> None:
    assert expression_text(expression) == text


def test_an_expression_reads_the_same_once_it_ran() -> None:
    before = expression_text(rsi(14))
    desk.market(1, 30).select(rsi(14))
    assert expression_text(rsi(14)) == before
    assert before.count("wilder(bars=14") == 2
