"""Which market a folder of candles is of: a table has one, and the candles of another would pass for corrections."""

import re
from collections.abc import Mapping

from crypto_features.sources.source import Source

VENUE = "venue"
"""Metadata key of a partition of raw candles."""
_CCXT = re.compile(r"(?P<exchange>\w+) against (?P<quote>\S+) \(ccxt")


def venue_of(source: Source) -> str:
    """Venue, kind of market and quote of a source's candles, such as `binance spot USDT`."""
    return getattr(source, "venue", "") or source.name  # a source of a user need not inherit from `Source`.


def noted_venue(metadata: Mapping[str, str], mine: str) -> str:
    """The venue of a published partition.

    Version 0.1 noted only the name of the source. Where that leaves the venue open, the next source to write decides.
    """
    if VENUE in metadata:
        return metadata[VENUE]
    name = metadata.get("source", "")
    if found := _CCXT.match(name):
        told = (found["exchange"], found["quote"])
    elif name.startswith("archive at "):
        told = ("binance", "")
    else:
        return mine
    words = mine.split()
    agrees = words[:1] == [told[0]] and told[1] in {"", words[-1]}
    return mine if agrees else " ".join(told).strip()
