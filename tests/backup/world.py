"""A data folder that a small project filled, and what is to be found in one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from upath import UPath

from crypto_features.lake.table import Table
from crypto_features.store import FeastResource
from crypto_features.store.publish_view import publish_view
from crypto_features.store.switch import disabled
from crypto_features.tables.completeness import completeness_columns
from feature_repo import get_online_features
from tests.market.market import candles
from tests.sharing.owner import price_features

ROOT = Path(__file__).parents[2]
MONTHS = ("2024-01", "2024-02")
NOW = datetime(2024, 2, 20, 0, 30, tzinfo=UTC)
SETTINGS = {
    "CRYPTO_FEATURES_CATALOG": "tests.sharing.owner:catalog",
    "CRYPTO_FEATURES_CLOCK": NOW.isoformat(),
    "CRYPTO_FEATURES_SYMBOLS": "BTC,ETH",
}
REFS = ["price_features:return_20d", "price_features:rsi_14"]


@contextmanager
def settings(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """Inside it this process works on that data folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name, value in {**SETTINGS, "CRYPTO_FEATURES_DATA": str(folder)}.items():
            patch.setenv(name, value)
        yield patch


def table(folder: Path, name: str) -> Table:
    """A table of the project."""
    return Table(UPath(folder), name, time="open_time" if name == "candles" else "event_timestamp")


def build_all(folder: Path) -> None:
    """Two months of candles, days and features of two symbols, applied and published."""
    hours = candles("BTC", "ETH", start=datetime(2024, 1, 1, tzinfo=UTC), count=51 * 24)
    closes = hours.filter(pl.col("open_time").dt.hour() == 0).drop("high", "low")
    days = closes.rename({"open_time": "event_timestamp"}).with_columns(created_timestamp="event_timestamp")
    columns = completeness_columns(price_features)
    features = days.select(
        "symbol",
        "event_timestamp",
        *(pl.lit(1.0).alias(name) for name in columns),
        return_20d=pl.col("close") / 100,
        rsi_14=pl.col("close") % 100,
        created_timestamp="event_timestamp",
    )
    for name, rows in (("candles", hours), ("daily_candles", days), ("price_features", features)):
        one = table(folder, name)
        for month in MONTHS:
            one.publish(month, rows.filter(pl.col(one.time).dt.strftime("%Y-%m") == month))
    with settings(folder):
        FeastResource().apply()
        publish_view("price_features", NOW - timedelta(days=2), NOW)


class Found(NamedTuple):
    """What a data folder gives.

    Args:
        digests: By table and month.
        online: Values and statuses.
        off: What is switched off and why.
    """

    digests: Mapping[str, str]
    online: tuple[Any, ...]
    off: Mapping[str, str]


def found(folder: Path) -> Found:
    """What that data folder gives."""
    tables = {name: table(folder, name) for name in ("candles", "daily_candles", "price_features")}
    digests = {f"{name} {month}": one.digest(month) for name, one in tables.items() for month in one.months()}
    with settings(folder):
        answer = get_online_features(["BTC", "ETH"], REFS)
        return Found(digests, (dict(answer), answer.statuses, answer.event_times), disabled())
