"""The pictures of a feature table, which its newest partition carries as metadata."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from crypto_features import plots
from crypto_features.catalogs import current_catalog
from crypto_features.graph.inline import inline, left_out
from crypto_features.graph.lake import LakeResource, read_any
from crypto_features.lake.candles import current
from crypto_features.tables.catalog import clock_of
from crypto_features.tables.group import FeatureGroup, Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_SYMBOL = "BTC"
MONTHS = 36
"""How many months the pictures of history go back."""
RAW_MONTHS = 2
"""How many months of base candles a picture is given."""


def pictures(group: FeatureGroup, lake: LakeResource) -> Mapping[str, dg.MetadataValue]:
    """What a person would rather look at than read: distributions, nulls, and what the group itself declares."""
    table = lake.table(group.name)
    rows = read_any(table, table.months()[-MONTHS:])
    names = [feature.name for feature in group.features]
    symbols = rows["symbol"].unique().sort().to_list()
    symbol = SHOWN_SYMBOL if SHOWN_SYMBOL in symbols else next(iter(symbols), SHOWN_SYMBOL)
    drawn = {
        "distributions": _picture(lambda: plots.feature_distributions(rows, names), "feature distributions"),
        "nulls": _picture(lambda: plots.null_heat_map(rows, names), "share of nulls by month and symbol"),
    }
    for name, plot in group.plots.items():
        drawn[name] = _picture(partial(_drawn, lake, group, plot, rows, symbol), f"{symbol} with {name}")
    return drawn


def _picture(draw: Callable[[], "Figure"], alt: str) -> dg.MetadataValue:
    """The picture as metadata; a text if it cannot be drawn: the table that it adorns is published already."""
    try:
        return inline(draw(), alt)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a picture, the table is right.
        return left_out(alt, repr(error))


def _drawn(lake: LakeResource, group: FeatureGroup, plot: Plot, rows: pl.DataFrame, symbol: str) -> "Figure":
    clock = clock_of(group)
    raw = clock is current_catalog().raw
    table = lake.table(clock.name)
    bars = table.read(table.months()[-(RAW_MONTHS if raw else MONTHS) :])
    return plot(current(bars) if raw else bars, rows, symbol)
