"""Feast's case for consistent materialization, retold: online is what offline says as of the end of each window."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from tests.store import factory

HOUR = factory.hour
SYMBOLS = ["BTC", "ETH", "XRP", "NEW"]
ROWS = [
    # symbol, event, created, price: ties go by creation, a null is a value, one symbol ends early, one begins late.
    ("BTC", 1, 1, 1.0),
    ("BTC", 2, 3, 2.0),
    ("BTC", 2, 2, 2.5),
    ("BTC", 4, 4, None),
    ("ETH", 1, 1, 10.0),
    ("XRP", 3, 3, 100.0),
    ("XRP", 3, 3.5, 101.0),
    ("XRP", 5, 5, 102.0),
]


@pytest.mark.parametrize("stored", ["price", "px"])
@pytest.mark.parametrize("ttl", [timedelta(hours=2), timedelta(0)])
def test_after_each_window_online_is_what_offline_says_as_of_its_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stored: str,
    ttl: timedelta,
) -> None:
    columns = {"symbol": pl.String, "event_timestamp": pl.Object, "created_timestamp": pl.Object, stored: pl.Float64}
    rows = [
        dict(zip(columns, (symbol, HOUR(event), HOUR(created), price), strict=True))
        for symbol, event, created, price in ROWS
    ]
    factory.table(tmp_path, "prices", pl.DataFrame(rows))
    mapping: dict[str, Any] = {} if stored == "price" else {"field_mapping": {stored: "price"}}
    online = {"type": factory.ONLINE, "url": f"sqlite:///{tmp_path}/online.db", "grace_seconds": 0}
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", HOUR(0).isoformat())
    feast = factory.store(
        tmp_path, [factory.view(tmp_path, "prices", {"price": pl.Float64}, ttl=ttl, **mapping)], online=online
    )
    for half_hours in range(13):
        end = HOUR(half_hours / 2)
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", end.isoformat())
        feast.materialize(end, end)
        asked = pd.DataFrame({"symbol": SYMBOLS, "event_timestamp": end})
        offline: Any = feast.get_historical_features(asked, ["prices:price"])
        served = feast.get_online_features(["prices:price"], {"symbol": SYMBOLS}).to_dict()["price"]
        assert served == offline.to_polars()["price"].to_list(), end
