"""A feature's version is its behaviour: a digest of its values on the probe market.

Values count to six significant digits of the feature's scale on each symbol, so the last bits of another library or
machine do not show. Renaming a helper changes nothing; changing a constant, here or in what the group reads, does.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

import polars as pl

from crypto_features.features.declaration import Feature, FeatureGroup
from crypto_features.features.months import months_between
from crypto_features.features.partition import compute_partition
from crypto_features.features.probe_market import DAYS, HOUR, START, probe_market
from crypto_features.features.registry import GROUPS
from crypto_features.features.upstream import tables

DIGITS = 6
_OFFSET = 0.381966
"""Moves the limits of rounding to where no price in whole ticks, nor a mean of some, can lie."""
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def fingerprint(group: FeatureGroup) -> str:
    """The group's version: the fingerprints of its features by name, whatever their order."""
    return _digest(f"{name}={value}" for name, value in sorted(feature_fingerprints(group).items()))


def feature_fingerprints(group: FeatureGroup) -> Mapping[str, str]:
    """Each feature's version."""
    inputs = tables(group, probe_market(), interval=HOUR)
    months = months_between(START, START + timedelta(days=DAYS))
    rows = pl.concat(compute_partition(group, inputs, month, interval=HOUR) for month in months)
    lookback = ",".join(f"{i.table}:{i.lookback}" for i in group.inputs)
    return {f.name: _behaviour(f, rows, lookback if f.recursive else "") for f in group.features}


def regime_model_fingerprint() -> str:
    """The version of the fit: the parameters that it finds on the probe market, month by month."""
    models = tables(GROUPS["regime_features"], probe_market(), interval=HOUR)["regime_model"]["parameters"]
    return _digest(_NUMBER.sub(_rounded, text.partition(",")[2]) for text in models)


def _behaviour(feature: Feature, rows: pl.DataFrame, lookback: str) -> str:
    """Digest of one column; a recursive value also depends on how far back its window is anchored."""
    parts = [str(feature.dtype), lookback]
    for part in rows.partition_by("symbol", maintain_order=True):
        values = part[feature.name]
        if feature.dtype.is_float():
            values = (values / _quantum(values) + _OFFSET).floor().cast(pl.Int64)
        parts += [part["symbol"][0], *(str(value) for value in values)]
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
