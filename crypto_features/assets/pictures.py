"""The pictures of a feature table, which its newest partition carries as metadata."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from crypto_features.assets import plots
from crypto_features.assets.lake import LakeResource, read_any
from crypto_features.features import FeatureGroup
from crypto_features.market import current

SHOWN_SYMBOL = "BTC"
MONTHS = 36
"""How many months the pictures of history go back."""


def pictures(group: FeatureGroup, lake: LakeResource) -> Mapping[str, dg.MetadataValue]:
    """What a person would rather look at than read: distributions, nulls, and prices with signals or regimes."""
    table = lake.table(group.name)
    rows = read_any(table, table.months()[-MONTHS:])
    names = [feature.name for feature in group.features]
    drawn = {
        "distributions": plots.inline(plots.feature_distributions(rows, names), "feature distributions"),
        "nulls": plots.inline(plots.null_heat_map(rows, names), "share of nulls by month and symbol"),
    }
    symbols = rows["symbol"].unique().sort()
    symbol = SHOWN_SYMBOL if SHOWN_SYMBOL in symbols else symbols[0]
    if "target_price" in names:
        candles = current(_newest(lake, "candles", 2))
        drawn["signals"] = plots.inline(plots.price_with_signals(candles, rows, symbol), f"{symbol} with signals")
    if "regime_label" in names:
        daily = _newest(lake, "daily_candles", MONTHS)
        drawn["regimes"] = plots.inline(plots.regime_ribbon(daily, rows, symbol), f"{symbol} with regimes")
    return drawn


def _newest(lake: LakeResource, name: str, months: int) -> pl.DataFrame:
    table = lake.table(name)
    return table.read(table.months()[-months:])
