"""The sample market is the same forever, on every machine, and has what a real market has."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_features.compute.resample import resample
from crypto_features.errors import SettingsError, UnknownNameError
from crypto_features.lake.contract import CANDLE_SCHEMA
from crypto_features.sources.sample import SampleSource
from crypto_features.sources.synthetic import EPOCH
from crypto_features.versions.provenance import content_digest

HOUR = timedelta(hours=1)
PINNED_ROWS, PINNED_DIGEST = 133_733, "a3df3b6bd3b666bd"
SYMBOLS = ("ADA", "AVAX", "BTC", "DOGE", "ETH", "SOL", "TRX", "XRP")


def market(now: datetime = datetime(2026, 1, 1, tzinfo=UTC), interval: timedelta = HOUR) -> SampleSource:
    return SampleSource(interval, lambda: now)


def everything(source: SampleSource) -> pl.DataFrame:
    return pl.concat([source.fetch(symbol, EPOCH, datetime(2030, 1, 1, tzinfo=UTC)) for symbol in source.symbols()])


def test_the_first_two_years_are_pinned_to_the_bit() -> None:
    frame = everything(market())
    assert frame.schema == CANDLE_SCHEMA
    assert frame["completeness"].unique().to_list() == [1.0]
    assert (frame.height, content_digest(frame.drop("completeness"))) == (PINNED_ROWS, PINNED_DIGEST)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SYMBOLS), st.integers(0, 17_000), st.integers(1, 3_000), st.integers(0, 60_000))
def test_an_hour_is_the_same_whatever_the_range_and_the_clock(symbol: str, first: int, hours: int, clock: int) -> None:
    start, now = EPOCH + first * HOUR, EPOCH + clock * HOUR + timedelta(minutes=clock % 60)
    part = market(now).fetch(symbol, start, start + hours * HOUR)
    whole = market().fetch(symbol, EPOCH, datetime(2027, 1, 1, tzinfo=UTC))
    last = min(now - HOUR, start + (hours - 1) * HOUR)
    known = part.filter(pl.col("open_time") < datetime(2026, 1, 1, tzinfo=UTC))
    assert known.equals(whole.filter(pl.col("open_time").is_between(start, last)))


def test_only_hours_that_are_over_are_on_offer() -> None:
    now = datetime(2025, 6, 1, 12, 59, 59, tzinfo=UTC)
    last = market(now).fetch("BTC", EPOCH, datetime(2030, 1, 1, tzinfo=UTC))["open_time"][-1]
    assert last == datetime(2025, 6, 1, 11, tzinfo=UTC)
    assert market(EPOCH).fetch("BTC", EPOCH, now).is_empty()


def test_it_has_what_a_real_market_has() -> None:
    frame = everything(market())
    returns = (
        frame.pivot("symbol", index="open_time", values="close")
        .sort("open_time")
        .drop("open_time")
        .select(pl.all().log().diff())
    )
    btc = returns["BTC"].drop_nulls()
    assert tuple(market().symbols()) == SYMBOLS
    assert frame.filter(pl.col("symbol") == "AVAX")["open_time"].min() == market().start(["AVAX"]) > EPOCH
    assert frame.filter((pl.col("volume") == 0) & (pl.col("high") == pl.col("low"))).height > 20
    assert frame.filter(pl.col("low") < pl.col("close") * 0.03).select("symbol", "open_time").rows() == [
        ("XRP", datetime(2024, 8, 5, 6, tzinfo=UTC))
    ]
    present = frame.filter(pl.col("symbol") == "BTC")
    assert 17_544 - present.height == 45  # hours of the four outages
    assert float(btc.kurtosis() or 0) > 3  # fat tails
    assert returns.drop_nulls().select(pl.corr("BTC", "ETH")).item() > 0.6
    size = pl.DataFrame({"r": btc.abs()})
    assert size.select(pl.corr("r", pl.col("r").shift(1))).item() > 0.2  # volatility clusters
    monthly = present.group_by_dynamic("open_time", every="1mo").agg(
        pl.col("close").last() / pl.col("open").first() - 1
    )["close"]
    assert monthly.max() > 0.15  # type: ignore[operator] # a bull market
    assert monthly.min() < -0.1  # type: ignore[operator] # and a bear market


def test_every_candle_keeps_its_bounds() -> None:
    frame = everything(market(datetime(2034, 1, 1, tzinfo=UTC)))
    bounds = (pl.col("low") <= pl.min_horizontal("open", "close")) & (
        pl.col("high") >= pl.max_horizontal("open", "close")
    )
    assert frame.filter(bounds & (pl.col("low") > 0) & (pl.col("volume") >= 0)).height == frame.height


def test_longer_candles_are_resampled_from_the_hours() -> None:
    now = datetime(2024, 3, 1, 2, tzinfo=UTC)
    hours = market(now).fetch("BTC", EPOCH, now)
    four = market(now, 4 * HOUR).fetch("BTC", EPOCH, now)
    assert four.equals(resample(hours, HOUR, 4 * HOUR, as_of=now).select(CANDLE_SCHEMA.names()))
    assert four["open_time"][-1] == datetime(2024, 2, 29, 20, tzinfo=UTC)


def test_shorter_candles_are_refused_with_the_choice() -> None:
    with pytest.raises(SettingsError, match=r"candles of 1h.*INTERVAL to 1h"):
        market(interval=timedelta(minutes=15))


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown symbol 'BTCC' \(did you mean 'BTC'\?\)"):
        market().fetch("BTCC", EPOCH, EPOCH)


def test_it_says_that_it_is_synthetic() -> None:
    assert "synthetic" in SampleSource.name
