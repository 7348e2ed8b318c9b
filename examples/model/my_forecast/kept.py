"""A model beside the graph: trained on the stored training set, kept with its passport, and given nothing else."""

from pathlib import Path

import numpy as np
import polars as pl

import crypto_features as cf
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from my_forecast import AHEAD, TRAITS, numbers, traits_v1
from my_forecast.trees import boosted, forecast

PROJECT = "my_forecast"
ARRAYS, PASSPORT = "trees.npz", "passport.json"


def train(folder: Path) -> int:
    """Fit the trees on the rows of `traits_v1` and register them in a folder; how many rows there were.

    The outcome of a row is the `return_5d` of its symbol five days later.
    """
    rows = Table(Settings.load().root, f"training/{PROJECT}/{traits_v1.name}").read()
    later = rows.select("symbol", pl.col("event_timestamp") - AHEAD, outcome="return_5d")
    known = rows.join(later, on=["symbol", "event_timestamp"]).drop_nulls("outcome").sort("symbol", "event_timestamp")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / ARRAYS, allow_pickle=False, **boosted(numbers(known), known["outcome"].to_numpy()))
    cf.Passport.of_training(traits_v1.name, project=PROJECT).write(folder / PASSPORT)
    return known.height


def forecasts(folder: Path, symbols: list[str]) -> dict[str, float | None]:
    """What the model expects of each symbol's next five days; `None` where a trait is not served.

    Raises:
        PassportError: if a trait is published in another version than the model was trained on.
    """
    passport = cf.Passport.read(folder / PASSPORT)
    online = cf.get_online_features(symbols, passport.refs, passport=passport)
    rows = pl.DataFrame({name: online[name] for name in TRAITS}, dict.fromkeys(TRAITS, pl.Float64))
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        found = forecast(dict(arrays), numbers(rows))
    served = rows.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    return {s: float(value) if there else None for s, value, there in zip(symbols, found, served, strict=True)}
