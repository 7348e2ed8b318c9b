"""The entity frame that a user hands in, in whatever form, as a Polars frame with times in UTC."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from crypto_features.clock import as_utc
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.store.offline.join import utc

TIME = "event_timestamp"


@dataclass(frozen=True)
class EntityFrame:
    """Entity rows and the column with the time as of which each wants its features."""

    frame: pl.DataFrame
    time: str

    @cached_property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """First and last time, UTC."""
        times = self.frame.select(utc(pl.col(self.time))).to_series()
        first, last = times.min(), times.max()
        if isinstance(first, datetime) and isinstance(last, datetime):
            return first, last
        return None, None

    def require(self, keys: Iterable[str], asked: str) -> None:
        """Check that the frame holds the join keys of what is asked for, a view or a service.

        Raises:
            UnknownNameError: naming the first one that it lacks.
        """
        for key in keys:
            if key not in self.frame.columns:
                raise UnknownNameError("entity column", key, self.frame.columns, f"{asked!r} is joined by it.")

    @classmethod
    def everything(cls, view: Any, start: datetime, end: datetime) -> "EntityFrame":
        """A frame that spans a time and asks for no particular entity."""
        renamed = view.projection.join_key_map or {}
        keys = {renamed.get(key.name, key.name): [None, None] for key in view.entity_columns}
        return cls(pl.DataFrame({**keys, TIME: [start, end]}), TIME)


def entity_frame(frame: Any) -> EntityFrame:
    """The entity rows of a pandas, Polars or Arrow frame, once: what it gave it gives back.

    The time column is `event_timestamp`, or the only time column there is. Naive times are UTC; strings are parsed as
    ISO 8601; other columns are kept as they are.

    Raises:
        InputError: if the frame has another type, no rows, no time column, or times that cannot be read.
    """
    if isinstance(frame, EntityFrame):
        return frame
    polars = _to_polars(frame)
    if polars.is_empty():
        raise InputError("the entity frame has no rows; give it one row for each entity and time.")
    times = [name for name, dtype in polars.schema.items() if isinstance(dtype, pl.Datetime)]
    if TIME in polars.columns:
        time = TIME
    elif len(times) == 1:
        time = times[0]
    else:
        raise InputError(f"the entity frame needs the time column {TIME!r}; it has: {', '.join(polars.columns)}.")
    return EntityFrame(polars.with_columns(_as_time(polars[time])), time)


def _to_polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pa.Table):
        return pl.DataFrame(frame)
    if isinstance(frame, pd.DataFrame):
        try:
            return pl.from_pandas(_readable(frame))
        except (pa.ArrowException, pl.exceptions.PolarsError, TypeError) as error:
            raise InputError(f"the entity frame holds a column of mixed types: {error}") from error
    raise InputError(f"the entity frame must be a pandas, Polars or Arrow frame, not {type(frame).__name__}.")


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Time columns of Python objects, which may carry several zones, become UTC."""
    objects = [name for name in frame.columns if frame[name].dtype == object]
    mixed = [name for name in objects if any(isinstance(v, datetime) for v in frame[name].head(100))]
    return frame.assign(**{name: _parsed(name, frame[name]).to_numpy() for name in mixed})


def _parsed(name: str, times: Iterable[Any]) -> pl.Series:
    """Texts and datetimes as times in UTC."""
    found: list[datetime | None] = []
    for row, time in enumerate(times):
        if time is None or time is pd.NaT:
            found.append(None)
            continue
        try:
            found.append(as_utc(datetime.fromisoformat(time) if isinstance(time, str) else time))
        except (ValueError, TypeError, AttributeError):
            raise InputError(
                f"{name}: row {row} holds {time!r}, which is no ISO 8601 time such as 2024-01-31T09:00:00Z."
            ) from None
    return pl.Series(name, found, pl.Datetime("us", "UTC"))


def _as_time(times: pl.Series) -> pl.Series:
    if times.dtype == pl.String:
        return _parsed(times.name, times)
    if times.dtype == pl.Date:
        return times.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if not isinstance(times.dtype, pl.Datetime):
        raise InputError(f"{times.name} must hold times, not {times.dtype}; naive times are taken as UTC.")
    return times.dt.replace_time_zone("UTC") if times.dtype.time_zone is None else times
