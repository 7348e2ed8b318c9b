"""The newest online features on the screen: values, or the status that says why there is none."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.table import Table

from crypto_features.tables.catalog import Catalog
from crypto_features.tables.service import FeatureService

WITHHELD = ("EXPIRED", "NOT_FOUND")
"""What an old history gives: its rows are too old to be served, or were too old to be published."""


def shown(catalog: Catalog) -> FeatureService:
    """What is shown of a catalog: the service that reads most views, or all features of a catalog without services."""
    if catalog.services:
        return max(catalog.services.values(), key=lambda service: len(service.features))
    return FeatureService("all features", "", {name: group.columns for name, group in catalog.groups.items()})


def filled(
    table: Table,
    features: Mapping[str, Mapping[str, str]],
    symbols: Sequence[str],
    values: Mapping[str, Sequence[object]],
    statuses: Mapping[str, Sequence[str]],
) -> Table:
    """The table with a row for each feature and a column for each symbol."""
    table.add_column("View")
    table.add_column("Feature")
    for symbol in symbols:
        table.add_column(symbol, justify="right")
    table.add_column("Unit")
    for view, units in features.items():
        for position, (name, unit) in enumerate(units.items()):
            cells = map(_cell, values[name], statuses[name])
            table.add_row("" if position else view, name, *cells, unit)
    return table


def why_withheld(statuses: Mapping[str, Sequence[str]], ends: Iterable[datetime | None], now: datetime) -> str | None:
    """Why features are not served although they were computed, and what to set; nothing if they are."""
    newest = max((end for end in ends if end is not None), default=None)
    withheld = {status for column in statuses.values() for status in column if status in WITHHELD}
    if not withheld or newest is None:
        return None
    return (
        f"{' and '.join(sorted(withheld))}: the newest candle closed at {newest:%Y-%m-%d %H:%M} UTC, the clock is at "
        f"{now:%Y-%m-%d %H:%M} UTC, and these values are too old for a bot. To see what it would have read then, run "
        f"again with CRYPTO_FEATURES_CLOCK={newest:%Y-%m-%dT%H:%MZ} and an empty folder in CRYPTO_FEATURES_DATA."
    )


def _cell(value: object, status: str) -> str:
    if value is None:
        return f"[yellow]{status}[/]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
