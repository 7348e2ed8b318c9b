"""The rows of a training set that a user hands in: symbols and times of their own choice."""

from typing import TYPE_CHECKING, Any

import polars as pl

from crypto_features.errors import InputError
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.order import by_symbol

if TYPE_CHECKING:
    import pandas as pd

ROWS = pl.Schema({"symbol": pl.String(), "event_timestamp": TIME})


def own_rows(name: str, frame: "pl.DataFrame | pd.DataFrame") -> pl.DataFrame:
    """`symbol` and `event_timestamp` (UTC) of a user's frame, sorted by both; naive times are UTC.

    Args:
        name: Of the training set, for errors.
        frame: The frame.

    Raises:
        InputError: if it is not such a frame, has no row, a null, or a row twice.
    """
    found: Any = frame if isinstance(frame, pl.DataFrame) else _from_pandas(name, frame)
    if set(found.columns) != set(ROWS):
        raise InputError(
            f"the rows of {name} have the columns {', '.join(found.columns) or 'none'}; expected symbol and "
            "event_timestamp, and no others."
        )
    if not isinstance(found.schema["event_timestamp"], pl.Datetime) or found.schema["symbol"] != pl.String:
        raise InputError(f"the rows of {name} are {dict(found.schema)}; expected texts and times.")
    time = pl.col("event_timestamp")
    zoned = found.schema["event_timestamp"].time_zone is not None
    time = time.dt.convert_time_zone("UTC") if zoned else time.dt.replace_time_zone("UTC")
    rows: pl.DataFrame = found.select("symbol", time.cast(TIME))
    if not rows.height or sum(rows.null_count().row(0)):
        raise InputError(f"the rows of {name} are none, or have a null; expected a symbol and a time in each row.")
    if (twice := rows.filter(rows.is_duplicated())).height:
        symbol, at = twice.row(0)
        raise InputError(f"the rows of {name} have {symbol} at {at:%Y-%m-%d %H:%M} twice; pass each row once.")
    return by_symbol(rows, "event_timestamp")


def _from_pandas(name: str, frame: Any) -> pl.DataFrame:
    if not hasattr(frame, "iloc"):
        raise InputError(f"the rows of {name} are a {type(frame).__name__}; expected bars, Cusum(...) or a DataFrame.")
    found: pl.DataFrame = pl.from_pandas(frame)
    return found
