"""What the page shows of each table and feature, before it is HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crypto_features.report import FeatureReport


@dataclass(frozen=True)
class Check:
    """The newest evaluation of a check of a table.

    Args:
        name: Its name.
        passed: Whether all was well.
        text: What it saw.
        at: When, UTC; `None` if that is not known.
    """

    name: str
    passed: bool
    text: str
    at: datetime | None = None


@dataclass(frozen=True)
class DriftState:
    """Whether the newest values of a column are distributed as those before.

    Args:
        verdict: `steady`, `unusual`, `drifted`, `not judged` or `not watched`.
        text: What was seen and when, or why nothing was.
    """

    verdict: str
    text: str


@dataclass(frozen=True)
class Around:
    """What is known of the tables outside the data folder's tables; each part may be missing.

    Args:
        checks: By asset, its checks.
        leaks: By feature group, what its leak test said.
        views: By feature view, the numbers of its versions and when each was registered, UTC.
        dagster: Address of Dagster's UI, to which the page links.
    """

    checks: Mapping[str, Sequence[Check]] = field(default_factory=dict)
    leaks: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, Sequence[tuple[str, datetime]]] = field(default_factory=dict)
    dagster: str = "http://127.0.0.1:3000"


@dataclass(frozen=True)
class Version:
    """Some months of a table, or of a column, that were computed by code of one behaviour.

    Args:
        fingerprint: Of the behaviour.
        first: The first such month.
        last: The last one.
        months: How many months there are.
        published: When the newest of them was published, UTC, ISO 8601; empty if that is not noted.
    """

    fingerprint: str
    first: str
    last: str
    months: int
    published: str = ""


@dataclass(frozen=True)
class Source:
    """A column that another one is computed from, and what that is computed from in turn.

    Args:
        table: Its table.
        column: Its name.
        sources: What it is computed from; nothing of a raw column.
    """

    table: str
    column: str
    sources: tuple["Source", ...] = ()


@dataclass(frozen=True)
class Curve:
    """Values of one symbol.

    Args:
        symbol: The symbol.
        values: Its newest values, oldest first; `None` where there is none.
    """

    symbol: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Distribution:
    """How often values occur.

    Args:
        labels: Of a text or truth value its most frequent values; of a number the bounds of the first and the last bin.
        counts: How often each occurs, or how many values each bin holds.
        numeric: Whether the counts are those of bins between two bounds.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    numeric: bool


@dataclass(frozen=True)
class Reader:
    """Who reads a table or a column.

    Args:
        kind: `service`, `training set`, or the kind of a table or column.
        name: Its name; of a column that reads, `<table>.<column>`.
        table: The table to which the page can lead; empty if it has none.
    """

    kind: str
    name: str
    table: str = ""


@dataclass(frozen=True)
class FeatureEntry:
    """A feature on the page.

    Args:
        name: Its name.
        description: Its definition in words.
        definition: Its expression or function.
        facts: Further facts, as term and text.
        sources: What it is computed from.
        readers: Who reads it.
        versions: Which months were computed by code of which behaviour.
        nulls: Share of its rows without a value; `None` where nothing is published.
        distribution: How often its values occur.
        curves: Its newest values, of some symbols.
        report: How it went with the returns that followed, or why there is no report.
        drift: Whether its newest values are distributed as those before.
        drift_checks: The checks that watch its drift.
    """

    name: str
    description: str
    definition: str
    facts: Sequence[tuple[str, str]]
    sources: tuple[Source, ...]
    readers: tuple[Reader, ...]
    versions: tuple[Version, ...] = ()
    nulls: float | None = None
    distribution: Distribution | None = None
    curves: tuple[Curve, ...] = ()
    report: FeatureReport | str = "Nothing is published yet."
    drift: DriftState = DriftState("not judged", "nothing is published yet")
    drift_checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class TableEntry:
    """A table or a training set on the page.

    Args:
        name: Its name.
        kind: What it is, such as `feature group`.
        description: What it is for.
        facts: Further facts, as term and text.
        reads: The tables that it reads.
        readers: Who reads it.
        columns: Of a table without features its columns: name, unit, type and description.
        features: Its features.
        versions: Which months were computed by code of which behaviour.
        views: The numbers of its Feast versions, and when each was registered.
        checks: Its checks.
        leak: What its leak test said.
        probes: The probes of its leak test, and how many altered markets each looked at.
        drift: Of a fitted model and of a training set, what is watched for drift, and its state.
        label: Of a training set, the name of its label.
        reports: The features of a training set with a label, as view and name, and how each went with the label.
        assets: Its assets in Dagster: what each is, and its key.
    """

    name: str
    kind: str
    description: str
    facts: Sequence[tuple[str, str]] = ()
    reads: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = ()
    columns: Sequence[tuple[str, str, str, str]] = ()
    features: tuple[FeatureEntry, ...] = ()
    versions: tuple[Version, ...] = ()
    views: Sequence[tuple[str, datetime]] = ()
    checks: Sequence[Check] = ()
    leak: str = ""
    probes: Sequence[tuple[str, str]] = ()
    drift: Sequence[tuple[str, DriftState]] = ()
    label: str = ""
    reports: Sequence[tuple[str, str, FeatureReport | str]] = ()
    assets: Sequence[tuple[str, str]] = ()
