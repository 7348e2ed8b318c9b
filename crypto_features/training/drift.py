"""Drift: whether the newest values of a feature are distributed as its values before.

The usual thresholds (a stability index of 0.25, a Kolmogorov-Smirnov p-value of 1 %) hold for independent values. Those
of a market remember, and alarm in most cases though nothing drifts. So each distance is ranked among the
distances of earlier windows of the same feature, of all symbols: its p-value is the share of them that is as large.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from crypto_features.compute.doubling import Array
from crypto_features.compute.drift import autocorrelation_time, kolmogorov_smirnov, stability_index
from crypto_features.tables.drift import Drift

LOOKS = 3
"""Earlier windows begin a third of a window apart."""
MOST = 1999
"""Earlier windows that are compared; of more, so many at even distances, at other times of each symbol: it is prime."""
MEASURED = 50
"""Symbols of which the autocorrelation time is measured."""
FALSE_DISCOVERIES = 0.1
"""Share of drifts that are reported although there are none, of all that stand out."""
SCHEMA = pl.Schema(
    {
        "feature": pl.String(),
        "symbol": pl.String(),
        "event_timestamp": pl.Datetime("us", "UTC"),
        "psi": pl.Float64(),
        "psi_p": pl.Float64(),
        "ks": pl.Float64(),
        "ks_p": pl.Float64(),
        "p": pl.Float64(),
        "unusual": pl.Boolean(),
        "memory": pl.Float64(),
        "drifted": pl.Boolean(),
    }
)


@dataclass(frozen=True)
class _Pairs:
    """References with their windows, of the earlier windows and of the newest one of each current symbol."""

    past: Array
    now: Array
    symbols: Sequence[str]


def drift(rows: pl.DataFrame, names: Sequence[str], declared: Drift | None = None) -> pl.DataFrame:
    """How far the newest values of each feature and symbol lie from those before.

    Args:
        rows: Rows with `symbol`, `event_timestamp` and the features, or labels, or predictions; numbers, truths or
            texts. Nulls are left out.
        names: The columns that are judged.
        declared: How; by default the newest 30 values against the 365 before.

    Returns:
        One row for each column and symbol that has values enough: `feature`, `symbol`, `event_timestamp` of the newest
        value; the stability index `psi` and the Kolmogorov-Smirnov distance `ks`, with the share of earlier windows
        that are as far apart (`psi_p`, `ks_p`); `p`: the share of earlier windows of which one of the two is as rare;
        `unusual`: whether that is at most the declared level; `memory`: the autocorrelation time of the feature in
        values, the median of its symbols; `drifted`: whether one that is unusual stands out among so many (Benjamini
        and Hochberg, Controlling the False Discovery Rate, 1995, at 10 %). A column is left out while there are fewer
        earlier windows than the level needs.
    """
    how = declared or Drift()
    rows = rows.sort("symbol", "event_timestamp")
    recent = rows["event_timestamp"].unique().sort().tail(how.window).head(1)
    found = [_feature(rows, name, how, recent) for name in names]
    every = pl.concat([frame for frame in found if frame is not None] or [SCHEMA.to_frame().drop("drifted")])
    standing_out = pl.col("unusual") & _standing_out(pl.col("p"))
    return every.with_columns(standing_out.alias("drifted"))


def by_feature(found: pl.DataFrame) -> pl.DataFrame:
    """What `drift` found, one row for each feature.

    Args:
        found: The rows that `drift` gives.

    Returns:
        `feature`; how many `symbols` were judged, are `unusual` and `drifted`; the greatest `psi` and `ks`; the least
        share `p` of earlier windows that are as rare; and `until`, the newest value.
    """
    counts = [pl.len().cast(pl.Int64).alias("symbols"), pl.col("unusual", "drifted").sum().cast(pl.Int64)]
    greatest = [pl.col("psi", "ks").max(), pl.col("p").min(), pl.col("event_timestamp").max().alias("until")]
    return found.group_by("feature", maintain_order=True).agg(*counts, *greatest)


def _feature(rows: pl.DataFrame, name: str, how: Drift, recent: pl.Series) -> pl.DataFrame | None:
    """The distances of a feature; none while too few of its windows are known."""
    known = rows.select("symbol", "event_timestamp", value=_number(rows[name])).drop_nulls()
    known = known.filter(pl.col("value").is_finite())
    series = {str(symbol): part for (symbol,), part in known.group_by("symbol", maintain_order=True)}
    long = {s: part.tail(how.history) for s, part in series.items() if len(part) >= how.reference + how.window}
    current = {s: part["event_timestamp"][-1] for s, part in long.items() if part["event_timestamp"][-1] >= recent[0]}
    values = {symbol: part["value"].to_numpy() for symbol, part in long.items()}
    pairs = _pairs(values, current, how)
    if not current or len(pairs.past) < 1 / how.level - 1:
        return None
    columns: dict[str, Array] = {}
    rarest_past, rarest_now = np.ones(len(pairs.past)), np.ones(len(pairs.now))
    for short, distance in (("psi", stability_index), ("ks", kolmogorov_smirnov)):
        past, now = distance(pairs.past, how.reference), distance(pairs.now, how.reference)
        share = _share_above(past, now)
        rarest_past = np.minimum(rarest_past, _as_far(past, past) / len(past))
        rarest_now = np.minimum(rarest_now, share)
        columns |= {short: now, f"{short}_p": share}
    p = _share_above(-rarest_past, -rarest_now)
    remembered = [autocorrelation_time(values[symbol]) for symbol in pairs.symbols[:MEASURED]]
    return pl.DataFrame(
        {
            "feature": name,
            "symbol": pairs.symbols,
            "event_timestamp": [current[symbol] for symbol in pairs.symbols],
            **columns,
            "p": p,
            "unusual": p <= how.level,
            "memory": float(np.median(remembered)),
        },
        schema={name: dtype for name, dtype in SCHEMA.items() if name != "drifted"},
    )


def _pairs(series: Mapping[str, Array], current: Collection[str], how: Drift) -> _Pairs:
    """Earlier windows overlap each other, but not the newest one; of very many, those of all symbols are thinned."""
    size, step = how.reference + how.window, how.window // LOOKS
    windows = {symbol: np.lib.stride_tricks.sliding_window_view(values, size) for symbol, values in series.items()}
    earlier = [every[: len(every) - how.window][::-step] for every in windows.values()]
    starts = np.cumsum([0, *map(len, earlier)])
    chosen = np.arange(starts[-1]) if starts[-1] <= MOST else np.arange(MOST) * starts[-1] // MOST
    own = pairwise(np.searchsorted(chosen, starts))
    past = [every[chosen[a:b] - start] for every, (a, b), start in zip(earlier, own, starts[:-1], strict=True)]
    empty, symbols = np.empty((0, size)), [symbol for symbol in windows if symbol in current]
    now = [windows[symbol][-1:] for symbol in symbols]
    return _Pairs(np.concatenate([empty, *past]), np.concatenate([empty, *now]), symbols)


def _as_far(past: Array, values: Array) -> Array:
    """How many past values are as great as each value."""
    return len(past) - np.searchsorted(np.sort(past), values, side="left").astype(np.float64)


def _share_above(past: Array, now: Array) -> Array:
    """The share that is as great as each value, of past values and the value itself."""
    return (1 + _as_far(past, now)) / (1 + len(past))


def _number(values: pl.Series) -> pl.Series:
    """A column as numbers: of texts the place of each among all that there are."""
    if values.dtype == pl.String:
        values = values.rank("dense")
    return values.cast(pl.Float64)


def _standing_out(p: pl.Expr) -> pl.Expr:
    """Whether each p-value belongs to the drifts that stand out among all of them."""
    limit = FALSE_DISCOVERIES * p.rank("max") / p.len()
    return p <= p.filter(p <= limit).max().fill_null(-1)
