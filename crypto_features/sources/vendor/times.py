"""Which column of a file holds the time, and in which form: the one that reads every row."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.vendor.choices import Choices
from crypto_features.sources.vendor.columns import Columns, normalized
from crypto_features.sources.vendor.stamps import certain, readings

_SAMPLE = 100
_JOINED = "date and time"


def with_day_and_hour(lazy: pl.LazyFrame, found: Columns, choices: Choices) -> tuple[pl.LazyFrame, Columns]:
    """If the day and the time of day are two columns, one column more, with both."""
    parts = {normalized(name): name for name in found.times}
    if not {"date", "time"} <= parts.keys():
        return lazy, found
    day, hour = (pl.col(parts[part]).cast(pl.String) for part in ("date", "time"))
    joined = lazy.with_columns(pl.concat_str(day, hour, separator=" ").alias(_JOINED))
    others = tuple(name for name in found.times if name not in {parts["date"], parts["time"]})
    together = replace(found, times=(*others, _JOINED))
    if any(unread == 0 for _, unread in _ways(joined.limit(_SAMPLE).collect(), _JOINED, choices).values()):
        return joined, together
    return lazy, found


def times(lazy: pl.LazyFrame, found: Columns, choices: Choices) -> dict[str, pl.Expr]:
    """Every way to read the stamps that reads the most of the first rows, by column and form."""
    first = lazy.limit(_SAMPLE).collect()
    read: dict[str, pl.Expr] = {}
    for column in found.times:
        ways = _ways(first, column, choices)
        fewest = min(unread for _, unread in ways.values())
        read |= {f"{column}\n{form}": way for form, (way, unread) in ways.items() if unread == fewest}
    return {name: way.alias(name) for name, way in read.items()}


def the_time(rows: pl.LazyFrame, times: Sequence[str], where: str) -> str:
    """The way that reads every stamp, in whichever column. If several do, they must say the same.

    Raises:
        InputError: if no way reads every stamp, or two read them differently.
    """
    unread: dict[str, int] = rows.select(pl.col(times).null_count()).collect(engine="streaming").row(0, named=True)
    if min(unread.values()):
        time, count = min(unread.items(), key=lambda item: item[1])
        column, form = time.split("\n")
        raise InputError(
            f"the stamps in {column!r} have no form that is known for every row ({count} are empty or cannot be read "
            f"as {form}, as times since 2008); give it by CRYPTO_FEATURES_FILES_STAMPS: a format such as "
            "'%d %b %Y %H:%M', excel for a spreadsheet's day numbers, days for days since 1970, or s, ms, us, ns; or "
            f"name the column of the stamps by CRYPTO_FEATURES_FILES_COLUMNS=open_time=<column>. {where}"
        )
    chosen, *others = [time for time in times if not unread[time]]
    for other in others:
        differ = rows.filter(pl.col(other) != pl.col(chosen)).select(other, chosen).limit(1).collect(engine="streaming")
        if differ.height:
            (column, form), (second, also) = chosen.split("\n"), other.split("\n")
            both = f"FILES_STAMPS={form!r} or {also!r}".replace("'epoch'", "s")
            setting = both if column == second else f"FILES_COLUMNS=open_time={column} or the other"
            raise InputError(
                f"a stamp in {column!r} read as {form} is {differ[chosen][0]}, and in {second!r} read as {also} "
                f"{differ[other][0]}; decide by CRYPTO_FEATURES_{setting}. {where}"
            )
    return chosen


def in_utc(column: str) -> bool:
    """Whether a column says by its name that its stamps are UTC.

    >>> in_utc("Gmt time"), in_utc("candle_date_time_utc"), in_utc("timestamp")
    (True, True, False)
    """
    return not {"utc", "gmt"}.isdisjoint(normalized(column).split("_"))


def _ways(first: pl.DataFrame, column: str, choices: Choices) -> dict[str, tuple[pl.Expr, int]]:
    """By form, how to read a column and how many of the first rows stay unread."""
    ways = readings(first.schema[column], column, choices.stamps, "UTC" if in_utc(column) else choices.zone)
    unread = first.select(way.is_null().sum().alias(form) for form, way in ways.items()).row(0, named=True)
    return {form: (ways[form], count) for form, count in certain(unread).items()}
