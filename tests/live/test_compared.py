"""Live rows beside the batch's: equal to the bit, different, or resting on a candle that was corrected since."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl
import pytest

from crypto_features.known.history import FittedVersion
from crypto_features.lake.live_rows import AT, DAY, SINCE, VERSION
from crypto_features.live.compared import changed, compare, corrected, refitted
from crypto_features.store.compare import differences
from tests.market.market import HOUR, START

TIME = pl.Datetime("us", "UTC")
SECOND = timedelta(seconds=1)
LOADED = START + 2 * HOUR


def live(*rows: tuple[str, int, float | None], version: str = "v") -> pl.DataFrame:
    """Rows of symbols at hours, each computed a second after its time."""
    times = [START + hour * HOUR for _, hour, _ in rows]
    return pl.DataFrame(
        {
            "symbol": pl.Series([symbol for symbol, _, _ in rows], dtype=pl.String),
            "event_timestamp": pl.Series(times, dtype=TIME),
            "x": pl.Series([value for _, _, value in rows], dtype=pl.Float64),
            "created_timestamp": pl.Series(times, dtype=TIME),
            AT: pl.Series([time + SECOND for time in times], dtype=TIME),
            SINCE: pl.Series([LOADED] * len(rows), dtype=TIME),
        }
    ).with_columns(pl.lit(version).alias(VERSION), pl.lit("2024-01-01").alias(DAY))


def batch(*rows: tuple[str, int, float | None]) -> pl.DataFrame:
    return live(*rows).drop(AT, SINCE, DAY)


def outcomes(rows: pl.DataFrame, table: pl.DataFrame) -> list[str]:
    return compare(rows, table).live["outcome"].to_list()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (0.1 + 0.2, 0.3, False),
        (0.3, 0.3, True),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (None, 0.0, False),
        (None, None, True),
    ],
)
def test_values_are_compared_to_the_bit(one: float | None, other: float | None, *, equal: bool) -> None:
    assert outcomes(live(("BTC", 3, one)), batch(("BTC", 3, other))) == ["equal" if equal else "different"]


def test_each_row_has_its_outcome_and_the_first_value_that_differs_comes_first() -> None:
    rows = live(("ETH", 4, 2.0), ("BTC", 4, 1.0), ("BTC", 3, 1.0), ("BTC", 5, 1.0), ("BTC", 6, 1.0), ("NEW", 3, 1.0))
    table = batch(("ETH", 4, 2.5), ("BTC", 4, 1.5), ("BTC", 3, 1.0), ("BTC", 5, 1.0), ("ETH", 3, 0.0))
    found = compare(rows, table)
    assert found.live["outcome"].to_list() == ["different", "different", "equal", "equal", "waits", "waits"]
    assert found.values.drop("row").rows() == [
        ("BTC", START + 4 * HOUR, "x", "1.0", "1.5"),
        ("ETH", START + 4 * HOUR, "x", "2.0", "2.5"),
    ]


def test_a_row_that_the_batch_has_not_and_rows_of_other_code_are_told_apart() -> None:
    found = compare(live(("BTC", 3, 1.0)), batch(("BTC", 4, 1.0)))
    assert found.values.drop("row").rows() == [("BTC", START + 3 * HOUR, "", "a row", "none")]
    assert outcomes(live(("BTC", 3, 1.0), version="old"), batch(("BTC", 3, 2.0))) == ["other code"]
    assert outcomes(live(("BTC", 3, 1.0)), batch().drop("x")) == ["waits"]


def candles(*rows: tuple[int, float, float]) -> pl.DataFrame:
    """Versions of candles of BTC: hour, close, hours after the start at which it was known."""
    return pl.DataFrame(
        [("BTC", START + hour * HOUR, close, START + known * HOUR) for hour, close, known in rows],
        {"symbol": pl.String, "open_time": TIME, "close": pl.Float64, "known_at": TIME},
        orient="row",
    )


def spans(stored: pl.DataFrame, told: pl.DataFrame) -> Mapping[int, list[tuple[float, float]]]:
    """By hour of the candle, from when until when the live process had another one; before 0 and after 99 is always."""

    def hours(time: datetime) -> float:
        return min(max((time - START) / HOUR, 0), 99)

    found: dict[int, list[tuple[float, float]]] = {}
    for _, opened, first, last in changed(stored, told, LOADED, ["close"]).sort("open_time", "first").iter_rows():
        found.setdefault(round(hours(opened)), []).append((hours(first), hours(last)))
    return found


def test_a_candle_is_another_one_until_it_was_known_live_as_it_is_now() -> None:
    loaded, streamed = candles((0, 1.0, 1.0), (1, 2.0, 2.0)), candles((2, 3.0, 3.1))
    assert spans(pl.concat([loaded, streamed]), streamed) == {0: [(0, 1)], 1: [(0, 2)], 2: [(0, 3.1)]}
    fixed = candles((2, 3.5, 4.5))
    assert spans(pl.concat([loaded, streamed, fixed]), pl.concat([streamed, fixed]))[2] == [(0, 3.1), (3.1, 4.5)]
    assert spans(pl.concat([loaded, streamed, fixed]), streamed)[2] == [(0, 3.1), (3.1, 99)], "only the batch knows it"
    assert spans(loaded, streamed)[2] == [(3.1, 99)], "the journal is not merged yet"
    fetched = candles((2, 3.0, 5.0))
    assert spans(pl.concat([loaded, fetched]), streamed)[2] == [(0, 3.1), (3.1, 3.1)][:1], "the batch has the same"
    assert spans(pl.concat([loaded, candles((3, 4.0, 9.0))]), streamed)[3] == [(0, 99)], "it never came live"


def test_a_row_rests_on_candles_of_its_own_reach_and_symbol_and_time_of_computing() -> None:
    different = compare(
        live(("BTC", 4, 1.0), ("BTC", 8, 1.0), ("ETH", 4, 1.0)), batch(("BTC", 9, 0.0), ("ETH", 9, 0.0))
    )
    rows = different.different
    assert rows.height == 3
    first = candles((2, 3.0, 3.0))
    late = changed(pl.concat([first, candles((2, 3.5, 6.0))]), first, LOADED, ["close"])
    assert corrected(rows, late, 2 * HOUR, frozenset()).to_list() == [0]
    assert sorted(corrected(rows, late, 2 * HOUR, None)) == [0, 2]
    assert sorted(corrected(rows, late, 2 * HOUR, frozenset({"BTC"}))) == [0, 2]
    assert corrected(rows, late, 2 * HOUR, frozenset({"SOL"})).to_list() == [0]
    assert corrected(rows, late, HOUR, frozenset()).to_list() == [], "out of reach"
    assert sorted(corrected(rows, late, 9 * HOUR, frozenset())) == [0, 1], "the batch alone knew the correction"
    told = pl.concat([first, candles((2, 3.5, 6.0))])
    known = changed(told, told, LOADED, ["close"])
    assert corrected(rows, known, 9 * HOUR, frozenset()).to_list() == [0], "at 8 it was known live"


def test_a_row_may_rest_on_a_model_that_was_replaced_since_the_process_loaded_it() -> None:
    rows = compare(live(("BTC", 4, 1.0)), batch(("BTC", 9, 0.0))).different

    def numbers(*published: float, month: str = "2024-01") -> list[int]:
        versions = [FittedVersion(str(hour), START + hour * HOUR, "") for hour in published]
        return refitted(rows, {month: versions}, 2 * HOUR).to_list()

    assert numbers(3) == []
    assert numbers(5) == [0]
    assert numbers(1, 3) == [0]
    assert numbers(0, 1) == []
    assert numbers(5, month="2023-12") == []


def test_an_online_row_that_live_published_ahead_of_the_table_must_be_as_it_was_kept() -> None:
    table, until = batch(("BTC", 3, 1.0), ("ETH", 3, 2.0)), START + 4 * HOUR
    online, ahead = batch(("BTC", 4, 1.5), ("ETH", 3, 2.0)), batch(("BTC", 4, 1.2), ("BTC", 4, 1.5))

    def problems(rows: pl.DataFrame | None) -> list[tuple[str, str]]:
        found = differences(table, online, ["symbol"], ["x"], until, ahead=rows)
        return [(one.entity, one.problem) for one in found]

    assert problems(None) == [("BTC", "unknown")]
    assert problems(ahead) == []
    assert problems(ahead.head(1)) == [("BTC", "value")]
    assert problems(batch(("BTC", 4, 1.5), ("ETH", 4, 9.0))) == [], "what is not online yet is not missed"
