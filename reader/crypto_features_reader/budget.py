"""Where the time went between the close of a live row's candle and an answer: kept beside the row's features. Pure."""

import struct
from datetime import datetime, timedelta
from typing import NamedTuple

from crypto_features_reader.guard import micros, time_of

FIELD, PARTIAL = ":heard", ":partial"
"""The packed columns: when the candle was heard of, and whether the row lacks symbols that it compares. No feature has
such a name."""
_TIMES = struct.Struct("<?qqq")


class Heard(NamedTuple):
    """When a candle was heard of.

    Args:
        close: When it closed, UTC.
        sent: When the exchange sent it, by its own clock, UTC; `None` where it does not say.
        received: When it was known here to be final, UTC.
    """

    close: datetime
    sent: datetime | None
    received: datetime


class Budget(NamedTuple):
    """How long each part took, of a row that was published live.

    Args:
        exchange: From the close until the exchange sent the candle, by its clock; `None` where it does not say when.
        transport: From there, or from the close, until it was received. Two clocks are compared, which may differ.
        compute: From there until publishing began: finality, contract, journal and computing.
        publish: From there until this answer was read; of the first one after a publish, what publishing took.
    """

    exchange: timedelta | None
    transport: timedelta
    compute: timedelta
    publish: timedelta


def packed(heard: Heard, begun: datetime) -> bytes:
    """What is kept beside a row whose publishing began then."""
    sent = heard.close if heard.sent is None else heard.sent
    return _TIMES.pack(heard.sent is not None, micros(sent), micros(heard.received), micros(begun))


def budget(close: int, kept: bytes, now: datetime) -> Budget:
    """The budget of an answer that was read now, of a row with this event time in microseconds."""
    is_told, sent, received, begun = _TIMES.unpack(kept)
    microsecond = timedelta.resolution
    return Budget(
        (sent - close) * microsecond if is_told else None,
        (received - sent) * microsecond,
        (begun - received) * microsecond,
        now - time_of(begun),
    )
