"""The pictures of a feature table, which its newest partition carries as metadata."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from crypto_features.graph import plots
from crypto_features.graph.lake import LakeResource, read_any
from crypto_features.lake.candles import current
from crypto_features.tables.group import FeatureGroup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_SYMBOL = "BTC"
MONTHS = 36
"""How many months the pictures of history go back."""


def pictures(group: FeatureGroup, lake: LakeResource) -> Mapping[str, dg.MetadataValue]:
    """What a person would rather look at than read: distributions, nulls, and prices with signals or regimes."""
    table = lake.table(group.name)
    rows = read_any(table, table.months()[-MONTHS:])
    names = [feature.name for feature in group.features]
    symbols = rows["symbol"].unique().sort().to_list()
    symbol = SHOWN_SYMBOL if SHOWN_SYMBOL in symbols else next(iter(symbols), SHOWN_SYMBOL)
    drawn = {
        "distributions": _picture(lambda: plots.feature_distributions(rows, names), "feature distributions"),
        "nulls": _picture(lambda: plots.null_heat_map(rows, names), "share of nulls by month and symbol"),
    }
    if "target_price" in names:
        drawn["signals"] = _picture(
            lambda: plots.price_with_signals(current(_newest(lake, lake.raw.name, 2)), rows, symbol),
            f"{symbol} with signals",
        )
    if "regime_label" in names:
        drawn["regimes"] = _picture(
            lambda: plots.regime_ribbon(_newest(lake, "daily_candles", MONTHS), rows, symbol), f"{symbol} with regimes"
        )
    return drawn


def _picture(draw: Callable[[], "Figure"], alt: str) -> dg.MetadataValue:
    """The picture as metadata; a text if it cannot be drawn: the table that it adorns is published already."""
    try:
        return plots.inline(draw(), alt)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a picture, the table is right.
        return plots.left_out(alt, repr(error))


def _newest(lake: LakeResource, name: str, months: int) -> pl.DataFrame:
    table = lake.table(name)
    return table.read(table.months()[-months:])
