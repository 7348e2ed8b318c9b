"""Each check passes on what is right, finds what is wrong, and says what to do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.graph.checks import candles as candle_checks
from crypto_features.graph.checks import features as feature_checks
from crypto_features.graph.checks import serving
from crypto_features.graph.checks.finding import Finding
from crypto_features.graph.table_age import TableAge, table_age
from crypto_features.lake.candles import gaps
from crypto_features.lake.table import Table
from crypto_features.shipped import catalog, daily_candles
from crypto_features.sources.standing import Silent, Standing
from crypto_features.store import Difference, ParityReport
from crypto_features.tables.completeness import completeness_columns
from tests.assets.cross_market import beside

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
STAMP = pl.Datetime("us", "UTC")


def candles(hours: int = 48, without: tuple[int, ...] = (), symbol: str = "BTC") -> pl.DataFrame:
    """Hourly candles that keep the contract, some of them missing."""
    kept = [i for i in range(hours) if i not in without]
    return pl.DataFrame(
        {
            "symbol": symbol,
            "open_time": pl.Series([START + i * HOUR for i in kept], dtype=STAMP),
            "open": 10.0,
            "high": 12.0,
            "low": 9.0,
            "close": 11.0,
            "volume": 5.0,
            "completeness": 1.0,
        }
    )


def signals(hours: int = 48, **values: float | None) -> pl.DataFrame:
    """Rows of `trading_signals` for hourly candles."""
    group = catalog.groups["trading_signals"]
    columns = {f.name: pl.Series([values.get(f.name, 1)] * hours, dtype=f.column_type) for f in group.features}
    close = pl.Series([START + (i + 1) * HOUR for i in range(hours)], dtype=STAMP)
    shares = dict.fromkeys(completeness_columns(group), 1.0)
    keys = {"symbol": ["BTC"] * hours, "event_timestamp": close, "created_timestamp": close}
    return pl.DataFrame({**keys, **shares, **columns})


def complete(stored: pl.DataFrame) -> Finding:
    """The check of gaps over these candles alone."""
    return candle_checks.complete(stored, HOUR, gaps(stored, HOUR))


def failed(finding: Finding, *words: str) -> bool:
    """Whether a check fails, names these words, and says what to do."""
    shown = finding.text + " ".join(finding.facts)
    return not finding.passed and bool(finding.todo) and all(word in shown for word in words)


def test_candles_that_break_the_contract_are_found() -> None:
    now = START + 100 * HOUR
    assert candle_checks.contract(candles(), HOUR, now).passed
    assert failed(candle_checks.contract(candles().with_columns(low=-1.0), HOUR, now), "48 of 48")


def test_candles_from_the_future_point_at_the_clock_first() -> None:
    found = candle_checks.contract(candles(), HOUR, START + HOUR)
    assert failed(found, "47 of 48 stored candles close later than the clock, 2024-01-01 01:00 UTC", "2024-01-02 23:00")
    assert found.todo.startswith("set this machine's clock, or CRYPTO_FEATURES_CLOCK")


def test_the_share_in_quarantine_is_held_to_the_setting() -> None:
    rejected = candles(3).with_columns(rule=pl.lit("high_low"))
    stored = candles(100).tail(97)
    assert candle_checks.quarantined(rejected, stored, 0.03).passed
    assert failed(candle_checks.quarantined(rejected, stored, 0.029), "3 of 100", "by rule")
    twice = pl.concat([rejected, rejected.with_columns(low=-1.0)])
    assert candle_checks.quarantined(twice, stored, 0.03).passed, "a candle that was rejected twice is one"
    assert candle_checks.quarantined(rejected, candles(100), 0.0).passed, "they were corrected since"


def test_a_symbol_that_was_left_out_is_named_with_the_reason() -> None:
    assert candle_checks.all_fetched({}).passed
    found = candle_checks.all_fetched({"NOPE": "unknown market"})
    assert failed(found, "NOPE", "reasons")
    assert found.facts["reasons"].value == {"NOPE": "unknown market"}


def test_a_hole_of_a_day_and_a_thin_symbol_are_named() -> None:
    assert complete(candles(480, without=(7,))).passed
    assert failed(complete(candles(480, without=tuple(range(30, 54)))), "24 candles", "gaps")
    assert failed(complete(candles(480, without=tuple(range(1, 60, 10)))), "1 symbols")


def test_a_hole_over_the_end_of_a_month_is_seen_from_both_sides() -> None:
    whole = candles(60 * 24, without=tuple(range(30 * 24, 33 * 24)))
    for month in (1, 2):
        stored = whole.filter(pl.col("open_time").dt.month() == month)
        assert failed(candle_checks.complete(stored, HOUR, gaps(whole, HOUR)), "72 candles", "1 gaps last a day")


def test_each_symbol_is_held_to_the_days_of_its_own_candles() -> None:
    stored = pl.concat([candles(48), candles(30, symbol="ETH")])
    daily = pl.concat([candles(48), candles(24, symbol="ETH")]).gather_every(24)
    assert candle_checks.bars_counted(daily, stored, daily_candles, HOUR).passed
    assert failed(candle_checks.bars_counted(daily.head(2), stored, daily_candles, HOUR), "1 are missing", "missing")


def test_a_symbol_that_fell_silent_is_named_with_what_to_do() -> None:
    one = Silent("ETH", Standing.HALTED, START, timedelta(hours=29))
    assert candle_checks.all_current([], []).passed
    assert failed(candle_checks.all_current([one], [one]), "ETH is halted", "29 h ago", "silent")
    declared = candle_checks.all_current([one], [])
    assert (declared.passed, "ETH is halted" in declared.text) == (True, True)


def test_rows_of_bars_that_are_not_complete_enough_may_be_empty() -> None:
    group, first = catalog.groups["trading_signals"], {"BTC": START - 600 * DAY}
    rows = signals(96)
    fragment = pl.col("event_timestamp") > START + 80 * HOUR
    empty = rows.with_columns(pl.when(~fragment).then(f.name).alias(f.name) for f in group.features)
    assert failed(feature_checks.filled(empty, group, first, HOUR), "4 of 4 features")
    thin = empty.with_columns(completeness=pl.when(fragment).then(0.5).otherwise(1.0))
    assert feature_checks.filled(thin, group, first, HOUR).passed


def test_a_missing_or_invented_day_is_found() -> None:
    daily = candles(48).gather_every(24)
    assert candle_checks.bars_counted(daily, candles(48), daily_candles, HOUR).passed
    assert candle_checks.bars_counted(daily, candles(60), daily_candles, HOUR).passed
    assert failed(candle_checks.bars_counted(daily.head(1), candles(48), daily_candles, HOUR), "1 are missing")
    assert failed(candle_checks.bars_counted(daily, candles(24), daily_candles, HOUR), "1 have no candle")


def test_a_changed_column_is_named() -> None:
    group = catalog.groups["trading_signals"]
    assert feature_checks.schema(signals(), group).passed
    assert failed(feature_checks.schema(signals().drop("can_buy"), group), "can_buy")
    assert failed(
        feature_checks.schema(signals().with_columns(pl.col("target_price").cast(pl.Float32)), group), "target_price"
    )


def test_missing_double_and_invented_rows_are_counted() -> None:
    group, rows = catalog.groups["trading_signals"], signals()
    assert feature_checks.row_count(rows, candles(), group, HOUR).passed
    assert failed(feature_checks.row_count(rows.head(47), candles(), group, HOUR), "1 missing")
    assert failed(feature_checks.row_count(rows, candles(47), group, HOUR), "1 without a bar")
    assert failed(feature_checks.row_count(pl.concat([rows, rows.head(1)]), candles(), group, HOUR), "1 double")


@pytest.mark.parametrize(
    ("group", "feature", "value"),
    [
        ("price_features", "rsi_14", 100.1),
        ("price_features", "ma_20", 0.0),
        ("price_features", "return_1d", float("nan")),
        ("price_features", "atr_14", float("inf")),
        ("regime_features", "regime_probability", -0.1),
        ("trading_signals", "can_buy", 2),
        ("trading_signals", "target_price", 0.0),
        ("volume_features", "cmf_20", 7.0),
        ("price_features", "ma_alignment", 3.0),
        ("price_features", "return_1d", -1.1),
        ("regime_features", "regime_duration", -1),
    ],
)
def test_a_value_out_of_range_is_named_with_its_place(group: str, feature: str, value: float) -> None:
    declared = catalog.groups[group]
    dtype = declared.feature(feature).column_type
    good = pl.DataFrame(
        {"symbol": ["BTC"], "event_timestamp": pl.Series([START], dtype=STAMP), feature: pl.Series([1], dtype=dtype)}
    )
    assert feature_checks.in_range(good, declared).passed
    bad = good.with_columns(pl.lit(value).cast(dtype).alias(feature))
    assert failed(feature_checks.in_range(bad, declared), feature)


def test_nulls_count_only_after_the_warm_up() -> None:
    group = catalog.groups["volume_features"]
    days = pl.Series([START + i * DAY for i in range(100)], dtype=STAMP)
    rows = pl.DataFrame({"symbol": ["BTC"] * 100, "event_timestamp": days})
    rows = rows.with_columns(
        pl.when(pl.int_range(pl.len()) >= f.window).then(1.0).alias(f.name) for f in group.features
    )
    first = {"BTC": START}
    assert feature_checks.filled(rows, group, first, DAY).passed
    holes = rows.with_columns(cmf_20=pl.when(pl.int_range(pl.len()) < 95).then("cmf_20"))
    assert failed(feature_checks.filled(holes, group, first, DAY), "cmf_20")


def test_parity_registry_and_switches() -> None:
    different = Difference("BTC", "value", "rsi_14", 50.0, 50.00000000000001)
    assert serving.equal(ParityReport("price_features", 8, ())).passed
    assert failed(serving.equal(ParityReport("price_features", 8, (different,))), "1 differences")
    assert serving.registered({"a": ["x"]}, {"a": ["x"]}).passed
    assert failed(serving.registered({"a": ["x"], "b": ["y"]}, {"a": ["x", "z"]}), "a, b")
    assert serving.enabled("price_features", {"volume_features": "late"}, catalog.groups).passed
    assert failed(serving.enabled("price_features", {"BTC": "hard fork"}, catalog.groups), "BTC (hard fork)")


def test_freshness_is_measured_from_the_close_of_the_newest_bar() -> None:
    state = TableAge("trading_signals", START, timedelta(minutes=65), timedelta(minutes=65), {})
    assert state.fresh
    assert not TableAge("trading_signals", START, timedelta(minutes=66), timedelta(minutes=65), {}).fresh
    assert state.sentence == "The newest row closed at 2024-01-01 00:00 UTC, 65 min ago; 65 min is allowed."


def test_a_table_is_fresh_only_if_each_symbol_is(tmp_path: Path) -> None:
    table = Table(UPath(tmp_path), "candles", time="open_time", raw=True)
    table.publish("2024-01", pl.concat([candles(96), candles(67, symbol="ETH")]))
    now, grace = START + 96 * HOUR, timedelta(minutes=5)
    state = table_age(table, HOUR, now, grace, wait=HOUR)
    assert (state.fresh, state.late) == (False, {"ETH": START + 67 * HOUR})
    assert "ETH has none since 2024-01-03 19:00" in state.sentence
    assert table_age(table, HOUR, now, grace, wait=HOUR, excused={"ETH"}).fresh
    assert table_age(table, HOUR, now, grace, wait=HOUR, wanted=["BTC"]).fresh, "ETH is wanted no longer"
    assert not table_age(table, HOUR, now, grace, wait=HOUR, wanted=["BTC", "ETH"]).fresh
    assert table_age(table, HOUR, now, grace, wait=29 * HOUR).fresh


def test_a_symbol_that_is_joined_to_all_and_has_no_rows_is_named() -> None:
    assert feature_checks.joined_symbols_there(beside, {"days": {"BTC", "ETH"}}).passed
    lacking = feature_checks.joined_symbols_there(beside, {"days": {"ETH"}})
    assert failed(lacking, "0 of 1 symbols", "no BTC in days")
    assert lacking.todo.startswith("add BTC to CRYPTO_FEATURES_SYMBOLS")
