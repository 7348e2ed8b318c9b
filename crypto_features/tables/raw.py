"""Raw tables: rows as a source gave them, with the time at which each version became known."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from crypto_features.tables.table import Table

CANDLE = ("open", "high", "low", "close", "volume", "completeness")
"""The columns of a candle beside its symbol and time."""


@dataclass(frozen=True, eq=False, repr=False)
class RawTable(Table):
    """Candles of the base interval, from the source that the settings choose.

    Args:
        name: Name of the table, the folder and the asset.
        description: What it holds.
        project: The project that fetches them, if that is another one than the catalog's.
    """

    name: str
    description: str = ""
    project: str | None = None
    time: ClassVar[str] = "open_time"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a candle."""
        return CANDLE

    def bar(self, base: timedelta) -> timedelta:
        """The base interval."""
        return base
