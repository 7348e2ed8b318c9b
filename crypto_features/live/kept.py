"""Which tables follow from the candles of a stream, and how much of each is kept for it. Pure."""

from collections.abc import Collection, Iterable
from datetime import timedelta

from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import Catalog, upstream
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.others import others
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table

MARGIN = timedelta(days=2)
"""How old a correction may be that is still followed live; older ones are the batch's."""
_MONTH = timedelta(days=31)


def followed(catalog: Catalog, absent: Collection[str] = ()) -> tuple[Bars | FeatureGroup, ...]:
    """The bars and groups that follow from the candles that everything is timed by, each after those that it reads.

    Not those that read raw tables with a source of their own, or views of other projects: nobody streams these. Nor
    those that compare all symbols, or read one by its name, where it is not streamed.

    Args:
        catalog: The tables.
        absent: Symbols that trade and are not streamed.
    """

    def is_followed(table: Table) -> bool:
        compared = others(table)
        if absent and (compared is None or not compared.isdisjoint(absent)):
            return False
        return all(
            not isinstance(one, Borrowed) and (not isinstance(one, RawTable) or one is catalog.raw)
            for one in upstream(table)
        )

    computed = (table for table in catalog.computed if isinstance(table, Bars | FeatureGroup))
    return tuple(table for table in computed if is_followed(table))


def reaches(table: Table, interval: timedelta) -> dict[str, timedelta]:
    """By table that it reads, but fitted models, how far before the open of a new bar.

    Args:
        table: What is computed.
        interval: Length of a base candle.
    """
    models = {source.table.name for source in table.inputs if isinstance(source.table, FittedModel)}
    more = 2 * table.bar(interval)
    if isinstance(table, FeatureGroup) and table.function is not None:
        more += _MONTH  # what a function is given begins with a month.
    return {read.table: read.lookback + more for read in table.reads(interval) if read.table not in models}


def kept(tables: Iterable[Table], interval: timedelta, wait: timedelta) -> dict[str, timedelta]:
    """By table, how far before the newest candle its rows are kept.

    Args:
        tables: What is computed.
        interval: Length of a base candle.
        wait: How long a bar waits for its missing candles.
    """
    found: dict[str, timedelta] = {}
    for table in tables:
        found.setdefault(table.name, MARGIN + 2 * table.bar(interval))
        for name, reach in reaches(table, interval).items():
            found[name] = max(reach + MARGIN + wait, found.get(name, timedelta(0)))
    return found


def near(tables: Iterable[Table], interval: timedelta) -> dict[str, timedelta]:
    """By table, how far before the newest candle goes what is read of it at every candle, unless bars are missing.

    Args:
        tables: What is computed.
        interval: Length of a base candle.
    """
    chosen = [*tables]
    found = {table.name: MARGIN + 2 * table.bar(interval) for table in chosen}
    for table in (table for table in chosen if table.bar(interval) <= interval):
        rows, bars = rows_enough(table), table.inputs[0]
        for name, reach in reaches(table, interval).items():
            usual = reach if rows is None or name != bars.table.name else bars.lookback + (rows + 4) * interval
            found[name] = max(min(reach, usual) + MARGIN, found.get(name, MARGIN))
    return found


def rows_enough(table: Table) -> int | None:
    """How many rows of its bars decide a row beside what its lookback covers; `None` if it reads them in two ways.

    Args:
        table: What is computed; a function's rows depend on the whole of what it is given, `None`.
    """
    first, *others = table.inputs
    if not isinstance(table, FeatureGroup) or table.function is not None:
        return None
    return None if any(other.table.name == first.table.name for other in others) else first.window
