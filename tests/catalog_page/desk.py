"""A desk's own catalog, with names and texts that would break a careless page, and a data folder that holds it."""

import numpy as np
import polars as pl

import crypto_features as cf
from crypto_features.lake.table import stored
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.versions.provenance import CPU_MS, PUBLISHED_AT, partition_metadata
from tests.features.markets import DAY, HOUR, START, TIME

HOSTILE = '</script><img src=x onerror="document.title=1">'

candles = cf.RawTable("candles", "Raw candles.")
days = cf.Bars("days", of=candles, every="1d", description=f"Days {HOSTILE}")
momentum = cf.FeatureGroup(
    "momentum",
    f"How far prices moved. {HOSTILE}",
    bars=days,
    ttl="2d",
    features=[
        cf.Feature("return_3", cf.price_return(3), "Close over the close 3 bars earlier, − 1.", "ratio", window=4),
        cf.Feature("mean_5", cf.window_mean(cf.CLOSE, 5), HOSTILE, "quote <b>currency</b>", window=5),
        cf.Feature("<svg onload=alert(1)>", pl.col("return_3") * 2, "Twice.", "ratio", window=4),
        cf.Feature(
            "side",
            pl.when(pl.col("return_3") > 0).then(pl.lit("UP<i>")).otherwise(pl.lit("DOWN")),
            "Which way.",
            "label",
            dtype=pl.String,
            window=4,
        ),
    ],
)
service = cf.FeatureService("desk_features", f"What our model reads. {HOSTILE}", {"momentum": ("return_3", "side")})
ahead = cf.forward_return("ahead_3d", bars=days, horizon="3d", description=f"The next three days. {HOSTILE}")
learn = cf.TrainingSet(
    "learn",
    features=["momentum:return_3", "momentum:side"],
    label=ahead,
    folds=cf.WalkForward(folds=3, embargo="3d"),
    description=f"What our model learns, as `momentum` was. {HOSTILE}",
)
catalog = cf.Catalog(momentum, cf.TrainingSet(service, rows=days), learn, project="desk")


def market(symbols: int, length: int) -> pl.DataFrame:
    """Daily bars that wander, `length` days of each symbol."""
    moves = np.random.default_rng(1).standard_normal((symbols, length)) * 0.03
    close = 100 * np.exp(moves.cumsum(axis=1))
    return pl.DataFrame(
        {
            "symbol": np.repeat([f"S{number:03}" for number in range(symbols)], length),
            "open_time": pl.Series([START + day * DAY for day in range(length)] * symbols, dtype=TIME),
            **{name: close.ravel() for name in ("open", "high", "low", "close")},
            "volume": 1.0,
            "completeness": 1.0,
        }
    )


def fill(root_catalog: Catalog, symbols: int = 6, length: int = 120) -> None:
    """Publish the days and the groups of a catalog, as its assets do, into the data folder of the settings."""
    root, rows = Settings.load().root, {"days": market(symbols, length)}
    for declared in (table for table in root_catalog.computed if table.name != "days"):
        rows[declared.name] = declared.whole(rows, HOUR)
    for name, frame in rows.items():
        table = stored(root, root_catalog, name)
        days = name == "days"
        month = pl.col(table.time).dt.offset_by("0us" if days else "-1us").dt.strftime("%Y-%m")
        whole = frame if days else frame.with_columns(created_timestamp=pl.col("event_timestamp"))
        for (key,), part in whole.group_by(month, maintain_order=True):
            fingerprints = {} if days else {column: f"{column[:3]}-1" for column in momentum.columns}
            noted = partition_metadata(part, fingerprints, {}) | {PUBLISHED_AT: "2024-06-01T00:00:00+00:00"}
            table.publish(str(key), part, noted | {CPU_MS: "12"})
