"""Every kind of difference between the online store and the table is found."""

import math
from datetime import timedelta

import polars as pl

from crypto_features.store.compare import differences
from tests.store import factory

HOUR = factory.hour(1)


def table(**change: object) -> pl.DataFrame:
    rows = [
        {"symbol": "BTC", "event_timestamp": factory.hour(0), "price": 1.0, "label": "a"},
        {"symbol": "BTC", "event_timestamp": HOUR, "price": 0.1, "label": "b"},
        {"symbol": "ETH", "event_timestamp": HOUR, "price": None, "label": None},
    ]
    return pl.DataFrame(rows).with_columns(pl.lit(value).alias(name) for name, value in change.items())


def online(**change: object) -> pl.DataFrame:
    return table(**change).filter(event_timestamp=HOUR)


def found(offline: pl.DataFrame, published: pl.DataFrame) -> list[tuple[str, str, str | None]]:
    wrong = differences(offline, published, ["symbol"], ["price", "label"], HOUR)
    return [(one.entity, one.problem, one.feature) for one in wrong]


def test_equal_rows_have_no_difference() -> None:
    assert found(table(), online()) == []


def test_one_unit_in_the_last_place_is_found() -> None:
    assert found(table(), online(price=math.nextafter(0.1, 1)))[0] == ("BTC", "value", "price")


def test_a_minus_zero_is_not_zero_and_nan_is_itself() -> None:
    assert found(table(price=0.0), online(price=-0.0))[0] == ("BTC", "value", "price")
    assert found(table(price=math.nan), online(price=math.nan)) == []


def test_a_null_is_not_a_number() -> None:
    assert ("ETH", "value", "price") in found(table(), online(price=0.1))


def test_the_wrong_bar_is_found() -> None:
    assert found(table(), table().filter(event_timestamp=factory.hour(0)))[0] == ("BTC", "behind", None)


def test_a_bar_that_no_table_has_is_found() -> None:
    later = online().with_columns(pl.col("event_timestamp") + timedelta(minutes=1))
    assert found(table(), later) == [("BTC", "unknown", None), ("ETH", "unknown", None)]


def test_a_missing_symbol_is_found() -> None:
    assert found(table(), online().filter(symbol="BTC")) == [("ETH", "missing", None)]


def test_a_newer_row_than_the_window_must_equal_the_table_too() -> None:
    newest = table().vstack(online().with_columns(pl.col("event_timestamp") + timedelta(hours=1), price=pl.lit(7.0)))
    ahead = newest.filter(pl.col("event_timestamp") > HOUR)
    assert found(newest, ahead) == []
    assert found(newest, ahead.with_columns(price=pl.lit(8.0)))[0] == ("BTC", "value", "price")


def test_a_symbol_that_was_delisted_before_the_window_need_not_be_online() -> None:
    delisted = table().filter(pl.col("event_timestamp") < HOUR).with_columns(symbol=pl.lit("OLD"))
    offline = pl.concat([delisted, table()])
    assert differences(offline, online(), ["symbol"], ["price", "label"], HOUR, since=HOUR) == []
    assert found(offline, online()) == [("OLD", "missing", None)]
