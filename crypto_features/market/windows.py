"""What is worth fetching: the spans of time in which a source may have something that the table lacks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from upath import UPath

from crypto_features.features.months import month_span
from crypto_features.market.lake import Table
from crypto_features.market.source import Source


@dataclass(frozen=True)
class Window:
    """One fetch: the candles of a symbol that open in `[start, end)`, and the mark of each month in it."""

    symbol: str
    start: datetime
    end: datetime
    marks: Mapping[str, str]


@dataclass(frozen=True)
class Planner:
    """Plans fetches, and remembers the source's marks beside the table, so that a run with nothing new costs nothing.

    The marks of a month hold for one content of its partition: restore an older file, and they are forgotten.
    """

    source: Source
    table: Table
    interval: timedelta
    now: datetime
    recheck: timedelta

    def windows(self, symbol: str, months: Sequence[str], stored: Mapping[str, Mapping[str, str]]) -> list[Window]:
        """The spans to fetch, oldest first. `stored` is what `self.stored(months)` returned."""
        found: list[Window] = []
        for month in months:
            start, end = month_span(month)
            end = min(end, self.now - (self.now - start) % self.interval)
            if start >= end:
                continue
            mark = self.source.mark(symbol, start, end)
            signed = {month: f"{mark} until {end:%Y-%m-%dT%H:%M}"} if mark is not None else {}
            if signed and stored[month].get(f"mark {symbol}") == signed[month]:
                continue
            last = stored[month].get(f"last {symbol}")
            if self.source.resumes and last is not None:
                if datetime.fromisoformat(last) + self.interval >= end:
                    continue
                start = max(start, datetime.fromisoformat(last) - self.recheck)
            if found and found[-1].end == start:
                before = found.pop()
                start, signed = before.start, {**before.marks, **signed}
            found.append(Window(symbol, start, end, signed))
        return found

    def stored(self, months: Sequence[str]) -> dict[str, dict[str, str]]:
        """For each month its metadata, and its marks if they belong to the content that it has."""
        published = set(self.table.months())
        return {month: self._stored(month) if month in published else {} for month in months}

    def remember(self, month: str, marks: Mapping[str, str]) -> None:
        """Keep the marks of symbols that were fetched in full."""
        if not marks or not self.table.path(month).exists():
            return
        path, digest = self._path(month), self.table.digest(month)
        kept = self._marks(month, digest) | {f"mark {symbol}": mark for symbol, mark in marks.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"digest": digest, **kept}, indent=0, sort_keys=True))

    def _stored(self, month: str) -> dict[str, str]:
        metadata = self.table.metadata(month)
        last = {f"last {symbol}": time for symbol, time in json.loads(metadata.get("last", "{}")).items()}
        return metadata | last | self._marks(month, metadata["digest"])

    def _marks(self, month: str, digest: str) -> dict[str, str]:
        try:
            marks: dict[str, str] = json.loads(self._path(month).read_text())
        except (FileNotFoundError, ValueError):
            return {}  # never written, or torn by a kill: the months are fetched again.
        return {name: mark for name, mark in marks.items() if name != "digest"} if marks["digest"] == digest else {}

    def _path(self, month: str) -> UPath:
        return self.table.root / ".marks" / self.table.name / f"{month}.json"
