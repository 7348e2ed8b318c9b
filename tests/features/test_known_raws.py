"""A correction of another venue or of funding is not known before it came."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from crypto_features.known.past import PUBLISHED, Past
from crypto_features.lake.history import history
from crypto_features.tables.months import month_span
from tests.features.disk_lake import HOUR, DiskLake
from tests.features.test_venues import HERE, MONTHS, NOW, RATES, THERE, catalog
from tests.market.market import Offer

DAY = timedelta(days=1)
CORRECTED = month_span("2024-02")[0] + 4 * DAY
LATER = NOW + DAY
FEATURES = ("gap", "mean_3", "rate")


def rates(hit: pl.Expr) -> pl.DataFrame:
    return RATES.with_columns(pl.when(hit).then(pl.lit(0.5)).otherwise("rate").alias("rate"))


def prices(hit: pl.Expr) -> pl.DataFrame:
    moved = pl.when(hit).then(pl.col("close") * 2).otherwise("close")
    return THERE.with_columns(moved.alias("close"), high=pl.max_horizontal("high", moved))


@pytest.mark.parametrize(
    ("name", "venue", "corrected", "time"),
    [
        ("funding", "binance contract USDT", rates, CORRECTED),
        ("candles_okx", "okx spot USDT", prices, CORRECTED - HOUR),
    ],
)
def test_rows_of_then_hold_what_was_known_then(
    tmp_path: Path, name: str, venue: str, corrected: Callable[[pl.Expr], pl.DataFrame], time: datetime
) -> None:
    lake = DiskLake(tmp_path, catalog, MONTHS)
    lake.take("candles", Offer(HERE, venue="binance spot USDT"), NOW)
    lake.take("candles_okx", Offer(THERE, venue="okx spot USDT"), NOW)
    lake.take("funding", Offer(RATES, venue="binance contract USDT"), NOW)
    lake.build(NOW)
    then = lake.table("premium").read()
    lake.take(name, Offer(corrected((pl.col("open_time") == time) & (pl.col("symbol") == "BTC")), venue=venue), LATER)
    lake.build(LATER)
    now = lake.table("premium").read()
    day = (pl.col("symbol") == "BTC") & (pl.col("event_timestamp") == CORRECTED + DAY)
    assert not now.filter(day).equals(then.filter(day))

    entities = pl.DataFrame({"symbol": ["BTC", "BTC", "ETH"], "time": [CORRECTED + DAY, LATER, CORRECTED + DAY]})
    entities = entities.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
    past = Past(history(lake.root, catalog, interval=HOUR, wait=HOUR), {"premium": FEATURES}, entities)
    assert (past.numbers[0] != PUBLISHED, past.numbers[2]) == (True, PUBLISHED)
    state = next(one for one in past.states if one.number == past.numbers[0])
    known = past.rows("premium", state).filter(day)
    assert known.select(FEATURES).equals(then.filter(day).select(FEATURES))
