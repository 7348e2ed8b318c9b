"""One market's candles from an exchange that answers a page at a time, and sometimes wrongly."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeAlias

from crypto_features.errors import TransientError

Row: TypeAlias = tuple[int, *tuple[float | None, ...]]
"""Open time in milliseconds, open, high, low, close and volume; what the exchange left empty is `None`."""

Ask: TypeAlias = Callable[[int, int, int], list[Row]]

_TRIES = 3
"""How often two pages may disagree before a read ends."""


class Pages:
    """Reads a market page by page, and keeps what has come even if a later page fails.

    Each page begins with the last candle of the page before. If it gives that candle other values, one of the two is
    wrong, such as a page whose values are those of the next hour: neither is kept, and both are read again. A page that
    brings nothing newer is taken as a gap as long as a page. When the end is reached, every gap of a page or more is
    read once more: after an empty page by mistake, or a stray stamp that jumped ahead, the candles come then.

    Args:
        ask: Returns a page, in any order, given its first time, its size, and how many of its candles are known: 0, 1.
        step: Length of a candle, in milliseconds.
        limit: How many candles a page may have.
        closed: Whether the market is not traded any more: a page with nothing newer is its end.
        name: Exchange and symbol, for errors.
    """

    def __init__(self, ask: Ask, step: int, limit: int, *, closed: bool, name: str) -> None:
        self._ask, self._step, self._limit, self._closed, self._name = ask, step, limit, closed, name
        self._rows: dict[int, list[Row]] = {}
        self.cursor = 0
        """From where on nothing has been answered yet."""

    def rows(self) -> list[Row]:
        """What came, sorted by time; several rows of one time if it came with different values."""
        return [row for time in sorted(self._rows) for row in self._rows[time]]

    def read(self, start: int, stop: int) -> None:
        """Read the candles that open from `start` on and close until `stop`, both in milliseconds.

        Raises:
            TransientError: if two pages still disagree when they are read again.
        """
        self._walk(start, stop)
        page = min(self._limit - 1, (stop - start) // self._step)
        for first, last in self._gaps(start, stop):
            if last - first >= page * self._step:
                self._walk(first - self._step if first - self._step in self._rows else first, last)

    def _walk(self, start: int, stop: int) -> None:
        self.cursor, before, disagreed = start, list[int](), 0
        while self.cursor + (self.cursor in self._rows) * self._step + self._step <= stop:
            size = min(self._limit, (stop - self.cursor) // self._step + 1)
            page = self._ask(self.cursor, size, int(self.cursor in self._rows))
            if self._disagrees(page):
                asked, disagreed = self.cursor, disagreed + 1
                self._step_back(before)
                if disagreed == _TRIES:
                    time = datetime.fromtimestamp(asked / 1000, UTC)
                    raise TransientError(
                        f"{self._name}: two pages give different candles for {time:%Y-%m-%d %H:%M} "
                        f"({disagreed} times in a row); neither page is kept. Run again later."
                    )
                continue
            before.append(self.cursor)
            self._keep(row for row in page if self.cursor <= row[0] <= stop - self._step)
            last = max((row[0] for row in page if row[0] % self._step == 0), default=self.cursor)
            if last > self.cursor:
                self.cursor = last
            elif self._closed:
                return
            else:
                self.cursor += max(size - 1, 1) * self._step

    def _disagrees(self, page: Iterable[Row]) -> bool:
        """Whether a page gives its first candle otherwise than the page before, which ended with it."""
        known = self._rows.get(self.cursor)
        return known is not None and not any(row in known for row in page)

    def _step_back(self, before: list[int]) -> None:
        """Forget the page that ends at the cursor, but for the candle that it shares with the one before it."""
        if not before:
            return
        end, self.cursor = self.cursor, before.pop()
        first = self.cursor + self._step if before else self.cursor
        self._rows = {time: rows for time, rows in self._rows.items() if not first <= time <= end}

    def _keep(self, rows: Iterable[Row]) -> None:
        for row in rows:
            alike = self._rows.setdefault(row[0], [])
            if row not in alike:
                alike.append(row)

    def _gaps(self, start: int, stop: int) -> list[tuple[int, int]]:
        times = sorted(self._rows)
        firsts, lasts = [start, *(time + self._step for time in times)], [*times, stop]
        return [(a, b) for a, b in zip(firsts, lasts, strict=True) if a < b]
