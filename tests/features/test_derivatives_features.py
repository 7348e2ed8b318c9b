"""Funding and open interest are joined as they were known when the day opened."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from crypto_features import catalogs
from crypto_features.leak import leak_test
from crypto_features.shipped import catalog, daily_candles
from crypto_features.shipped.derivatives import derivatives_features
from crypto_features.tables.derivative_rows import DERIVATIVES, FUNDING
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import months_between
from crypto_features.tables.partition import compute_partition
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Join

HOUR, DAY, FIVE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=5)
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 70
LATE = timedelta(milliseconds=4)
Rows = list[tuple[Any, ...]]


def settlements() -> Rows:
    """Every 8 hours, from the 30th day on every 4 and from the 45th every hour; some late, two days without any."""
    draw, found, time = random.Random(1), [], START + 3 * DAY
    while time < START + DAYS * DAY:
        day = (time - START).days
        hours = 8 if day < 30 else 4 if day < 45 else 1
        if day not in (50, 51):
            late = draw.choice([timedelta(0), timedelta(0), LATE])
            found.append(("BTC", time + late, round(draw.gauss(0.0001, 0.0005), 8), float(hours)))
        time += hours * HOUR
    return found


def metrics() -> Rows:
    """Every five minutes from the fifth day on, a few lost, and the whole 20th and 21st day."""
    draw, found = random.Random(2), []
    for i in range(4 * 288, DAYS * 288):
        day = i // 288
        if draw.random() < 0.02 or day in (20, 21):
            continue
        interest = 1000 + 100 * math.sin(i / 500) + draw.random()
        ratios = (1 + draw.random(), 1 + draw.random(), 0.5 + draw.random())
        taker = None if draw.random() < 0.01 else 0.3 + 2 * draw.random()
        found.append(("BTC", START + i * FIVE, interest, interest * 40_000, *ratios, taker))
    return found


FUNDED, MEASURED = settlements(), metrics()
INPUTS = {
    "funding": pl.DataFrame(FUNDED, FUNDING.full_schema, orient="row"),
    "derivatives": pl.DataFrame(MEASURED, DERIVATIVES.schema, orient="row"),
    "daily_candles": pl.DataFrame(
        {"symbol": ["BTC"] * DAYS, "open_time": [START + i * DAY for i in range(DAYS)]},
        schema_overrides={"open_time": pl.Datetime("us", "UTC")},
    ).with_columns(open=1.0, high=1.0, low=1.0, close=1.0, volume=1.0, completeness=1.0),
}


def minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


def newest(rows: Rows, known_after: timedelta, opens: datetime) -> tuple[Any, ...] | None:
    """The last row that was known when a day opened, if it is not older than a day."""
    known = [row for row in rows if row[1] + known_after <= opens]
    return known[-1] if known and opens - known[-1][1] <= DAY else None


def mean(pairs: list[tuple[datetime, float | None]], last: datetime, period: timedelta, before: timedelta) -> Any:
    """Mean of what is in a period that ends with a row, if a row lies shortly before it."""
    end = minute(last)
    if not any(end - period - before < minute(time) <= end - period for time, _ in pairs):
        return None
    inside = [value for time, value in pairs if end - period < minute(time) <= end and value is not None]
    return math.fsum(inside) / len(inside) if inside else None


def expected() -> list[list[Any]]:
    found: list[list[Any]] = []
    interest: list[float | None] = []
    rates = [(row[1], row[2]) for row in FUNDED]
    takers = [(row[1], None if row[7] is None else (row[7] - 1) / (row[7] + 1)) for row in MEASURED]
    for number in range(DAYS):
        opens = START + number * DAY
        settled, measured = newest(FUNDED, timedelta(0), opens), newest(MEASURED, FIVE, opens)
        interest.append(measured[2] if measured else None)

        def change(back: int, number: int = number) -> float | None:
            now, then = interest[number], interest[number - back] if number >= back else None
            return None if now is None or then is None else now / then - 1

        found.append(
            [
                settled[2] if settled else None,
                mean([r for r in rates if r[0] <= settled[1]], settled[1], 7 * DAY, DAY) if settled else None,
                change(1),
                change(7),
                measured[6] if measured else None,
                mean([t for t in takers if t[0] <= measured[1]], measured[1], DAY, HOUR) if measured else None,
            ]
        )
    return found


def test_every_value_is_what_a_plain_computation_gives() -> None:
    rows = derivatives_features.whole(INPUTS, HOUR)
    got = rows.select(derivatives_features.columns).rows()
    wanted = expected()
    assert [[value is None for value in row] for row in got] == [[value is None for value in row] for row in wanted]
    for here, there in zip(got, wanted, strict=True):
        assert [v for v in here if v is not None] == pytest.approx([v for v in there if v is not None], abs=2e-12)
    filled = [sum(row[column] is not None for row in got) for column in range(6)]
    assert min(filled) > 40
    assert max(filled) < DAYS


def test_a_month_alone_has_the_bits_of_the_whole() -> None:
    whole = derivatives_features.whole(INPUTS, HOUR)
    parts = [
        compute_partition(derivatives_features, INPUTS, month, interval=HOUR)
        for month in months_between(START, START + DAYS * DAY)
    ]
    assert pl.concat(parts).equals(whole)


def test_a_settlement_some_milliseconds_after_midnight_is_not_known_to_the_day_that_opens_then() -> None:
    rows = [("BTC", START + 5 * DAY - 8 * HOUR, 0.1, 8.0), ("BTC", START + 5 * DAY + LATE, 0.2, 8.0)]
    inputs = {**INPUTS, "funding": pl.DataFrame(rows, FUNDING.full_schema, orient="row")}
    found = derivatives_features.whole(inputs, HOUR)
    rates = dict(found.select(pl.col("event_timestamp") - DAY, "funding_rate").iter_rows())
    assert (rates[START + 5 * DAY], rates[START + 6 * DAY]) == (0.1, 0.2)


def test_five_minutes_are_known_when_they_are_over() -> None:
    opens = START + 5 * DAY
    rows = [("BTC", opens - FIVE, 1.0, *[1.0] * 5), ("BTC", opens, 2.0, *[2.0] * 5)]
    inputs = {**INPUTS, "derivatives": pl.DataFrame(rows, DERIVATIVES.schema, orient="row")}
    found = derivatives_features.whole(inputs, HOUR)
    ratios = dict(found.select(pl.col("event_timestamp") - DAY, "long_short_ratio").iter_rows())
    assert (ratios[opens], ratios[opens + DAY]) == (1.0, 2.0)


def test_no_probe_finds_a_leak() -> None:
    report = leak_test(derivatives_features)
    assert (report.passed, report.leaks) == (True, ())


def test_a_feature_that_reads_settlements_after_its_bar_is_caught() -> None:
    funding = RawTable("funding", rows=FUNDING)
    ahead = FeatureGroup(
        "ahead",
        bars=daily_candles,
        joins=(Join(funding, "3d", {"next": pl.col("rate").shift(-10)}),),
        features=(Feature("next_rate", pl.col("funding.next"), "A settlement that is to come.", "share"),),
    )
    assert {leak.kind for leak in leak_test(ahead).leaks} == {"look-ahead"}


def test_the_group_is_off_until_a_source_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CATALOG", "crypto_features.shipped:catalog")
    assert catalogs.current_catalog() is catalog
    assert {"funding", "derivatives", "derivatives_features"}.isdisjoint(catalog.tables)
    monkeypatch.setenv("CRYPTO_FEATURES_DERIVATIVES_SOURCE", "archive")
    found = catalogs.current_catalog()
    assert [*found.groups] == [*catalog.groups, "derivatives_features"]
    assert {*found.tables} - {*catalog.tables} == {"funding", "derivatives", "derivatives_features"}
    assert (found.raw, found.project) == (catalog.raw, catalog.project)
    assert found.services == catalog.services
