"""What automation knows of the market and the lake when a tick begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from crypto_features import clock
from crypto_features.catalogs import current_catalog
from crypto_features.errors import PermanentError
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.progress import last_close, months_to_fetch
from crypto_features.ingest.missing import Planner
from crypto_features.ingest.silence import last_candles
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.sources.source import Source
from crypto_features.sources.standing import FORGOTTEN
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.months import month_of, month_span, months_between


@dataclass(frozen=True)
class MarketNow:
    """The settings, the source and the lake at one time."""

    settings: Settings
    lake: LakeResource
    now: datetime = field(default_factory=clock.now)

    @property
    def catalog(self) -> Catalog:
        return current_catalog()

    @cached_property
    def market(self) -> Source:
        """The source, opened again: a folder may hold another file than when the code was loaded."""
        return source(self.settings)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        return self.settings.symbols or self.market.symbols()

    @cached_property
    def stored(self) -> Mapping[str, datetime]:
        """Open time of the last stored candle of each wanted symbol that has one."""
        return {s: t for s, t in last_candles(self.lake.raw).items() if s in self.symbols}

    @property
    def new_symbols(self) -> tuple[str, ...]:
        """Wanted and listed symbols of which nothing is stored, while others are stored."""
        if not self.stored:
            return ()
        return tuple(s for s in self.symbols if s not in self.stored and self._has_begun(s))

    @cached_property
    def end(self) -> datetime:
        """The close of the last candle that the source can offer now."""
        last = self.market.end()
        return last_close(min(last, self.now) if last else self.now, self.settings.interval)

    @property
    def head(self) -> datetime:
        """The close of the newest stored candle."""
        return max(self.stored.values()) + self.settings.interval

    @property
    def months_to_fetch(self) -> tuple[str, ...]:
        """The months that may lack candles, oldest first; none if no candle later than the newest is on offer."""
        if self.stored and self.head >= self.end:
            return ()
        return months_to_fetch(self.stored, self._start(self.symbols), self.end, self.settings.interval)

    @property
    def months_of_late(self) -> tuple[str, ...]:
        """The months in which a symbol that fell silent is waited for, while others have every candle on offer."""
        late = [
            time
            for time in self.stored.values()
            if timedelta(0) < self.head - self.settings.interval - time <= FORGOTTEN
        ]
        if not late or self.head < self.end:
            return ()
        return months_between(min(late) + self.settings.interval, self.head)

    @cached_property
    def neglected(self) -> tuple[str, ...]:
        """The months before the newest candle in which some stored symbol was never asked for, oldest first."""
        return self._planner.neglected(self._months_stored, tuple(self.stored)) if self.stored else ()

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """The stored months whose files changed since they were fetched, oldest first."""
        return self._planner.changed(self._months_stored, tuple(self.stored)) if self.stored else ()

    @property
    def changed_lately(self) -> tuple[str, ...]:
        """Those of `changed` in which corrections are looked for whenever candles are fetched."""
        first = month_of(self.head - self.settings.recheck) if self.stored else ""
        return tuple(month for month in self.changed if month >= first)

    @property
    def _months_stored(self) -> tuple[str, ...]:
        return months_between(self._start(tuple(self.stored)), self.head)

    @property
    def _planner(self) -> Planner:
        return Planner(self.market, self.lake.raw, self.settings.interval, self.head, self.settings.recheck)

    @property
    def first_month(self) -> datetime:
        """Start of the first month that the graph has."""
        return month_span(month_of(self.settings.start or self.market.start(self.symbols)))[0]

    def history_of(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Every month since the first candle of these symbols."""
        return months_between(self._start(symbols), self.end)

    def _has_begun(self, symbol: str) -> bool:
        """Whether the source has candles of a symbol; of one that cannot be read, a run of the others says why."""
        try:
            return self._start((symbol,)) < self.end
        except PermanentError:
            return False

    def _start(self, symbols: tuple[str, ...]) -> datetime:
        first = self.market.start(symbols)
        return max(first, self.settings.start) if self.settings.start else first
