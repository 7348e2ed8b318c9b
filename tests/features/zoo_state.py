"""Planted leaks that no candle shows: what the process computed before, chance, and the machine's clock."""

import os
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from crypto_features import clock
from crypto_features.compute.indicators import CLOSE
from crypto_features.shipped.regime_model import fit_regime_model
from crypto_features.tables.model import Fit, Parameters

_SCALER: dict[str, float] = {}
_MEANS: dict[str, float] = {}
_CALLS = count()
_IMPORTED = datetime.now(UTC)
_OPEN_TIME = pl.col("open_time")


def _scaled(days: pl.DataFrame) -> pl.Expr:
    if not _SCALER:
        _SCALER["mean"] = days.select(CLOSE.mean()).item()
    return CLOSE / _SCALER["mean"]


def _scaled_by_symbol(days: pl.DataFrame) -> pl.Expr:
    for symbol, mean in days.group_by("symbol").agg(CLOSE.mean()).iter_rows():
        _MEANS.setdefault(symbol, mean)
    return CLOSE / pl.col("symbol").replace_strict(_MEANS, return_dtype=pl.Float64)


def _local_hour(days: pl.DataFrame) -> pl.Expr:
    times = [datetime.fromtimestamp(time) for time in days["open_time"].dt.epoch("s")]
    return pl.lit(pl.Series([time.hour for time in times]))


STATE: Mapping[str, Callable[[pl.DataFrame], pl.Expr]] = {
    "scaler kept from the first call": _scaled,
    "scaler of each symbol kept from the first call": _scaled_by_symbol,
    "number of the call": lambda _: CLOSE * next(_CALLS),
    "unseeded noise": lambda _: CLOSE * random.random(),
    "hash of the symbol": lambda _: pl.col("symbol").map_elements(lambda s: float(hash(s)), return_dtype=pl.Float64),
    "a variable of the environment": lambda _: CLOSE * len(os.environ.get("HOME", "")),
    "the working directory": lambda _: CLOSE * len(str(Path.cwd())),
    "number of the process": lambda _: CLOSE + os.getpid(),
}
CLOCK: Mapping[str, Callable[[pl.DataFrame], pl.Expr]] = {
    "age of the row today": lambda _: (pl.lit(date.today()) - _OPEN_TIME.dt.date()).dt.total_days(),
    "today's weekday": lambda _: CLOSE * datetime.now(UTC).weekday(),
    "whether the row is recent": lambda _: datetime.now(UTC) - timedelta(days=1500) < _OPEN_TIME,
    "seconds since the row": lambda _: time.time() // 3600 - _OPEN_TIME.dt.epoch("s"),
    "today's day of the year": lambda _: CLOSE * time.gmtime().tm_yday,
    "the platform's clock": lambda _: CLOSE * clock.now().month,
    "pandas' clock": lambda _: CLOSE * pd.Timestamp.now(tz="UTC").dayofyear,
    "NumPy's clock": lambda _: CLOSE * int(np.datetime64("today").astype(int)),
    "hour in the machine's time zone": _local_hour,
    "the day of the import": lambda _: (pl.lit(_IMPORTED) - _OPEN_TIME).dt.total_days(),
}


def _shifted(rows: pl.DataFrame, month: str, by: float) -> Parameters:
    return {**fit_regime_model(rows, month), "calibration": (by, 1.0)}


FITS: Mapping[str, Fit] = {
    "regime model that counts its fits": lambda rows, month: _shifted(rows, month, next(_CALLS) / 1000),
    "regime model with unseeded noise": lambda rows, month: _shifted(rows, month, random.random()),
}
"""Fits that give other parameters when they are called with the same rows again; no fit is handed a later row."""


def process_state(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The leaks of `STATE` over daily candles."""
    return _columns(inputs["daily_candles"], STATE)


def machine_clock(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The leaks of `CLOCK` over daily candles."""
    return _columns(inputs["daily_candles"], CLOCK)


def _columns(days: pl.DataFrame, leaks: Mapping[str, Callable[[pl.DataFrame], pl.Expr]]) -> pl.DataFrame:
    columns = {name: leak(days).cast(pl.Float64) for name, leak in leaks.items()}
    return days.with_columns(event_timestamp=_OPEN_TIME + timedelta(days=1), **columns)
