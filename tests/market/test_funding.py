"""Settlements of funding are kept at the time that the exchange gives, with an interval that differs and changes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from crypto_features.errors import InputError, SettingsError
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.missing import gaps_in
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.sources import source_of
from crypto_features.sources.archive import ArchiveSource
from crypto_features.sources.derivatives import FundingSource
from crypto_features.sources.layouts import funding_layout
from crypto_features.sources.listings import Listing
from crypto_features.sources.pace import Pace
from crypto_features.sources.source import Source
from crypto_features.tables.derivative_rows import FUNDING
from crypto_features.tables.raw import RawTable
from tests.market.futures import HOUR, JANUARY, Futures, binance_futures, funding_csv, put
from tests.market.market import candles
from tests.market.test_archive import Archive, serving

NOW = datetime(2024, 2, 10, 12, tzinfo=UTC)
LATE = timedelta(milliseconds=4)
EIGHT = [(JANUARY + i * 8 * HOUR + i % 2 * LATE, 8, (i % 7 - 3) / 1e4) for i in range(45)]
FOUR = [(JANUARY + timedelta(days=15) + i * 4 * HOUR, 4, (i % 5 - 2) / 1e4) for i in range(16 * 6)]
SETTLED = [*EIGHT, *FOUR]
"""Every 8 hours in the first half of January, every 4 hours in the second."""


@pytest.fixture
def server() -> Iterator[tuple[Archive, str]]:
    archive = Archive()
    with serving(archive) as url:
        yield archive, url


def listed(**given: Any) -> dict[str, Any]:
    slept: list[float] = []
    return {
        "quote": "USDT",
        "symbols": ("BTC",),
        "start": JANUARY,
        "interval": HOUR,
        "listings": {"BTC": (Listing("BTC/USDT:USDT"),)},
        "now": lambda: NOW,
        "pace": Pace(slept.append, lambda: sum(slept)),
        **given,
    }


def from_archive(url: str) -> ArchiveSource:
    return ArchiveSource(url, layout=funding_layout(), **listed())


def tables(root: Path) -> tuple[Table, Table]:
    return (
        Table(UPath(root), "funding", "open_time", raw=True, gains=FUNDING.gains),
        Table(UPath(root), "quarantine/funding", "open_time", raw=True, gains=FUNDING.gains),
    )


def take(root: Path, market: Source, *months: str, now: datetime = NOW) -> IngestReport:
    return ingest(market, *tables(root), months or ("2024-01",), ["BTC"], kind=FUNDING, interval=HOUR, now=now)


def stored(root: Path) -> list[tuple[Any, ...]]:
    return current(tables(root)[0].read()).select("open_time", "interval_hours", "rate").rows()


def test_settlements_keep_their_milliseconds_and_an_interval_that_changes(
    server: tuple[Archive, str], tmp_path: Path
) -> None:
    archive, url = server
    put(archive, "fundingRate", "2024-01", funding_csv(SETTLED))
    report = take(tmp_path, from_archive(url))
    assert (report.new, report.rejected.height, dict(report.failed)) == (len(SETTLED), 0, {})
    assert stored(tmp_path) == SETTLED


@pytest.mark.parametrize(
    ("header", "form"),
    {
        "Calc_Time, Funding_Interval_Hours ,Last_Funding_Rate": "{0},{1},{2:.8f}",
        "symbol,fundingTime,fundingRate,markPrice": "BTCUSDT,{0},{2:.8f},1.5",
        "calc_time,funding_interval_hours,last_funding_rate,mark_price": "{0},{1},{2:.8f},",
        "": "{0},{1},{2:.8f}",
    }.items(),
)
def test_a_file_is_understood_by_its_header_or_without_one(server: tuple[Archive, str], header: str, form: str) -> None:
    archive, url = server
    lines = [form.format(round(time.timestamp() * 1000), hours, rate) for time, hours, rate in SETTLED]
    put(archive, "fundingRate", "2024-01", "\n".join([*([header] if header else []), *lines]).encode())
    frame = from_archive(url).fetch("BTC", JANUARY, NOW)
    assert frame.select("open_time", "rate").rows() == [(time, rate) for time, _, rate in SETTLED]
    told = [None] * len(SETTLED) if "symbol" in header else [float(hours) for _, hours, _ in SETTLED]
    assert frame["interval_hours"].to_list() == told


def test_a_file_of_other_columns_is_refused_by_name(server: tuple[Archive, str]) -> None:
    archive, url = server
    put(archive, "fundingRate", "2024-01", b"time,premium\n1,2\n")
    with pytest.raises(InputError, match=r"begins with 'time,premium'; expected a column calc_time of funding"):
        from_archive(url).fetch("BTC", JANUARY, NOW)


def test_a_rate_that_cannot_be_is_quarantined_and_the_others_stay(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    wrong = [*SETTLED[:5], (SETTLED[5][0], 8, 1.5), *SETTLED[6:]]
    put(archive, "fundingRate", "2024-01", funding_csv(wrong))
    report = take(tmp_path, from_archive(url))
    assert report.rejected.select("open_time", "rate", "rule").rows() == [(SETTLED[5][0], 1.5, "rate|max")]
    assert stored(tmp_path) == [*SETTLED[:5], *SETTLED[6:]]
    assert tables(tmp_path)[1].read()["rate"].to_list() == [1.5]


def test_a_corrected_rate_is_a_further_row_known_later(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    put(archive, "fundingRate", "2024-01", funding_csv(SETTLED))
    take(tmp_path, from_archive(url))
    corrected = [*SETTLED[:5], (SETTLED[5][0], 8, 0.5), *SETTLED[6:]]
    put(archive, "fundingRate", "2024-01", funding_csv(corrected))
    later = NOW + timedelta(days=2)
    report = take(tmp_path, from_archive(url), now=later)
    assert report.corrected.select("rate_was", "rate", "known_at").rows() == [(SETTLED[5][2], 0.5, later)]
    assert stored(tmp_path) == corrected
    raw = tables(tmp_path)[0].read()
    assert current(raw, as_of=NOW).select("open_time", "interval_hours", "rate").rows() == SETTLED


def test_only_what_the_interval_makes_due_is_a_gap(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    kept = [one for i, one in enumerate(SETTLED) if i not in (10, 11, 60)]
    put(archive, "fundingRate", "2024-01", funding_csv(kept))
    take(tmp_path, from_archive(url))
    holes = gaps_in(tables(tmp_path)[0], ["2024-01"], HOUR, FUNDING.holds)
    hours = [(first.replace(microsecond=0), missing) for _, first, _, missing in holes.rows()]
    assert hours == [(SETTLED[10][0], 16), (SETTLED[60][0], 4)]


def test_an_exchange_is_asked_for_what_is_due_and_gives_the_same_rates(
    server: tuple[Archive, str], tmp_path: Path
) -> None:
    archive, url = server
    put(archive, "fundingRate", "2024-01", funding_csv(SETTLED))
    take(tmp_path, from_archive(url))
    february = [(datetime(2024, 2, 1, tzinfo=UTC) + i * 4 * HOUR, i / 1e5) for i in range(57)]
    exchange = Futures(candles("BTC"), NOW, settlements=[*((t, r) for t, _, r in SETTLED), *february])
    with binance_futures(exchange) as address:
        market = FundingSource("binance", url=address, **listed())
        report = take(tmp_path, market, "2024-01", "2024-02")
        assert (report.new, report.corrected.height, dict(report.failed)) == (57, 0, {})
        assert stored(tmp_path) == [*SETTLED, *((time, None, rate) for time, rate in february)]
        exchange.asked.clear()
        take(tmp_path, market, "2024-02", now=february[-1][0] + HOUR)
        assert [path for path in exchange.asked if "fundingRate" in path] == []


def test_a_page_that_fails_costs_nothing_that_came_before_it(tmp_path: Path) -> None:
    exchange = Futures(candles("BTC"), NOW, settlements=[(JANUARY + i * HOUR, i / 1e6) for i in range(600)])
    with binance_futures(exchange) as address:
        exchange.broken_after = 1
        report = take(tmp_path, FundingSource("binance", url=address, **listed(patience=timedelta(0))))
        assert (report.new, [*report.failed]) == (500, ["BTC"])
        exchange.broken_after = 99
        assert take(tmp_path, FundingSource("binance", url=address, **listed())).new == 100


def test_a_table_of_funding_needs_a_source_that_has_it() -> None:
    settings = Settings(symbols=("BTC",), start=JANUARY)
    with pytest.raises(SettingsError, match="funding needs CRYPTO_FEATURES_DERIVATIVES_SOURCE, such as archive"):
        source_of(settings, RawTable("funding", rows=FUNDING))
    with pytest.raises(SettingsError, match="funding has the source 'files', which has no funding; choose archive"):
        source_of(settings, RawTable("funding", rows=FUNDING, source="files"))
    found = source_of(settings, RawTable("funding", rows=FUNDING, source="ccxt:bybit"))
    assert found.venue == "bybit contract USDT"


def test_a_month_that_is_not_over_has_no_file_and_is_no_error(server: tuple[Archive, str], tmp_path: Path) -> None:
    _, url = server
    report = take(tmp_path, from_archive(url), "2024-02")
    assert (report.rows, dict(report.failed)) == (0, {})
