"""What an operator looks for first: holes, rejected candles, and what is late."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.durations import spoken
from crypto_features.plots.style import ACCENT, BAD, GOOD, INK, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LABELS = 12
"""How many months are named: as many as stand beside each other."""
SHOWN_SYMBOLS = 40
"""How many symbols a heat map shows: as many as can be read."""


def null_heat_map(table: pl.DataFrame, features: Sequence[str], *, time: str = "event_timestamp") -> "Figure":
    """The share of null feature values by month (across) and symbol (down): warm-up at a listing, holes later.

    Of more than `SHOWN_SYMBOLS` symbols those with most nulls are drawn.

    Args:
        table: Rows with `symbol`, the time column and the features.
        features: Columns that are counted.
        time: The time column.
    """
    share = (
        table.with_columns(month=(pl.col(time) - pl.duration(microseconds=1)).dt.strftime("%Y-%m"))
        .group_by("symbol", "month")
        .agg(nulls=pl.mean_horizontal(pl.col(features).is_null()).mean())
    )
    title = "Share of null values by month and symbol"
    worst = share.group_by("symbol").agg(pl.col("nulls").mean()).sort("nulls", "symbol", descending=[True, False])
    if worst.height > SHOWN_SYMBOLS:
        title += f": the {SHOWN_SYMBOLS} of {worst.height} symbols with most"
        share = share.join(worst.head(SHOWN_SYMBOLS), on="symbol", how="semi")
    months, symbols = sorted(share["month"].unique()), sorted(share["symbol"].unique(), reverse=True)
    drawn, (axes,) = figure(height=1.1 + 0.2 * max(1, len(symbols)), title=title)
    axes.grid(visible=False)
    if share.height:
        grid = share.pivot("month", index="symbol", values="nulls").sort("symbol", descending=True).select(months)
        mesh = axes.pcolormesh(
            range(len(months) + 1), range(len(symbols) + 1), grid.to_numpy(), cmap="cividis", vmin=0, vmax=1
        )
        every = math.ceil(len(months) / MOST_LABELS)
        axes.set_xticks([i + 0.5 for i in range(0, len(months), every)], months[::every])
        axes.set_yticks([i + 0.5 for i in range(len(symbols))], symbols)
        bar = drawn.colorbar(mesh, ax=axes, pad=0.01)
        bar.ax.tick_params(colors=INK, labelsize=7)
        bar.outline.set_visible(False)
    return drawn


def quarantine_by_rule(quarantine: pl.DataFrame) -> "Figure":
    """How many rejected candles broke each `rule`."""
    counts = quarantine["rule"].value_counts(sort=True).reverse()
    drawn, (axes,) = figure(
        height=0.9 + 0.25 * max(1, counts.height), title=f"{quarantine.height:,} candles in quarantine"
    )
    bars = axes.barh(counts["rule"].to_list(), counts["count"].to_list(), color=BAD, height=0.6)
    axes.bar_label(bars, color=INK, fontsize=7, padding=3)
    axes.margins(x=0.1)
    return drawn


def freshness(newest: pl.DataFrame, now: datetime) -> "Figure":
    """The age of each table's newest row against the age at which it stops being served.

    Args:
        newest: One row a table: `table`, `event_timestamp` (newest), `allowed` (duration).
        now: The time that ages are measured against.
    """
    rows = newest.with_columns(
        share=(pl.lit(now).cast(pl.Datetime("us", "UTC")) - pl.col("event_timestamp")).dt.total_seconds()
        / pl.col("allowed").dt.total_seconds()
    ).sort("share")
    drawn, (axes,) = figure(
        height=0.9 + 0.25 * max(1, rows.height), title="Age of the newest row, as a share of what is allowed"
    )
    shares = rows["share"].to_list()
    colours = [GOOD if share <= 1 else BAD for share in shares]
    bars = axes.barh(rows["table"].to_list(), [min(share, 2.0) for share in shares], color=colours, height=0.6)
    ages = [spoken(now - newest_row) for newest_row in rows["event_timestamp"].to_list()]
    axes.bar_label(bars, labels=ages, color=INK, fontsize=7, padding=3)
    axes.axvline(1, color=ACCENT, linewidth=1)
    axes.set_xlim(0, 2.3)
    axes.set_xticks([0, 0.5, 1, 1.5, 2], ["0", "½", "allowed", "1½", "≥ 2"])
    return drawn
