"""Which symbols of the lake fell silent, for checks, alerts and commands."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from crypto_features.errors import CryptoFeaturesError
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.sources import Opening
from crypto_features.sources.listings import parse_listings
from crypto_features.sources.standing import Silent, Standing, silent


def last_candles(table: Table) -> dict[str, datetime]:
    """Open time of the last stored candle of each symbol."""
    found: dict[str, datetime] = {}
    for month in reversed(table.months()):
        times: dict[str, str] = json.loads(table.metadata(month).get("last", "{}"))
        for symbol, time in times.items():
            found.setdefault(symbol, datetime.fromisoformat(time))
    return found


def silent_symbols(
    table: Table, settings: Settings, ended: Mapping[str, Standing], now: datetime, opening: Opening
) -> tuple[Silent, ...]:
    """Each wanted symbol whose next candle has closed and is not stored."""
    if not table.months():
        return ()
    try:
        offered: tuple[str, ...] | None = opening().symbols()
    except CryptoFeaturesError:
        offered = None  # what is wrong with the source is said where candles are fetched.
    last = {s: time for s, time in last_candles(table).items() if not settings.symbols or s in settings.symbols}
    known = {**ended, **dict.fromkeys(declared_ends(settings, now), Standing.DELISTED)}
    return silent(last, interval=settings.interval, now=now, offered=offered, ended=known)


def declared_ends(settings: Settings, now: datetime) -> frozenset[str]:
    """The symbols whose last market the settings declare as ended."""
    return frozenset(s for s, markets in parse_listings(settings.markets).items() if markets[-1].end <= now)


def unexpected(silence: Iterable[Silent], settings: Settings, now: datetime) -> tuple[Silent, ...]:
    """Those that are waited for no longer, and that the settings do not declare as ended."""
    declared = declared_ends(settings, now)
    return tuple(one for one in silence if one.overdue >= settings.late_wait and one.symbol not in declared)
