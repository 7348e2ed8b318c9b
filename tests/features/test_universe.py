"""The universe is as it was: nobody is in it before the first bar or after the last, and nobody by hindsight."""

from datetime import timedelta

import polars as pl

from crypto_features.leak import leak_test
from crypto_features.shipped import daily_candles
from crypto_features.tables.partition import evaluate
from crypto_features.tables.universe import universe
from tests.features.markets import DAY, HOUR, START, bars

UNIVERSE = universe("universe", bars=daily_candles)


def rows(*parts: pl.DataFrame) -> pl.DataFrame:
    return evaluate(UNIVERSE, {"daily_candles": pl.concat(parts)}, interval=HOUR)


OLD = bars([2.0] * 400, symbol="OLD")
GONE = bars([3.0] * 50, symbol="GONE")
NEW = bars([1.0] * 40, symbol="NEW", start=START + 360 * DAY)


def test_age_is_counted_from_the_first_bar_up_to_a_year() -> None:
    found = rows(OLD, NEW)
    assert found.filter(symbol="OLD")["listed_days"].to_list() == [min(n, 364) for n in range(400)]
    assert found.filter(symbol="NEW")["listed_days"].to_list() == list(range(40))


def test_a_delisted_symbol_stays_in_the_past_and_is_gone_after_its_last_bar() -> None:
    found = rows(OLD, GONE, NEW)
    on = [found.filter(event_timestamp=START + days * DAY).sort("symbol") for days in (50, 51, 400)]
    assert [part["symbol"].to_list() for part in on] == [["GONE", "OLD"], ["OLD"], ["NEW", "OLD"]]
    assert on[0]["volume_rank"].to_list() == [1.0, 0.0]
    assert on[0]["quote_volume"].to_list() == [90.0, 60.0]


def test_a_later_delisting_or_listing_changes_no_earlier_row() -> None:
    before = pl.col("event_timestamp") <= START + 50 * DAY
    assert rows(OLD, GONE).filter(before).equals(rows(OLD, GONE, NEW).filter(before))


def test_the_last_trade_is_that_of_the_last_bar_with_volume() -> None:
    silent = bars([1.0] * 50, symbol="SILENT", columns={"volume": [1.0] * 10 + [0.0] * 40})
    found = rows(silent)["last_traded"].to_list()
    assert found[9:11] == [START + 10 * DAY] * 2
    assert found[38] == START + 10 * DAY
    assert found[39] is None


def test_the_universe_raises_no_alarm() -> None:
    report = leak_test(UNIVERSE)
    assert report.passed, str(report)
    assert UNIVERSE.inputs[1].reach(HOUR) == timedelta(days=2 + 365 + 62)
