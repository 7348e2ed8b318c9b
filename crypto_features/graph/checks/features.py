"""What is asked of a feature table: columns as declared, a row a bar, values in range, no holes after warm-up."""

import math
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from crypto_features.graph.checks.finding import Finding, rows
from crypto_features.tables.completeness import COMPLETENESS, MIN_COMPLETENESS, completeness_columns, least
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.others import joined_symbols
from crypto_features.tables.warm_up import warm_up

SLACK = 1e-9
"""How far a rounding may carry a value past its bounds, as a share of what lies between them."""
NULLS_ALLOWED = 0.01


def schema(table: pl.DataFrame, group: FeatureGroup) -> Finding:
    """Columns and types are those of the declaration, in its order."""
    stamp = pl.Datetime("us", "UTC")
    expected = {"symbol": pl.String(), "event_timestamp": stamp, "created_timestamp": stamp}
    expected |= dict.fromkeys(completeness_columns(group), pl.Float64())
    expected |= {f.name: f.column_type for f in group.features}
    found = dict(table.schema)
    differ = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
    return Finding(
        passed=not differ,
        text=f"{len(found)} columns; {', '.join(differ) or 'none'} differ from the declaration.",
        todo=f"the table was written by other code: materialize {group.name} for every month, then feast_registry.",
        facts={n: dg.MetadataValue.text(f"declared {expected.get(n)}, found {found.get(n)}") for n in differ},
    )


def row_count(table: pl.DataFrame, bars: pl.DataFrame, group: FeatureGroup, length: timedelta) -> Finding:
    """There is exactly one row for each symbol and bar.

    Args:
        table: Rows of the feature table.
        bars: The bars that they were made from: `symbol` and `open_time` or `event_timestamp`.
        group: The declaration.
        length: Length of a bar.
    """
    close = pl.col("open_time") + length if "open_time" in bars.columns else pl.col("event_timestamp")
    expected = bars.select("symbol", event_timestamp=close).unique()
    keys = ["symbol", "event_timestamp"]
    absent, extra = expected.join(table, on=keys, how="anti"), table.join(expected, on=keys, how="anti")
    twice = table.height - table.select(keys).n_unique()
    return Finding(
        passed=absent.is_empty() and extra.is_empty() and not twice,
        text=f"{table.height} rows for {expected.height} bars: {absent.height} missing, {extra.height} without a bar, "
        f"{twice} double.",
        todo=f"materialize {group.name} for these months, after {group.bars.name}.",
        facts={"missing": rows(absent.sort(keys)), "without a bar": rows(extra.select(keys))}
        if absent.height or extra.height
        else {},
    )


def in_range(table: pl.DataFrame, group: FeatureGroup) -> Finding:
    """Every value is finite and within the bounds of its declaration."""
    offences = {}
    present = [f for f in group.features if f.name in table.columns and f.dtype.is_numeric()]
    for feature in present:
        wrong = _out_of_range(feature)
        count = table.select(wrong.sum()).item()
        if count:
            first = table.filter(wrong).select("symbol", "event_timestamp", feature.name).row(0)
            offences[feature.name] = (
                f"{count} values are not {feature.range or 'finite'}, the first {first[2]} of {first[0]} at "
                f"{first[1]:%Y-%m-%d %H:%M}"
            )
    bounded = {feature.name: feature.range for feature in present if feature.bounds}
    return Finding(
        passed=not offences,
        text=f"{len(offences)} of {len(group.features)} features have a value that their declaration excludes; "
        f"{len(bounded)} declare bounds.",
        todo="look at the candles of the first one: a wrong candle belongs into quarantine. If the candles are right, "
        "the feature's declaration is wrong. Nothing downstream is published until then.",
        facts={
            "bounds": dg.MetadataValue.json(bounded),
            **{name: dg.MetadataValue.text(text) for name, text in offences.items()},
        },
    )


def _out_of_range(feature: Feature) -> pl.Expr:
    value = pl.col(feature.name)
    wrong = value.is_infinite() | value.is_nan() if feature.dtype.is_float() else pl.lit(value=False)
    if feature.bounds is not None:
        low, high = feature.bounds
        slack = SLACK * (high - low) if feature.dtype.is_float() and math.isfinite(high - low) else 0.0
        wrong |= (value < low - slack) | (value > high + slack)
    return value.is_not_null() & wrong


def filled(
    table: pl.DataFrame,
    group: FeatureGroup,
    first: Mapping[str, datetime],
    interval: timedelta,
    min_completeness: float = MIN_COMPLETENESS,
) -> Finding:
    """Once a symbol has enough bars for a feature's window, at most one value in a hundred is null.

    Args:
        table: Rows of the feature table.
        group: The declaration.
        first: Close of each symbol's first bar.
        interval: Length of a base candle.
        min_completeness: Share of its candles that a bar needs: the row of one with less is rightly empty.
    """
    if COMPLETENESS in table.columns:
        table = table.filter(pl.col(COMPLETENESS) >= least(group, min_completeness))
    began = pl.col("symbol").replace_strict(dict(first), default=None, return_dtype=pl.Datetime("us", "UTC"))
    shares, length, before = {}, group.bar(interval), warm_up(group, interval)
    for feature in group.features:
        if feature.name in table.columns:
            warm = table.filter(pl.col("event_timestamp") >= began + (feature.warm_up + 1) * length + before)
            share = warm[feature.name].null_count() / max(1, warm.height)
            if share > NULLS_ALLOWED:
                shares[feature.name] = share
    return Finding(
        passed=not shares,
        text=f"{len(shares)} of {len(group.features)} features are null in more than {NULLS_ALLOWED:.0%} of the rows "
        "after their warm-up.",
        todo="look at the plot of nulls by month and symbol: a gap in the candles explains a hole; anything else is a "
        "fault of the declaration.",
        facts={name: dg.MetadataValue.float(share) for name, share in shares.items()},
    )


def joined_symbols_there(group: FeatureGroup, there: Mapping[str, Collection[str]]) -> Finding:
    """Each symbol that the group joins to all has rows.

    Args:
        group: The declaration.
        there: By joined table, the symbols that have rows in it.
    """
    named = [(symbol, table) for table, symbols in joined_symbols(group).items() for symbol in symbols]
    lacking = [(symbol, table) for symbol, table in named if symbol not in there[table]]
    places = ", ".join(f"{symbol} in {table}" for symbol, table in lacking)
    return Finding(
        passed=not lacking,
        text=f"{len(named) - len(lacking)} of {len(named)} symbols that are joined to all have rows"
        + (f"; there is no {places}, so what is computed from it is null." if lacking else "."),
        todo=f"add {','.join(sorted({symbol for symbol, _ in lacking}))} to CRYPTO_FEATURES_SYMBOLS and run "
        f"`crypto-features run`, or correct symbol= of the joins of {group.name}.",
    )
