"""A group that compares symbols waits for late ones as long as it declares, and says of its rows whether it did not."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import polars as pl
import pytest

import crypto_features as cf
from crypto_features.errors import InputError
from crypto_features.lake.live_rows import PARTIAL
from crypto_features.live import replay as replaying
from crypto_features.live.compute import CREATED, Following
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.raw import RawTable
from crypto_features.tables.read import Terms
from crypto_features.versions.definition.declared import feature_definitions
from tests.live import minutes, test_replay
from tests.market.market import START

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
BEGIN = START + 60 * MINUTE
CLOSES = {"A": 3.0, "B": 1.0, "C": 2.0}
trades = RawTable("trades", "Minutes.")
places = cf.FeatureGroup(
    "places",
    "Among all.",
    bars=trades,
    across="symbols",
    wait="2s",
    features=[cf.Feature("place", cf.rank("close"), "Rank of the close.", "0 to 1")],
)
behind = cf.FeatureGroup(
    "behind",
    "The place, beside the price.",
    bars=trades,
    wait="0s",
    joins=[cf.Join(places, "2m", at="close")],
    features=[cf.Feature("worth", pl.col("places.place") * pl.col("close"), "Place · close.", "price")],
)
alone = cf.FeatureGroup(
    "alone", "Of itself.", bars=trades, features=[cf.Feature("twice", 2 * pl.col("close"), "Twice.", "price")]
)
catalog = cf.Catalog(places, behind, alone)


def candle(symbol: str, number: int) -> pl.DataFrame:
    close = CLOSES[symbol]
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    row = {"symbol": symbol, "open_time": BEGIN + number * MINUTE, **prices, "volume": 1.0, "completeness": 1.0}
    return pl.DataFrame([row], CANDLES.full_schema)


@cache
def history() -> pl.DataFrame:
    return pl.concat(candle(symbol, number) for symbol in CLOSES for number in range(-5, 0))


def following() -> Following:
    tables = {"trades": history()}
    terms = Terms(MINUTE, BEGIN, 3 * MINUTE, MIN_COMPLETENESS)
    for table in catalog.computed:
        tables[table.name] = table.whole(tables, MINUTE)
    return Following(catalog, [*CLOSES], terms, lambda name, _: tables[name])


def told(rows: pl.DataFrame, column: str) -> list[tuple[object, ...]]:
    return rows.sort("symbol").select("symbol", column, PARTIAL, CREATED).rows()


def test_a_row_that_lacks_a_late_symbol_says_so_and_comes_again_when_it_lacks_none() -> None:
    live, close = following(), BEGIN + MINUTE
    here = pl.concat([candle("A", 0), candle("B", 0)])
    assert [*live.step(here, close)] == ["alone"]
    assert live.due == close + 2 * SECOND
    found = live.step(here.clear(), close + 2 * SECOND)
    assert told(found["places"], "place") == [("A", 1.0, True, close), ("B", 0.0, True, close)]
    assert told(found["behind"], "worth") == [("A", 3.0, True, close), ("B", 0.0, True, close)]
    found = live.step(candle("C", 0), close + 9 * SECOND)
    # The places of A and B are as they were; nothing is lacking to them any more.
    whole = [("A", 1.0, False, close), ("B", 0.0, False, close), ("C", 0.5, False, close)]
    assert told(found["places"], "place") == whole
    assert told(found["behind"], "worth") == [(s, place * CLOSES[s], *rest) for s, place, *rest in whole]
    assert PARTIAL not in found["alone"].columns
    assert live.due > close + 9 * SECOND


def test_what_does_not_come_as_long_as_bars_wait_is_lacking_no_more() -> None:
    live, close = following(), BEGIN + MINUTE
    here = pl.concat([candle("A", 0), candle("B", 0)])
    live.step(here, close)
    live.step(here.clear(), close + 2 * SECOND)
    assert live.due == close + 3 * MINUTE
    found = live.step(here.clear(), live.due)
    assert told(found["places"], "place") == [("A", 1.0, False, close), ("B", 0.0, False, close)]
    assert told(found["behind"], "worth") == [("A", 3.0, False, close), ("B", 0.0, False, close)]
    assert live.due > close + 3 * MINUTE


def test_a_group_waits_as_long_as_what_it_joins_and_one_that_compares_nothing_does_not() -> None:
    assert following().members.waits == {"places": 2 * SECOND, "behind": 2 * SECOND}


def test_how_long_a_group_waits_is_no_part_of_its_version() -> None:
    patient = cf.FeatureGroup(
        "places", "Among all.", bars=trades, across="symbols", features=places.features, wait="1m"
    )
    assert feature_definitions(patient) == feature_definitions(places)


def test_a_wait_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="the wait of places: 'soon' is not a duration"):
        cf.FeatureGroup("places", "", bars=trades, across="symbols", features=places.features, wait="soon")
    with pytest.raises(InputError, match=r"places declares wait=-1 day.*; expected 0 or longer"):
        cf.FeatureGroup("places", "", bars=trades, across="symbols", features=places.features, wait=timedelta(days=-1))


def test_after_any_faults_of_the_exchange_no_newest_row_is_left_partial() -> None:
    impatient = [replace(group, wait="0s") for group in (minutes.ranks, minutes.blocks)]
    was_partial = False
    for seed in range(2):
        found = replaying.replay(cf.Catalog(minutes.moves, *impatient), test_replay.stored(), seed)
        for view in ("ranks", "blocks"):
            rows = pl.concat(found.rows[view])
            was_partial = was_partial or rows[PARTIAL].any()
            newest = rows.unique(["symbol", "event_timestamp"], keep="last", maintain_order=True)
            newest = newest.filter(pl.col("event_timestamp") == pl.col("event_timestamp").max().over("symbol"))
            assert newest[PARTIAL].to_list() == [False] * 3, (seed, view)
    assert was_partial
