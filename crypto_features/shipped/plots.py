"""Pictures of the shipped groups: prices with the signals that were given, and above the regime that was in force."""

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.plots.style import ACCENT, BAD, GOOD, INK, LINE, REGIMES, dates, figure, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def price_with_signals(candles: pl.DataFrame, signals: pl.DataFrame, symbol: str, *, days: int = 14) -> "Figure":
    """The last days of one symbol: closes, the breakout target, and where buying opened and selling was due.

    Args:
        candles: Base candles with `symbol`, `open_time`, `close`.
        signals: Rows of `trading_signals`.
        symbol: Which one to draw.
        days: How many days before the newest signal.
    """
    drawn, (axes,) = figure(title=f"{symbol}: price and signals, last {days} days of candles")
    rows = signals.filter(symbol=symbol).sort("event_timestamp")
    interval = _interval(candles)
    closes = candles.filter(symbol=symbol).select(event_timestamp=pl.col("open_time") + interval, close="close")
    rows = rows.join(closes.unique("event_timestamp", keep="last"), on="event_timestamp", how="inner").sort(
        "event_timestamp"
    )
    if rows.height:
        rows = rows.filter(pl.col("event_timestamp") > pl.col("event_timestamp").max() - pl.duration(days=days))
        time = rows["event_timestamp"].to_numpy()
        axes.plot(time, rows["close"], color=LINE, linewidth=1.1, label="close")
        axes.plot(time, rows["target_price"], color=ACCENT, linewidth=0.8, drawstyle="steps-mid", label="target_price")
        for name, marker, colour in (("can_buy", "^", GOOD), ("should_sell", "v", BAD)):
            begins = rows.filter((pl.col(name) == 1) & (pl.col(name).shift(1).fill_null(0) == 0))
            axes.scatter(
                begins["event_timestamp"].to_numpy(),
                begins["close"],
                marker=marker,
                s=22,
                color=colour,
                label=name,
                zorder=3,
            )
        legend(axes)
    dates(axes)
    return drawn


def regime_ribbon(daily: pl.DataFrame, regimes: pl.DataFrame, symbol: str) -> "Figure":
    """Daily closes of one symbol on a logarithmic axis, the regime's ribbon below, and how sure the filter was.

    Args:
        daily: Daily candles with `symbol`, `open_time`, `close`.
        regimes: Rows of `regime_features`.
        symbol: Which one to draw.
    """
    from matplotlib.dates import date2num
    from matplotlib.ticker import LogLocator

    drawn, (price, ribbon) = figure(2, height=3.2, title=f"{symbol}: daily close and regime", heights=(6, 1))
    closes = daily.filter(symbol=symbol).sort("open_time")
    if closes.height:
        price.plot((closes["open_time"] + timedelta(days=1)).to_numpy(), closes["close"], color=LINE, linewidth=1)
        price.set_yscale("log")
        price.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        price.yaxis.set_major_formatter("{x:g}")
        price.yaxis.set_minor_formatter("")
    rows = regimes.filter(symbol=symbol).drop_nulls("regime_label").sort("event_timestamp")
    for label, colour in REGIMES.items():
        mine = rows.filter(regime_label=label)
        ends = date2num(mine["event_timestamp"].to_numpy())
        ribbon.broken_barh([(end - 1, 1) for end in ends], (0, 1), color=colour, alpha=0.85, linewidth=0, label=label)
    ribbon.plot(
        rows["event_timestamp"].to_numpy(), rows["regime_probability"], color=INK, linewidth=0.6, label="probability"
    )
    ribbon.set_ylim(0, 1)
    ribbon.set_yticks([0, 1])
    ribbon.sharex(price)
    legend(price, handles=ribbon.get_legend_handles_labels()[0])
    price.tick_params(labelbottom=False)
    dates(ribbon)
    return drawn


def _interval(candles: pl.DataFrame) -> timedelta:
    """The most common distance between two candles of a symbol."""
    steps = candles.sort("symbol", "open_time").select(step=pl.col("open_time").diff().over("symbol"))["step"]
    common = steps.drop_nulls().value_counts(sort=True)
    return common["step"][0] if common.height else timedelta(hours=1)
