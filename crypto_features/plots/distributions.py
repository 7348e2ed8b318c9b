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


def feature_distributions(
    table: pl.DataFrame, features: Sequence[str], title: str = "Feature distributions"
) -> "Figure":
    """One histogram a feature, from its 0.5 % to its 99.5 % quantile, with the median; labels as counts of rows."""
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
            one.hist(numbers, bins=BINS, range=(low, high), color=LINE, histtype="stepfilled")
            one.axvline(median, color=ACCENT, linewidth=0.9)
            one.locator_params(axis="x", nbins=2)
    for unused in axes[len(features) :]:
        unused.set_visible(False)
    return drawn
