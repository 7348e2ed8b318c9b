"""A table's version is its behaviour: digests of its values on the probe market, column by column.

Values count to six significant digits of the column's scale on each symbol, so the last bits of another library or
machine do not show. Renaming a helper changes nothing; changing a constant, here or in what the table reads, does.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl

from crypto_features.compute.resample import resample
from crypto_features.tables.artefact import opened, written
from crypto_features.tables.bars import DAY, Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import least
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import MONTH, months_between
from crypto_features.tables.others import read_by_name
from crypto_features.tables.partition import compute_partition
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table
from crypto_features.versions.probe_market import (
    interrupted_market,
    probe_candle,
    probe_history,
    probe_market,
    with_symbols,
)

DIGITS = 6
_OFFSET = 0.381966
"""Moves the limits of rounding to where no price in whole ticks, nor a mean of some, can lie."""
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def table_fingerprints(catalog: Catalog) -> dict[str, Mapping[str, str]]:
    """The version of each column of every table that is computed, by table."""
    return {table.name: column_fingerprints(table) for table in catalog.computed}


def fingerprint(group: FeatureGroup) -> str:
    """The group's version."""
    return combined(feature_fingerprints(group))


def combined(fingerprints: Mapping[str, str]) -> str:
    """The version of a table: the fingerprints of its columns by name, whatever their order."""
    return _digest(f"{name}={value}" for name, value in sorted(fingerprints.items()))


def column_fingerprints(table: Table) -> Mapping[str, str]:
    """The version of each column of a computed table."""
    if isinstance(table, FeatureGroup):
        return feature_fingerprints(table)
    if isinstance(table, FittedModel):
        return {"parameters": _fit_fingerprint(table)}
    if isinstance(table, Bars):
        return _bar_fingerprints(table)
    raise TypeError(type(table))


def feature_fingerprints(group: FeatureGroup) -> Mapping[str, str]:
    """Each feature's version."""
    candle, extra = probe_candle(group), read_by_name(group)
    inputs = {source.table.name: _on_probes(source.table, candle, extra) for source in group.inputs}
    rows = pl.concat(compute_partition(group, inputs, month, interval=candle) for month in _months(candle))
    lookback = ",".join(f"{i.name}:{i.lookback}" for i in group.inputs)
    return {
        f.name: _behaviour(
            rows, f.name, "event_timestamp", f"{f.dtype} {least(group)} {lookback if group.function else ''}"
        )
        for f in group.features
    }


def _bar_fingerprints(bars: Bars) -> Mapping[str, str]:
    """The version of each column of resampled bars, while one of them is not over."""
    candle = probe_candle(bars)
    rows = resample(interrupted_market(candle), candle, bars.bar(candle))
    return {name: _behaviour(rows, name, "open_time", str(rows.schema[name])) for name in bars.columns}


def _fit_fingerprint(model: FittedModel) -> str:
    """The version of a fit: the parameters that it finds on the probe market, month by month."""
    candle = probe_candle(model)
    fitted = _on_probes(model, candle).filter(pl.col("month").is_in(_months(candle)))["parameters"]
    return _digest(_NUMBER.sub(_rounded, _without_files(text).partition(",")[2]) for text in fitted)


def _without_files(text: str) -> str:
    """An artefact with the numbers of its arrays in place of their bytes, so that last bits do not show in them."""
    model = opened(text)
    arrays = {name: value for name, value in model.parameters.items() if isinstance(value, np.ndarray)}
    if not arrays:
        return text
    plain = written({k: v for k, v in model.parameters.items() if k not in arrays}, model.about, model.notes)
    return plain + "".join(f"{name} {array.dtype.str} {array.tolist()}" for name, array in arrays.items())


@cache
def _on_probes(table: Table, candle: timedelta, extra: tuple[str, ...] = ()) -> pl.DataFrame:
    """A table on the probe market; a model's months without a fingerprint are assumed, not fitted.

    Args:
        table: The table.
        candle: Length of the market's candles.
        extra: Symbols that are read by their name, and added to the market.
    """
    if isinstance(table, RawTable):
        return table.stand_in(with_symbols(probe_market(candle=candle), extra), candle)
    if isinstance(table, Bars):
        length = table.bar(candle)
        bars = resample(_on_probes(table.of, candle, extra), candle, length)
        if length < DAY:
            return bars
        history = resample(with_symbols(probe_history(), extra), DAY, length)
        return pl.concat([history, bars]).sort("symbol", "open_time")
    if isinstance(table, FittedModel):
        rows, months = _on_probes(table.of, candle, extra), _months(candle)
        earlier = sorted({*rows.select(MONTH.unique()).to_series()} - {*months})
        return pl.concat([table.assumed(rows, earlier), table.fitted(rows, months)])
    inputs = {source.table.name: _on_probes(source.table, candle, extra) for source in table.inputs}
    return table.whole(inputs, candle)


def _months(candle: timedelta) -> tuple[str, ...]:
    """The months on which versions are measured: those of the probe market, and the last of its history."""
    times = probe_market(candle=candle)["open_time"]
    return months_between(times.min() - DAY, times.max() + candle)  # type: ignore[operator, arg-type] # times


def _behaviour(rows: pl.DataFrame, column: str, time: str, declared: str) -> str:
    """Digest of one column and of the times of its rows.

    It also depends on the completeness that a bar needs, and one of a function on how far back its inputs begin: they
    are part of what is `declared`.
    """
    parts = [declared]
    for part in rows.partition_by("symbol", maintain_order=True):
        values = part[column]
        if values.dtype == pl.List:
            parts += map(str, values.list.len())
            values = values.explode(empty_as_null=False)
        if values.dtype.is_float():
            quantum = _quantum(values)
            parts.append(f"{quantum:.0e}")
            values = (values / quantum + _OFFSET).floor().cast(pl.Int64)
        parts += [part["symbol"][0], *(str(value) for value in (*part[time].to_physical(), *values))]
    return _digest(parts)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.{DIGITS}g}"


def _quantum(values: pl.Series) -> float:
    """The last significant digit; a scale of 99.99999 counts as 100, or last bits of the largest value would show."""
    largest = values.abs().max()
    scale = float(f"{largest:.3g}") if isinstance(largest, float) and largest > 0 else 1.0
    return 10.0 ** (math.floor(math.log10(scale)) - DIGITS + 1)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()
