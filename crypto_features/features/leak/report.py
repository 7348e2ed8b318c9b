"""What a leak test found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Leak:
    """One feature caught by one probe, at the first cut where it showed.

    Args:
        feature: Name of the feature; `(rows)` if a row appeared or vanished, `(regime_model)` if a fit differs.
        probe: `truncate`, `perturb`, `gap`, `start`, `warm-up`, `isolation` or `permutation`.
        symbol: Market in which it showed.
        cut: Where the market was cut, or began.
        row: `event_timestamp` of the first row that differs; the start of a fit's month.
        expected: Its value in the whole market.
        got: Its value in the altered market.
        why: What is wrong, where two values do not tell it: a window that is not as declared.
    """

    feature: str
    probe: str
    symbol: str
    cut: datetime
    row: datetime
    expected: object
    got: object
    why: str = ""

    def __str__(self) -> str:
        if self.why:
            return f"{self.feature}: {self.why} ({self.symbol} from {self.cut:%Y-%m-%d %H:%M})"
        return (
            f"{self.feature}: {self.probe} of {self.symbol} at {self.cut:%Y-%m-%d %H:%M} changes the row of "
            f"{self.row:%Y-%m-%d %H:%M} from {self.expected!r} to {self.got!r}"
        )


@dataclass(frozen=True)
class LeakReport:
    """The outcome of `leak_test`.

    Args:
        group: Name of the group.
        leaks: What was caught, by feature and probe; empty for an honest group.
        cuts: How many altered markets each probe looked at.
        unprobed: Probes for which the candles were too short, and what they would need.
    """

    group: str
    leaks: tuple[Leak, ...]
    cuts: Mapping[str, int]
    unprobed: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was caught."""
        return not self.leaks

    def __str__(self) -> str:
        probes = ", ".join(f"{probe} {count}" for probe, count in self.cuts.items())
        head = f"{self.group}: {'leak-tested' if self.passed else f'{len(self.leaks)} leaks'} ({probes})"
        return "\n  ".join([head, *map(str, self.leaks), *(f"not probed: {text}" for text in self.unprobed)])
