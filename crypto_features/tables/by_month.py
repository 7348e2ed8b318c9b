"""How a group's function reads a fitted model: the rows of each month by the parameters of that month."""

from collections.abc import Callable

import polars as pl

from crypto_features.errors import InputError
from crypto_features.tables.artefact import opened
from crypto_features.tables.model import Parameters
from crypto_features.tables.months import MONTH


def by_month(
    rows: pl.DataFrame, models: pl.DataFrame, read: Callable[[pl.DataFrame, Parameters], pl.DataFrame]
) -> pl.DataFrame:
    """The rows of each month as the model that was fitted before it reads them.

    Args:
        rows: With `event_timestamp`, the close of the bar: a bar that closes with a month belongs to it.
        models: The fitted model as a group's function gets it, `inputs["<its name>"]`.
        read: `read(rows, parameters)` gives a row for each of the month's `rows`. If there are
            none it is called on no rows, since it alone knows their columns.

    Returns:
        What `read` gave, oldest month first.

    Raises:
        InputError: if a month has rows but no parameters, or there are none at all.
    """
    fitted = dict(models.select("month", "parameters").iter_rows())
    parts = {
        str(month): part
        for (month,), part in rows.with_columns(month=MONTH).partition_by("month", as_dict=True).items()
    }
    if missing := sorted(parts.keys() - fitted.keys()):
        raise InputError(
            f"there are rows of {', '.join(missing)} but no model; materialize the model for these months first."
        )
    if not fitted:
        raise InputError("there is no model of any month; materialize the model first.")
    if not parts:
        parts = dict.fromkeys(sorted(fitted)[-1:], rows)
    return pl.concat(
        read(parts[month].drop("month", strict=False), opened(fitted[month]).parameters) for month in sorted(parts)
    )
