"""The time at which a row was created changes only when its content does."""

from datetime import datetime, timedelta

import polars as pl

from crypto_features.known.created import with_created
from crypto_features.known.knowledge import LATE
from tests.features.markets import DAY, HOUR, START, TIME


def rows(*values: float) -> pl.DataFrame:
    """A row of BTC for each day, one after the other."""
    times = [START + (i + 1) * DAY for i in range(len(values))]
    frame = pl.DataFrame({"symbol": "BTC", "event_timestamp": times, "x": [float(value) for value in values]})
    return frame.with_columns(pl.col("event_timestamp").cast(TIME))


def missed(*known: tuple[datetime, datetime]) -> pl.DataFrame:
    return pl.DataFrame([("BTC", *times) for times in known], LATE, orient="row")


def days(frame: pl.DataFrame) -> list[float]:
    return [(time - START) / DAY for time in frame["created_timestamp"]]


def test_a_new_row_was_created_at_its_close() -> None:
    assert days(with_created(rows(1, 2), None, missed(), START)) == [1, 2]


def test_a_row_with_a_correction_in_its_window_was_created_when_that_was_known() -> None:
    correction = (START + DAY + HOUR, START + 9 * DAY)
    assert days(with_created(rows(1, 2, 3), None, missed(correction), START)) == [1, 9, 9]


def test_a_correction_before_every_window_does_not_count() -> None:
    correction = (START, START + 9 * DAY)
    assert days(with_created(rows(1, 2), None, missed(correction), START + HOUR)) == [1, 2]


def test_a_candle_that_opens_at_the_close_of_a_row_is_not_in_it() -> None:
    assert days(with_created(rows(1, 2), None, missed((START + DAY, START + 9 * DAY)), START)) == [1, 9]


def test_the_newest_of_several_counts_and_never_a_time_before_the_event() -> None:
    first, second = (START, START + DAY * 3 / 2), (START + HOUR, START + DAY * 5 / 4)
    assert days(with_created(rows(1, 2, 3), None, missed(first, second), START)) == [1.5, 2, 3]


def test_a_row_that_is_as_published_keeps_its_time_and_another_gets_the_newer_one() -> None:
    before = with_created(rows(1, 2, 3), None, missed(), START)
    correction = (START, START + 9 * DAY)
    assert days(with_created(rows(1, 2.5, 3), before, missed(correction), START)) == [1, 9, 3]


def test_a_row_is_never_older_than_the_one_that_it_replaces() -> None:
    before = rows(1, 2).with_columns(created_timestamp=pl.lit(START + 30 * DAY).cast(TIME))
    assert days(with_created(rows(1, 7), before, missed(), START)) == [30, 30]


def test_a_null_that_stays_a_null_changes_nothing() -> None:
    null = rows(1, 2).with_columns(x=pl.lit(None, pl.Float64))
    before = with_created(null, None, missed(), START)
    assert days(with_created(null, before, missed((START, START + 9 * DAY)), START)) == [1, 2]


def test_another_column_or_type_is_another_content() -> None:
    before = with_created(rows(1, 2), None, missed(), START)
    correction = missed((START, START + 9 * DAY))
    assert days(with_created(rows(1, 2).with_columns(y=1.0), before, correction, START)) == [9, 9]
    assert days(with_created(rows(1, 2).cast({"x": pl.String}), before, correction, START)) == [9, 9]


def test_order_and_values_of_the_rows_stay() -> None:
    given = rows(3, 1, 2).reverse()
    found = with_created(given, None, missed((START, START + timedelta(days=9))), START)
    assert found.columns == ["symbol", "event_timestamp", "created_timestamp", "x"]
    assert found.drop("created_timestamp").equals(given)
