"""Which rows of groups that compare symbols were computed before all of those had closed. Reads the tail only."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from crypto_features.durations import length
from crypto_features.live.tail import Tail
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.others import others
from crypto_features.tables.partition import KEYS
from crypto_features.tables.read import Terms
from crypto_features.tables.table import Table

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_NONE, _ZONE = timedelta(0), ZoneInfo("UTC")


class Members:
    """The symbols that each group compares, and whether they are there.

    Args:
        tables: What is followed.
        tail: Its rows.
        raw: Name of the candles.
        symbols: Whose candles come.
        terms: On which rows are computed.

    Attributes:
        others: By group the other symbols that reach the rows of each; `None` for all.
        waits: By group that compares symbols, how long it waits for those that are late: as long as it declares, and as
            any such group that it reads.
    """

    def __init__(self, tables: Iterable[Table], tail: Tail, raw: str, symbols: frozenset[str], terms: Terms) -> None:
        self._tail, self._raw, self._symbols, self._terms = tail, raw, symbols, terms
        groups = [table for table in tables if isinstance(table, FeatureGroup)]
        self.others = {group.name: others(group) for group in groups}
        self.waits = dict[str, timedelta]()
        for group in groups:
            if self.others[group.name] != frozenset():
                upstream = (self.waits.get(source.table.name, _NONE) for source in group.inputs)
                self.waits[group.name] = max(length(group.wait, f"the wait of {group.name}"), *upstream)

    def are_late(self, group: FeatureGroup, now: datetime) -> bool:
        """Whether the newest bar that a group compares lacks a symbol that may still come."""
        newest = max(self._tail.newest(group.bars.name).values(), default=None)
        return newest is not None and self._lack(group, newest + self._length(group), now)

    def lack(self, group: Table, close: datetime, now: datetime) -> bool:
        """Whether a symbol may still come to the bars that decide a row of that close, also of groups that it joins."""
        if not isinstance(group, FeatureGroup) or group.name not in self.waits:
            return False
        return self._lack(group, close, now) or any(
            self.lack(source.table, opened(close, source.table.bar(self._terms.interval)), now)
            for source in group.inputs
        )

    def _lack(self, group: FeatureGroup, close: datetime, now: datetime) -> bool:
        """Of the group's own bars. Who was silent for as long as bars wait, or whose bar is over, does not come."""
        if now >= close + self._terms.wait:
            return False
        candles = self._tail.newest(self._raw)
        since = max(candles.values(), default=MONDAY) - self._terms.wait
        compared = self.others[group.name]
        members = self._symbols if compared is None else compared
        awaited = [symbol for symbol in members if candles.get(symbol, MONDAY) >= since]
        # In the zone of a frame: times of one zone are compared without asking it, which is eight times as fast.
        bars, time = group.bars, (close - self._length(group)).astimezone(_ZONE)
        newest = self._tail.newest(bars.name)
        if all(newest.get(symbol) == time for symbol in awaited):
            return False
        rows = self._tail.read(bars.name, time, awaited)
        return not rows.width or rows.filter(rows[bars.time] == time).height < len(awaited)

    def _length(self, group: FeatureGroup) -> timedelta:
        """How long after the time of a row of its bars that bar closes."""
        return _NONE if group.bars.time == KEYS[1] else group.bar(self._terms.interval)


def opened(time: datetime, length: timedelta) -> datetime:
    """When the bar opens that holds a time; weeks begin on Mondays."""
    return MONDAY + (time - MONDAY) // length * length
