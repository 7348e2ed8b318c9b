"""Whether the newest values of a feature table are distributed as its values before."""

from datetime import timedelta

import dagster as dg
import polars as pl

from crypto_features import plots
from crypto_features.graph.checks.finding import Finding, rows
from crypto_features.graph.inline import inline
from crypto_features.graph.lake import read_any
from crypto_features.lake.table import Table
from crypto_features.tables.drift import Drift, watched
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import months_between
from crypto_features.training.drift import drift

NAMED = 5
"""How many of the features and symbols that drifted the sentence names."""


def undrifted(table: Table, group: FeatureGroup, interval: timedelta) -> Finding:
    """No feature of a symbol stands out among all that are watched.

    Args:
        table: The group's table.
        group: The declaration.
        interval: Length of a base candle.
    """
    how, names = group.drift or Drift(), watched(group)
    found = drift(_newest(table, how.history * group.bar(interval), names), names, how)
    unusual = found.filter("unusual").sort("p", "feature", "symbol")
    drifted = unusual.filter("drifted")
    first = [f"{feature} of {symbol}" for feature, symbol in drifted.select("feature", "symbol").iter_rows()]
    more = f" and {len(first) - NAMED} more" if len(first) > NAMED else ""
    chance = how.level * found.height
    said = f"{', '.join(first[:NAMED])}{more} drifted." if first else "None stands out."
    return Finding(
        passed=not first,
        text=f"{unusual.height} of {found.height} watched features by symbol are unusual in their newest {how.window} "
        f"values, where chance gives {chance:.1f}. {said}",
        todo=f"compare the picture with the candles: a change of the source or of its units shows in all features of a "
        f"symbol, a change of the market in all symbols. Then look at what reads {group.name}: a model may need to be "
        "fitted again. Nothing is held back.",
        facts={
            "unusual": rows(unusual),
            "memory in values": dg.MetadataValue.json(
                dict(found.select("feature", pl.col("memory").round(1)).iter_rows())
            ),
            "picture": inline(plots.drift_map(found), "how unusual the newest values are"),
        }
        if found.height
        else {},
    )


def _newest(table: Table, span: timedelta, names: tuple[str, ...]) -> pl.DataFrame:
    """The watched columns of the newest months; null where a month was written without one."""
    newest = table.collect(table.scan(table.months()[-1:]).select(pl.col(table.time).max())).item()
    since = months_between(newest - span, newest)[0]
    read = read_any(table, [month for month in table.months() if month >= since])
    absent = [pl.lit(None, pl.Float64).alias(name) for name in names if name not in read.columns]
    return read.with_columns(absent).select("symbol", table.time, *names)
