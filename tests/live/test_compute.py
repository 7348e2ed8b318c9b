"""Live = batch: from any start, in any order of arrival, each row has the bits of the batch."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache

import polars as pl
import pytest

from crypto_features.lake.live_rows import PARTIAL
from crypto_features.live.compute import CREATED, Following, OutdatedTailError
from crypto_features.live.kept import MARGIN, followed
from crypto_features.shipped import catalog as shipped
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import MONTH, months_between
from crypto_features.tables.read import Terms
from crypto_features.versions.probe_market import START, probe_market
from tests.features.markets import DAY, HOUR
from tests.features.mixed_catalog import catalog as mixed

DAYS = 80
CATALOGS = {"shipped": shipped, "mixed": mixed}
NONE = timedelta(0)


class Batch:
    """Every table that follows from the candles, and the models that they read, month by month."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.candles = probe_market(DAYS).with_columns(completeness=pl.lit(1.0))
        self.months = months_between(START, START + DAYS * DAY)
        self.tables = {catalog.raw.name: self.candles}
        terms = Terms(HOUR, START + DAYS * DAY, 2 * DAY, MIN_COMPLETENESS)
        names = {table.name for table in followed(catalog)} | catalog.models.keys()
        for table in catalog.computed:
            if table.name in names:
                self.tables[table.name] = pl.concat(
                    table.compute(self.read, month, None, terms) for month in self.months
                )

    def read(
        self, table: str, months: Sequence[str], _columns: Sequence[str] | None, _symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        rows = self.tables[table]
        month = pl.col("month") if "month" in rows.columns else month_of_row(rows)
        return rows.filter(month.is_in(list(months)))


def month_of_row(rows: pl.DataFrame) -> pl.Expr:
    return MONTH if "event_timestamp" in rows.columns else pl.col("open_time").dt.strftime("%Y-%m")


@cache
def batch(name: str) -> Batch:
    return Batch(CATALOGS[name])


def loading(lake: Batch, now: datetime) -> Callable[[str, Sequence[str]], pl.DataFrame]:
    """The lake as it was at a time."""

    def load(table: str, months: Sequence[str]) -> pl.DataFrame:
        rows = lake.read(table, months, None, None)
        if "month" in rows.columns:
            return rows
        if "event_timestamp" in rows.columns:
            return rows.filter(pl.col("event_timestamp") <= now)
        return rows.filter(pl.col("open_time") + lake.catalog[table].bar(HOUR) <= now)

    return load


def following(lake: Batch, now: datetime, hold: timedelta = NONE) -> Following:
    terms = Terms(HOUR, now, 2 * DAY, MIN_COMPLETENESS)
    symbols = sorted(lake.candles["symbol"].unique())
    live = Following(lake.catalog, symbols, terms, loading(lake, now))
    live.members.waits = dict.fromkeys(live.members.waits, hold)
    return live


def compare(live: Following, lake: Batch, start: datetime, end: datetime) -> None:
    """Each row of each followed table after the start equals that of the batch."""
    for table in live.tables:
        rows = live._tail.read(table.name, start)
        time = table.time
        until = pl.col(time) <= (end if time == "event_timestamp" else end - table.bar(HOUR))
        expected = lake.tables[table.name].select(rows.columns).filter(pl.col(time) >= start, until)
        rows = rows.sort("symbol", time)
        assert rows.equals(expected.sort("symbol", time)), f"{table.name} from {start}"


def arrivals(draw: random.Random, candles: pl.DataFrame, hour: datetime) -> list[tuple[datetime, pl.DataFrame]]:
    """The candles of an hour as they arrive: apart, late, repeated, or wrong and corrected later."""
    found = []
    for row in candles.filter(pl.col("open_time") == hour).partition_by("symbol"):
        came = hour + HOUR + draw.choice([0, 0, 0, 1, 3]) * timedelta(milliseconds=300)
        if draw.random() < 0.04:
            came += draw.randrange(1, 30) * HOUR
        if draw.random() < 0.04:
            found.append((came, row.with_columns(pl.col("close", "high") * 1.01)))
            came += draw.randrange(1, 20) * HOUR
        found.append((came, row))
        if draw.random() < 0.1:
            found.append((came + HOUR, row))
    return found


@pytest.mark.parametrize("name", CATALOGS)
@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_whatever_comes_in_whatever_order_from_any_start_the_rows_are_those_of_the_batch(
    name: str, count: Callable[..., int]
) -> None:
    lake = batch(name)
    for seed in range(count(ci=1, proof=100)):
        draw = random.Random(seed)
        start = START + draw.randrange(20, DAYS - 10) * DAY + draw.randrange(24) * HOUR
        hours = draw.choice([24, 40, 60])
        live = following(lake, start, draw.choice([NONE, timedelta(seconds=5)]))
        coming = [one for n in range(hours) for one in arrivals(draw, lake.candles, start + n * HOUR)]
        times = sorted({time for time, _ in coming})
        for time in times:
            live.step(pl.concat(row for came, row in coming if came == time), time)
        end = start + hours * HOUR
        last = max(times[-1], end) + timedelta(seconds=6)
        live.step(lake.candles.clear(), last)
        compare(live, lake, max(start, last - MARGIN), end)


@pytest.mark.parametrize("name", CATALOGS)
def test_each_row_is_published_when_the_last_candle_of_its_bar_comes(name: str) -> None:
    lake, start = batch(name), START + 60 * DAY + 20 * HOUR
    live = following(lake, start)
    for n in range(30):
        time = start + (n + 1) * HOUR
        published = live.step(lake.candles.filter(pl.col("open_time") == time - HOUR), time)
        for group in (table for table in live.tables if isinstance(table, FeatureGroup)):
            expected = lake.tables[group.name].filter(pl.col("event_timestamp") == time)
            rows = published.get(group.name, expected.clear())
            assert rows.select(expected.columns).sort("symbol").equals(expected.sort("symbol")), f"{group.name} {time}"
            assert rows.is_empty() or rows[CREATED].unique().to_list() == [time]


def test_what_the_lake_lacks_is_caught_up_with() -> None:
    lake, start = batch("shipped"), START + 60 * DAY + 20 * HOUR
    behind = loading(lake, start - 30 * HOUR)
    terms = Terms(HOUR, start, HOUR, MIN_COMPLETENESS)
    live = Following(shipped, sorted(lake.candles["symbol"].unique()), terms, behind)
    missed = lake.candles.filter(pl.col("open_time") >= start - 30 * HOUR, pl.col("open_time") < start)
    published = live.catch_up(missed, start)
    assert {*published} == {table.name for table in live.tables if isinstance(table, FeatureGroup)}
    compare(live, lake, start - 29 * HOUR, start)


def test_a_group_that_compares_symbols_waits_for_the_late_ones_and_no_longer_than_it_may() -> None:
    lake, start = batch("mixed"), START + 60 * DAY + 20 * HOUR
    live = following(lake, start, timedelta(seconds=5))
    for n in range(3):
        live.step(lake.candles.filter(pl.col("open_time") == start + n * HOUR), start + (n + 1) * HOUR)
    time, last = start + 4 * HOUR, lake.candles.filter(pl.col("open_time") == start + 3 * HOUR)
    some, late = last.head(2), last.tail(last.height - 2)
    assert "there" not in live.step(some, time)
    assert live.due == time + timedelta(seconds=5)
    published = live.step(last.clear(), live.due)["there"]
    assert sorted(published["symbol"]) == sorted(some["symbol"])
    assert published.select(CREATED, PARTIAL).unique().rows() == [(time, True)]
    published = live.step(late, time + timedelta(seconds=9))["there"]
    again = published.filter(pl.col("symbol").is_in(some["symbol"].to_list()))
    assert again.height == 2
    assert again[CREATED].max() == time + timedelta(seconds=9)
    assert not published[PARTIAL].any()
    compare(live, lake, start, time)


def test_tables_that_nobody_streams_are_not_followed() -> None:
    names = {table.name for table in followed(mixed)}
    assert "momentum" in names
    assert not any("settlements" in [source.table.name for source in table.inputs] for table in followed(mixed))
    assert {*names} < {table.name for table in mixed.computed}


def test_what_compares_all_symbols_is_not_followed_while_one_of_them_is_not_streamed() -> None:
    names = {table.name for table in followed(mixed, ["HUGE"])}
    assert "momentum" in names
    assert "there" not in names


def test_a_candle_older_than_what_is_kept_is_an_error_and_not_a_wrong_row() -> None:
    lake, start = batch("shipped"), START + 60 * DAY
    live = following(lake, start)
    old = lake.candles.filter(pl.col("open_time") == start - 3 * DAY)
    with pytest.raises(OutdatedTailError, match="crypto-features run"):
        live.step(old.with_columns(pl.col("close") * 2), start)


def test_a_month_without_a_model_holds_up_only_what_reads_it() -> None:
    lake, start = batch("shipped"), START + 60 * DAY + 23 * HOUR
    load = loading(lake, start)
    terms = Terms(HOUR, start, HOUR, MIN_COMPLETENESS)
    live = Following(
        shipped, ["HUGE"], terms, lambda table, months: pl.DataFrame() if "model" in table else load(table, months)
    )
    published = live.step(lake.candles.filter(pl.col("open_time") == start), start + HOUR)
    assert {*published} == {"price_features", "volume_features", "trading_signals"}
    assert [*live.troubles] == ["regime_features"]
