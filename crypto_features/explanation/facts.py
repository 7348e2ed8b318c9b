"""What is known of one value: where it is stored, what it was computed from, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import polars as pl


class Verdict(Enum):
    """What a value is, the worst first."""

    WRONG_DATA = "wrong data"
    """A file holds other rows than it was published with, or cannot be read."""
    WRONG_CODE = "wrong code"
    """The same code gave other bits from the same rows: it depends on something that it does not declare."""
    STALE_TABLE = "stale table"
    """The rows or the code that it is computed from have changed since it was computed."""
    STALE_STORE = "stale store"
    """The online store holds another row than the table."""
    HOLDS = "holds"
    """The candles give the same bits, and so does the online store where it serves the row."""


class Change(Enum):
    """Why a value is another one than before."""

    CODE = "code"
    CORRECTION = "correction"
    LATE = "late candle"
    UNIVERSE = "universe"
    FIT = "fit"
    NEW_CANDLE = "new candle"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Args:
        verdict: What kind of fault it is.
        what: The fault.
        todo: What to do about it.
    """

    verdict: Verdict
    what: str
    todo: str

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.what}. {self.todo}"


@dataclass(frozen=True)
class Cause:
    """One reason why a value is another one than at an earlier time.

    Args:
        change: What kind of reason.
        what: The candles, symbols, months or versions.
        before: The value without it, and with all causes before it.
        after: The value with it.
        because: Of `FIT`, why each model became another one: causes whose `before` and `after` are its versions.
    """

    change: Change
    what: tuple[str, ...]
    before: object
    after: object
    because: "tuple[Cause, ...]" = ()


@dataclass(frozen=True)
class Publisher:
    """What published a row of the online store.

    Args:
        run_id: Dagster's id of the run; empty of what the live process published.
        candle: The candle that came live and by what it was final, as `BTC 2026-11-27 16:00, flag`; empty of a run.
        at: When the run published, or when the candle was known, UTC.
    """

    run_id: str
    candle: str
    at: datetime


@dataclass(frozen=True)
class Online:
    """A symbol's row in the online store.

    Args:
        value: The stored value, also if it is not served.
        time: Close of the candle that it is from, UTC; `None` without a row.
        status: What a reader gets: `PRESENT`, `EXPIRED`, …
        publisher: What published it; `None` if neither Dagster nor the live journal says, or an older row is explained.
    """

    value: object
    time: datetime | None
    status: str
    publisher: Publisher | None = None


@dataclass(frozen=True)
class Version:
    """By what code a value is computed.

    Args:
        behaviour: The fingerprint of the present code, and
        definition: the digest of its definition.
        noted_behaviour: The same of the code that wrote the stored value; empty if the table does not say.
        noted_definition: Likewise.
    """

    behaviour: str
    definition: str
    noted_behaviour: str
    noted_definition: str

    @property
    def is_present(self) -> bool:
        """Whether the present code wrote the stored value."""
        return (self.behaviour, self.definition) == (self.noted_behaviour, self.noted_definition)


@dataclass(frozen=True)
class Run:
    """What wrote the month of a value, or fitted a model.

    Args:
        run_id: Dagster's id of the run.
        published_at: When, UTC.
        file: The file.
    """

    run_id: str
    published_at: datetime | None
    file: str


@dataclass(frozen=True)
class Fit:
    """A fitted model that a value is read by.

    Args:
        model: Its name.
        month: The month for which it was fitted.
        version: The digest of its parameters.
        run: What fitted it; `None` where its file does not say.
        inputs: By table and month, the digest of the rows that it was fitted on.
        moved: Which of these hold other rows by now; the model stays as it was published.
    """

    model: str
    month: str
    version: str
    run: Run | None
    inputs: Mapping[str, Mapping[str, str]]
    moved: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Explanation:
    """One value of one symbol, and all that decides it.

    Args:
        symbol: The symbol.
        ref: The column, such as `price_features:rsi_14`.
        description: Its definition.
        unit: Its unit.
        time: When the value was known: the close of its bar, UTC.
        value: The stored value; `None` also where the table cannot be read.
        recomputed: The value from the raw rows; `None` also of a view that another project computes.
        online: The row of the online store; `None` of a table that is not served.
        version: By what code.
        run: What wrote it; `None` where the table does not say.
        window: The first and the last time of the raw rows that decide it; `None` of another project's view.
        candles: Every version of these rows: `table`, `symbol`, `open_time`, its values, `known_at`, and whether it is
            `superseded`.
        fits: The fitted models that are read.
        history: `event_timestamp` and `value` of the last rows up to this one.
        findings: What is wrong, the worst first; empty if nothing is.
        since: The earlier time with which it was compared.
        causes: Why it is another value than at that time, in the order in which they are counted.
    """

    symbol: str
    ref: str
    description: str
    unit: str
    time: datetime
    value: object
    recomputed: object
    online: Online | None
    version: Version
    run: Run | None
    window: tuple[datetime, datetime] | None
    candles: pl.DataFrame
    fits: tuple[Fit, ...]
    history: pl.DataFrame
    findings: tuple[Finding, ...]
    since: datetime | None
    causes: tuple[Cause, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of what is wrong; `HOLDS` if nothing is."""
        return self.findings[0].verdict if self.findings else Verdict.HOLDS


def same(one: object, other: object) -> bool:
    """Equal to the bit: NaN equals itself, 0.0 does not equal −0.0."""
    return type(one) is type(other) and repr(one) == repr(other)
