"""From when each version of a candle, and of a model, counts as known."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.known.knowledge import candles_as_known, late, model_in_force, with_known
from tests.features.markets import DAY, HOUR, TIME

WAIT = timedelta(hours=1)
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)


def versions(*rows: tuple[datetime, datetime], close: float = 1.0) -> pl.DataFrame:
    """Versions of hourly candles of BTC: the open time of each, and when it was seen. Each closes one higher."""
    schema = pl.Schema({"symbol": pl.String(), "open_time": TIME, "close": pl.Float64(), "known_at": TIME})
    frame = pl.DataFrame([("BTC", o, close + i, seen) for i, (o, seen) in enumerate(rows)], schema, orient="row")
    return frame.sort("symbol", "open_time", "known_at")


def known(*rows: tuple[datetime, datetime]) -> list[datetime]:
    return with_known(versions(*rows), HOUR, WAIT)["known"].to_list()


def hour(n: int, minute: int = 0) -> datetime:
    return MIDNIGHT + n * HOUR + timedelta(minutes=minute)


def test_a_candle_that_comes_within_the_wait_counts_as_known_at_its_close() -> None:
    assert known((hour(0), hour(1)), (hour(1), hour(3))) == [hour(1), hour(2)]


def test_a_candle_that_comes_later_counts_as_known_when_it_came() -> None:
    assert known((hour(0), hour(1)), (hour(1), hour(3, 1))) == [hour(1), hour(3, 1)]


def test_a_candle_in_time_is_not_known_before_those_that_came_late_with_it() -> None:
    down = [(hour(n), hour(4, 1)) for n in range(1, 4)]
    assert known((hour(0), hour(1)), *down, (hour(4), hour(5))) == [hour(1), *[hour(4, 1)] * 3, hour(5)]
    corrected = (hour(2), hour(9))
    assert known((hour(0), hour(1)), *down, corrected) == [hour(1), hour(4, 1), hour(4, 1), hour(9), hour(4, 1)]


def test_a_late_candle_alone_keeps_no_later_one_from_being_known() -> None:
    assert known((hour(0), hour(1)), (hour(1), hour(4)), (hour(2), hour(3)), (hour(3), hour(4))) == [
        hour(1),
        hour(4),
        hour(3),
        hour(4),
    ]


def test_a_history_that_was_loaded_in_bulk_counts_as_known_at_each_close() -> None:
    assert known(*((hour(n), hour(50)) for n in range(3))) == [hour(1), hour(2), hour(3)]


def test_older_candles_that_are_loaded_afterwards_count_as_known_at_their_close() -> None:
    assert known((hour(0), hour(90)), (hour(48), hour(50))) == [hour(1), hour(49)]


def test_a_correction_counts_as_known_when_it_came_even_within_the_wait() -> None:
    assert known((hour(0), hour(1)), (hour(0), hour(1, 20))) == [hour(1), hour(1, 20)]


def test_the_first_time_of_a_symbol_counts_over_its_whole_history() -> None:
    month = versions((hour(1), hour(50)))
    assert with_known(month, HOUR, WAIT, {"BTC": hour(1)})["known"].to_list() == [hour(50)]


def test_what_was_known_holds_the_version_of_then() -> None:
    rows = with_known(versions((hour(0), hour(1)), (hour(0), hour(9)), (hour(1), hour(2))), HOUR, WAIT)
    assert candles_as_known(rows, hour(8)).rows() == [("BTC", hour(0), 1.0), ("BTC", hour(1), 3.0)]
    assert candles_as_known(rows, hour(9)).rows() == [("BTC", hour(0), 2.0), ("BTC", hour(1), 3.0)]
    assert candles_as_known(rows, hour(1)).rows() == [("BTC", hour(0), 1.0)]


def missed(
    *hours: int, wait: timedelta = WAIT, lengths: Collection[timedelta] = (DAY,)
) -> list[tuple[datetime, datetime]]:
    """What is late of a symbol of which these candles came in time."""
    rows = with_known(versions(*((hour(n), hour(n + 1)) for n in hours)), HOUR, wait)
    return late(rows, HOUR, wait, lengths).select("open_time", "known").rows()


def test_nothing_is_late_of_a_day_whose_candles_came_in_time() -> None:
    assert missed(*range(24)) == []
    assert missed(*range(0, 24, 5), 23) == []


def test_a_day_without_its_last_candle_is_over_after_the_wait() -> None:
    assert missed(*range(20)) == [(hour(23), hour(24) + WAIT)]


def test_a_day_without_its_last_candle_is_over_once_a_later_candle_is_known() -> None:
    assert missed(*range(20), 24, wait=5 * HOUR) == [(hour(23), hour(25)), (hour(47), hour(48) + 5 * HOUR)]


def test_bars_of_each_length_are_waited_for() -> None:
    block, half = 4 * HOUR, DAY / 2
    assert missed(*range(11), lengths=[block]) == [(hour(11), hour(12) + WAIT)]
    assert missed(*range(10), 11, lengths=[block, half]) == []
    assert missed(0, 1, 2, 5, wait=3 * HOUR, lengths=[block]) == [(hour(3), hour(6)), (hour(7), hour(8) + 3 * HOUR)]
    assert missed(*range(7), lengths=[block, half, DAY]) == [
        (hour(7), hour(8) + WAIT),
        (hour(11), hour(12) + WAIT),
        (hour(23), hour(24) + WAIT),
    ]
    assert missed(*range(7), lengths=[]) == []


def test_the_first_model_of_a_month_is_in_force_from_its_start_and_a_later_one_from_its_publication() -> None:
    fitted = [("second", MIDNIGHT + 9 * DAY), ("first", MIDNIGHT + 5 * DAY)]
    assert model_in_force("2024-05", fitted, MIDNIGHT - HOUR) is None
    assert model_in_force("2024-05", fitted, MIDNIGHT) == "first"
    assert model_in_force("2024-05", fitted, MIDNIGHT + 9 * DAY - HOUR) == "first"
    assert model_in_force("2024-05", fitted, MIDNIGHT + 9 * DAY) == "second"
