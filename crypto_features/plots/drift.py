"""How unusual the newest values of each feature are, symbol by symbol."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crypto_features.plots.style import INK, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_SYMBOLS = 40
"""How many symbols are drawn: as many as can be read."""
RAREST = 0.001
"""What is rarer has the same colour."""


def drift_map(found: pl.DataFrame) -> "Figure":
    """The share of earlier windows that lay as far from their reference, by feature (across) and symbol (down).

    Of more than `SHOWN_SYMBOLS` symbols those with the rarest values are drawn.

    Args:
        found: `feature`, `symbol` and the share `p`; each pair once.
    """
    rows = found
    title = "Share of earlier windows as far from their reference"
    rarest = rows.group_by("symbol").agg(pl.col("p").min()).sort("p", "symbol")
    if rarest.height > SHOWN_SYMBOLS:
        title += f": the {SHOWN_SYMBOLS} of {rarest.height} symbols that are furthest"
        rows = rows.join(rarest.head(SHOWN_SYMBOLS), on="symbol", how="semi")
    features = rows["feature"].unique(maintain_order=True).to_list()
    symbols = sorted(rows["symbol"].unique(), reverse=True)
    drawn, (axes,) = figure(height=1.5 + 0.2 * max(1, len(symbols)), title=title)
    axes.grid(visible=False)
    if rows.height:
        from matplotlib.colors import LogNorm

        grid = rows.pivot("feature", index="symbol", values="p").sort("symbol", descending=True).select(features)
        shares = grid.cast(pl.Float64).to_numpy()
        mesh = axes.pcolormesh(
            np.arange(len(features) + 1),
            np.arange(len(symbols) + 1),
            np.clip(shares, RAREST, 1),
            cmap="cividis_r",
            norm=LogNorm(RAREST, 1),
        )
        axes.set_xticks([i + 0.5 for i in range(len(features))], features, rotation=30, ha="right")
        axes.set_yticks([i + 0.5 for i in range(len(symbols))], symbols)
        bar = drawn.colorbar(mesh, ax=axes, pad=0.01, ticks=[0.001, 0.01, 0.1, 1], format="{x:.1%}")
        bar.ax.tick_params(colors=INK, labelsize=7)
        bar.outline.set_visible(False)
    return drawn
