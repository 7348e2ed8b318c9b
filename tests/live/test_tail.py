"""What is kept of each table: most steps read its younger part alone, and none reads too little."""

from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.live.tail import Enough, Tail

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(symbol: str, *hours: int, value: float = 1.0) -> pl.DataFrame:
    times = pl.Series([START + hour * HOUR for hour in hours], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"symbol": [symbol] * len(hours), "event_timestamp": times, "value": value})


def tail() -> Tail:
    both = pl.concat([rows("A", *range(100)), rows("B", *range(10), 98, 99)])
    return Tail({"t": 200 * HOUR}, {"t": 5 * HOUR}, lambda *_: both, START + 100 * HOUR)


def hours(found: pl.DataFrame, symbol: str) -> list[int]:
    return sorted((time - START) // HOUR for time in found.filter(symbol=symbol)["event_timestamp"])


def test_of_a_symbol_that_has_enough_rows_the_oldest_are_left_out_and_of_another_none() -> None:
    found = tail().read("t", START, enough=Enough(START + 99 * HOUR, 3))
    assert hours(found, "A") == [95, 96, 97, 98, 99]
    assert hours(found, "B") == [*range(10), 98, 99]
    assert tail().read("t", START).height == 112
    assert hours(tail().read("t", START + 50 * HOUR, {"A"}), "A") == [*range(50, 100)]


def test_a_row_is_new_or_another_one_wherever_it_is_kept() -> None:
    kept, now = tail(), START + 101 * HOUR
    assert kept.put("t", rows("A", 100), now)["again"].to_list() == [False]
    assert kept.put("t", rows("A", 100), now).height == 0
    changed = kept.put("t", rows("A", 3, 4, 100, value=2.0), now)
    assert (hours(changed, "A"), changed["again"].all()) == ([3, 4, 100], True)
    found = kept.read("t", START)
    assert hours(found, "A") == [*range(101)]
    assert found.filter(value=2.0).height == 3
    assert kept.newest("t") == {"A": START + 100 * HOUR, "B": START + 99 * HOUR}


def test_a_candle_that_is_older_than_the_younger_part_is_kept_like_any_other() -> None:
    kept = tail()
    kept.put("t", rows("B", 100, 101), START + 101 * HOUR)
    for symbol in ("C", "D"):  # new, and older than all of the younger part.
        kept.put("t", rows(symbol, *range(90)), START + 101 * HOUR)
    changed = kept.put("t", rows("A", 40, 41, value=2.0), START + 101 * HOUR)
    assert (hours(changed, "A"), changed["again"].all()) == ([40, 41], True)
    for hour in range(100, 160):
        kept.put("t", rows("A", hour), START + (hour + 1) * HOUR)
    found = kept.read("t", START + 15 * HOUR)
    assert (hours(found, "A"), hours(found, "C")) == ([*range(15, 160)], [*range(15, 90)])
    assert hours(kept.read("t", START + 99 * HOUR), "B") == [99, 100, 101]


def test_what_is_older_than_is_kept_is_dropped_once_a_day() -> None:
    kept = tail()
    for hour in range(100, 400):
        kept.put("t", rows("A", hour), START + hour * HOUR)
    assert min(hours(kept.read("t", START), "A")) >= 399 - 200 - 24 - 5
    assert kept.read("t", START + 300 * HOUR, enough=Enough(START + 390 * HOUR, 2)).height < 40
