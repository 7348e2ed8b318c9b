"""Open interest and ratios count as known when their five minutes are over, whichever end the stamp names."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.missing import gaps_in
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.sources.archive import ArchiveSource
from crypto_features.sources.derivatives import OpenInterestSource
from crypto_features.sources.layouts import metrics_layout
from crypto_features.sources.listings import Listing
from crypto_features.sources.source import Source
from crypto_features.tables.derivative_rows import DERIVATIVES
from tests.market.futures import FIVE, HOUR, JANUARY, Futures, binance_futures, every, metrics_csv, put
from tests.market.market import candles
from tests.market.test_archive import Archive, serving
from tests.market.test_funding import listed

NOW = datetime(2024, 1, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OPENS = every(JANUARY, FIVE, 288)
VALUES: list[tuple[float, ...]] = [
    (1000 + i, (1000 + i) * 42_000.5, 1.25, 0.75, 2.0 + i / 1000, 0.5 + i / 1000) for i in range(288)
]


@pytest.fixture
def server() -> Iterator[tuple[Archive, str]]:
    archive = Archive()
    with serving(archive) as url:
        yield archive, url


def archive_source(url: str, **given: Any) -> ArchiveSource:
    return ArchiveSource(url, layout=metrics_layout(), **listed(now=lambda: NOW, **given))


def put_day(archive: Archive, times: Sequence[datetime], values: Sequence[Sequence[object]] = VALUES) -> None:
    put(archive, "metrics", "2024-01-01", metrics_csv(times, values))


def tables(root: Path) -> tuple[Table, Table]:
    return (
        Table(UPath(root), "derivatives", "open_time", raw=True, gains=DERIVATIVES.gains),
        Table(UPath(root), "quarantine/derivatives", "open_time", raw=True, gains=DERIVATIVES.gains),
    )


def take(root: Path, market: Source, now: datetime = NOW) -> IngestReport:
    return ingest(market, *tables(root), ["2024-01"], ["BTC"], kind=DERIVATIVES, interval=HOUR, now=now)


def rows(root: Path) -> list[tuple[Any, ...]]:
    return current(tables(root)[0].read()).drop("symbol", "known_at").rows()


def expected(times: Sequence[datetime] = OPENS) -> list[tuple[Any, ...]]:
    return [(time, *map(float, value)) for time, value in zip(times, VALUES, strict=True)]


@pytest.mark.parametrize("stamped", [OPENS, [time + FIVE for time in OPENS]], ids=["begin", "end"])
def test_a_day_is_the_same_whether_its_file_stamps_the_begin_or_the_end(
    server: tuple[Archive, str], tmp_path: Path, stamped: list[datetime]
) -> None:
    archive, url = server
    put_day(archive, stamped)
    report = take(tmp_path, archive_source(url))
    assert (report.new, report.rejected.height, dict(report.failed)) == (288, 0, {})
    assert rows(tmp_path) == expected()


def test_where_a_short_file_leaves_the_stamp_open_the_later_time_counts(server: tuple[Archive, str]) -> None:
    archive, url = server
    put_day(archive, [time + FIVE for time in OPENS[:100]], VALUES[:100])
    frame = archive_source(url).fetch("BTC", JANUARY, NOW)
    assert frame["open_time"].to_list() == [time + FIVE for time in OPENS[:100]]


def test_an_empty_cell_is_null_and_a_row_without_any_value_is_quarantined(
    server: tuple[Archive, str], tmp_path: Path
) -> None:
    archive, url = server
    values: list[tuple[object, ...]] = [*VALUES]
    values[3] = (1003, 2.5, '""', "", 2.0, 0.5)
    values[4] = ('""',) * 6
    values[5] = (0, 0, *VALUES[5][2:])
    put_day(archive, OPENS, values)
    report = take(tmp_path, archive_source(url))
    assert rows(tmp_path)[3] == (OPENS[3], 1003.0, 2.5, None, None, 2.0, 0.5)
    assert report.rejected.select("open_time", "rule").rows() == [
        (OPENS[4], "has_a_value"),
        (OPENS[5], "open_interest|min_exclusive, open_interest_value|min_exclusive"),
    ]


def test_a_value_that_comes_after_its_row_is_a_correction(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    put_day(archive, OPENS, [(a, b, "", "", e, f) for a, b, _, _, e, f in VALUES])
    take(tmp_path, archive_source(url))
    put_day(archive, OPENS)
    assert take(tmp_path, archive_source(url), NOW + DAY).corrected.height == 288
    assert rows(tmp_path) == expected()


def test_missing_rows_are_gaps_of_five_minutes(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    kept = [i for i in range(288) if i not in range(10, 13)]
    put_day(archive, [OPENS[i] for i in kept], [VALUES[i] for i in kept])
    take(tmp_path, archive_source(url))
    assert gaps_in(tables(tmp_path)[0], ["2024-01"], FIVE).drop("symbol").rows() == [(OPENS[10], OPENS[12], 3)]


def test_a_file_of_another_kind_is_refused(server: tuple[Archive, str]) -> None:
    archive, url = server
    put(archive, "metrics", "2024-01-01", b"timestamp,percentage,depth\n1,2,3\n")
    with pytest.raises(InputError, match="expected a column sum_open_interest of metrics"):
        archive_source(url).fetch("BTC", JANUARY, NOW)


def test_contracts_of_many_units_count_in_units_of_the_symbol(server: tuple[Archive, str]) -> None:
    archive, url = server
    put(archive, "metrics", "2024-01-01", metrics_csv(OPENS, VALUES), "1000BTCUSDT")
    market = archive_source(url, listings={"BTC": (Listing("1000BTC/USDT:USDT", factor=1000.0),)})
    frame = market.fetch("BTC", JANUARY, NOW)
    assert frame["open_interest"].to_list() == [1000.0 * row[0] for row in VALUES]
    assert frame["open_interest_value"].to_list() == [row[1] for row in VALUES]


def test_an_exchange_gives_open_interest_and_the_ratio_of_all_accounts(tmp_path: Path) -> None:
    series = {time: (1000.0 + i, 2000.0 + i, 1.0 + i / 100) for i, time in enumerate(every(JANUARY, FIVE, 720))}
    exchange = Futures(candles("BTC"), NOW, interest=series)
    with binance_futures(exchange) as address:
        report = take(tmp_path, OpenInterestSource("binance", url=address, **listed(now=lambda: NOW)))
    assert dict(report.failed) == {}
    assert rows(tmp_path) == [(time, a, v, None, None, r, None) for time, (a, v, r) in series.items()]


def test_a_limited_history_gives_what_it_keeps_and_says_what_it_lacks(tmp_path: Path) -> None:
    now = JANUARY + 60 * DAY
    kept = every(now - 2 * DAY, FIVE, 576)
    exchange = Futures(candles("BTC"), now, interest=dict.fromkeys(kept, (1.0, 2.0, 3.0)))
    with binance_futures(exchange) as address:
        market = OpenInterestSource("binance", url=address, **listed(now=lambda: now))
        frame = market.fetch("BTC", JANUARY, now)
    assert frame["open_time"].to_list() == kept
    (told,) = market.shortfalls("BTC")
    assert told.startswith("binance keeps a limited history: it gives no derivatives of BTC before 2024-02-")
    assert "CRYPTO_FEATURES_DERIVATIVES_SOURCE=archive" in told
