"""How the values of each feature are distributed, as small multiples."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crypto_features.plots.style import ACCENT, INK, LINE, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 5
BINS = 40
SHOWN_SYMBOLS = 20
"""How many symbols have a line of their own: as many as can be seen apart."""


def feature_distributions(
    table: pl.DataFrame, features: Sequence[str], title: str = "Feature distributions"
) -> "Figure":
    """One panel per feature, from its 0.5 % to its 99.5 % quantile: a line per symbol, and the median of all rows.

    Each line has an area of 1, so that symbols with a short history show as clearly. Of more than `SHOWN_SYMBOLS` those
    with most rows are drawn. Texts are counted over all symbols.
    """
    rows = max(1, math.ceil(len(features) / COLUMNS))
    drawn, axes = figure(rows, min(COLUMNS, max(1, len(features))), height=0.5 + 1.15 * rows, title=title)
    for one, name in zip(axes, features, strict=False):
        values = table[name].drop_nulls()
        one.set_title(name, fontsize=7, color=INK, pad=2)
        one.set_yticks([])
        if values.dtype == pl.String:
            counts = values.value_counts(sort=True)
            one.bar(counts[name].to_list(), counts["count"].to_list(), color=LINE)
        elif values.len():
            numbers = values.cast(pl.Float64).to_numpy()
            low, median, high = np.quantile(numbers, [0.005, 0.5, 0.995])
            for own in _by_symbol(table, name):
                one.hist(
                    own, BINS, range=(low, high), density=True, histtype="step", color=LINE, alpha=0.5, linewidth=0.7
                )
            one.axvline(median, color=ACCENT, linewidth=0.9)
            one.locator_params(axis="x", nbins=2)
    for unused in axes[len(features) :]:
        unused.set_visible(False)
    return drawn


def _by_symbol(table: pl.DataFrame, name: str) -> list[np.ndarray]:
    """The values of a feature of each symbol, those with most first; of symbols with two values or more."""
    rows = table.select("symbol", pl.col(name).cast(pl.Float64)).drop_nulls()
    parts = sorted(rows.partition_by("symbol"), key=lambda part: part.height, reverse=True)
    return [part[name].to_numpy() for part in parts[:SHOWN_SYMBOLS] if part[name].n_unique() > 1]
