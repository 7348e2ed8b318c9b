"""A value among the last ones of its column."""

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.plots.style import ACCENT, LINE, dates, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def value_history(history: pl.DataFrame, time: datetime, title: str) -> "Figure":
    """A column's last values as a line, or its labels as steps, with the value of one time marked.

    Args:
        history: `event_timestamp` and `value`.
        time: The time of the value.
        title: What it is.
    """
    drawn, (axes,) = figure(1, 1, height=2.2, title=title)
    values = history.drop_nulls("value")
    axes.plot(values["event_timestamp"].to_list(), values["value"].to_list(), color=LINE, linewidth=1.0)
    marked = values.filter(event_timestamp=time)
    axes.plot(marked["event_timestamp"].to_list(), marked["value"].to_list(), "o", color=ACCENT, markersize=4)
    dates(axes)
    return drawn
