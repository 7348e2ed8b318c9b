"""Building a training set into a folder, month by month; the manifest is written when all else is on the disk."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl
from upath import UPath

from crypto_features import clock
from crypto_features.errors import InputError, TransientError
from crypto_features.known.history import History
from crypto_features.lake.history import oldest_close
from crypto_features.lake.table import stored
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.dtypes import TIME as TIMES
from crypto_features.tables.model import FittedModel
from crypto_features.tables.training import WEIGHT, TrainingSet
from crypto_features.training.croissant import croissant
from crypto_features.training.digests import set_digest, types_of
from crypto_features.training.folder import FORMAT, SetFolder, checksum
from crypto_features.training.folds import TEST, TRAIN
from crypto_features.training.inputs import declaration, libraries, model_versions, raw_digests, raw_names, read_tables
from crypto_features.training.labelled import TIME
from crypto_features.training.rows import definitions_joined
from crypto_features.training.whole_set import WholeSet

Log = Callable[[str], None]


@dataclass(frozen=True)
class Origin:
    """What a set is built from.

    Args:
        training: The declaration.
        catalog: The tables.
        root: The data folder.
        history: What it holds, and every version of the candles.
        versions: The behaviour of each column of the present code, by table.
        definitions: The definition of each column, by table.
    """

    training: TrainingSet
    catalog: Catalog
    root: UPath
    history: History
    versions: Mapping[str, Mapping[str, str]]
    definitions: Mapping[str, Mapping[str, str]]

    @property
    def months(self) -> tuple[str, ...]:
        """The months in which base candles are stored."""
        return stored(self.root, self.catalog, self.catalog.raw.name).months()

    def code(self) -> dict[str, dict[str, str]]:
        """The fingerprint and the definition of each feature that is computed here, as `<view>:<feature>`."""
        features = self.training.service.features.items()
        own = [(view, name) for view, names in features for name in names if view in self.catalog.groups]
        return {
            "fingerprints": {f"{view}:{name}": self.versions[view][name] for view, name in own},
            "definitions": dict(definitions_joined(self.training, self.catalog, self.definitions)),
        }

    def inputs(self, until: datetime) -> dict[str, dict[str, str]]:
        """By raw table or model and month, the digest of what had been seen of it by a time."""
        raws = raw_names(self.training, self.catalog)
        digests = {name: raw_digests(self.root, self.catalog, name, until) for name in raws}
        return digests | model_versions(self.history, self.training, until)

    def published(self) -> dict[str, dict[str, str]]:
        """The notes of every month of what the set reads: they differ if a month is published meanwhile."""
        tables = [t for t in read_tables(self.training, self.catalog) if not isinstance(t, FittedModel)]
        found = {table.name: stored(self.root, self.catalog, table.name) for table in tables}
        return {name: {month: table.digest(month) for month in table.months()} for name, table in found.items()}

    def settings(self) -> dict[str, float]:
        """What else decides the rows: lengths in seconds, and the completeness that a bar needs."""
        past = self.history
        waits = {"interval": past.interval.total_seconds(), "late_wait": past.wait.total_seconds()}
        return {**waits, "min_completeness": past.min_completeness}


@dataclass
class Summary:
    """What a manifest says of the rows, added up month by month."""

    rows: int = 0
    symbols: dict[str, list[Any]] = field(default_factory=dict)
    folds: dict[str, Counter[int]] = field(default_factory=dict)
    tests: dict[str, list[str]] = field(default_factory=dict)

    def add(self, rows: pl.DataFrame) -> None:
        self.rows += rows.height
        by_symbol = rows.group_by("symbol").agg(
            pl.len(), pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")
        )
        for symbol, count, first, last in by_symbol.sort("symbol").iter_rows():
            before = self.symbols.get(symbol)
            kept = [count, _iso(first), _iso(last)]
            self.symbols[symbol] = kept if before is None else [before[0] + count, before[1], kept[2]]
        for name in (name for name in rows.columns if name.startswith("fold_")):
            self.folds.setdefault(name, Counter()).update(dict(rows[name].value_counts().iter_rows()))
            times = rows.filter(pl.col(name) == TEST)[TIME]
            if len(times):
                first, last = _iso(times.min()), _iso(times.max())
                self.tests[name] = [self.tests.get(name, [first])[0], last]

    def facts(self) -> dict[str, Any]:
        universe = {
            s: {"rows": n, "first": first, "last": last} for s, (n, first, last) in sorted(self.symbols.items())
        }
        firsts, lasts = [one["first"] for one in universe.values()], [one["last"] for one in universe.values()]
        folds = [
            {
                "name": name,
                "train": counts[TRAIN],
                "test": counts[TEST],
                "neither": self.rows - counts[TRAIN] - counts[TEST],
                "test_from": self.tests[name][0],
                "test_to": self.tests[name][1],
            }
            for name, counts in self.folds.items()
        ]
        return {
            "rows": {"count": self.rows, "first": min(firsts, default=None), "last": max(lasts, default=None)},
            "folds": folds,
            "universe": universe,
        }


def build(origin: Origin, folder: SetFolder, log: Log = lambda _: None) -> Mapping[str, Any]:
    """Build a set into a new folder.

    Args:
        origin: What it is built from.
        folder: Where; what an interrupted build left there is removed.
        log: Is told of each month that is written.

    Returns:
        The manifest.

    Raises:
        InputError: if the folder is in use, there is no candle, no row has a label, a fold would be empty, or `as_of`
            is before the first candle or later than now.
        TransientError: if candles were fetched while they were read.
    """
    training, until = origin.training, clock.now()
    require_as_of(origin, until)
    folder.require_new()
    before, inputs = origin.published(), origin.inputs(until)
    whole = WholeSet(training, replace(origin.history, until=until), None, origin.months)
    if whole.audit is not None:
        log(str(whole.audit))
    summary, files, schema = Summary(), [], pl.Schema()
    for month, rows in whole.rows():
        files.append(folder.write(month, rows))
        summary.add(rows)
        schema = rows.schema
        log(f"{month}: {rows.height:,} rows; {summary.rows:,} in {len(files)} months")
    if not files:
        raise InputError(f"{training.name} has no row: no bar closed in the months that are stored.")
    if origin.published() != before:
        raise TransientError(f"tables of {training.name} were published while they were read; build the set again.")
    types = types_of(schema)
    own = {
        "format": FORMAT,
        "name": training.service.name,
        "project": training.project,
        "digest": set_digest(files, types),
        "built_at": _iso(until),
        "declaration": declaration(training),
        **origin.code(),
        "settings": origin.settings(),
        "columns": types,
        **summary.facts(),
        "label": {**asdict(whole.audit), "undecided": whole.audit.undecided} if whole.audit else None,
        "revisions": whole.revisions.facts(),
        "inputs": inputs,
        "libraries": libraries(),
        "files": files,
    }
    own["checksum"] = checksum(own)
    described = _described(origin)
    name, what = training.service.name, training.service.description
    date = f"{until:%Y-%m-%d}"
    folder.finish(croissant(name, what, own["digest"], date, files=files, schema=schema, described=described, own=own))
    return own


def require_as_of(origin: Origin, now: datetime) -> None:
    """Check that there is a candle, and that the time of a set's knowledge is neither before it nor in the future.

    Raises:
        InputError: naming both times, or that there is no candle at all.
    """
    name, as_of = origin.training.name, origin.training.as_of
    oldest = oldest_close(origin.root, origin.catalog, origin.history.interval)
    if oldest is None:
        raise InputError(
            f"no candle is stored, so {name} would have no row; `crypto-features run` fetches and computes."
        )
    if not isinstance(as_of, datetime):
        return
    if as_of < oldest:
        raise InputError(
            f"{name} says as_of={as_of:%Y-%m-%d %H:%M}, which is before {oldest:%Y-%m-%d %H:%M} UTC, when the first "
            "candle closed."
        )
    if as_of > now:
        raise InputError(
            f"{name} says as_of={as_of:%Y-%m-%d %H:%M}, which is later than now, {now:%Y-%m-%d %H:%M} UTC."
        )


def _described(origin: Origin) -> dict[str, str]:
    """What each column holds."""
    training, found = (
        origin.training,
        {"symbol": "Base asset, such as BTC.", TIME: "As of when the row was known, UTC."},
    )
    for view, names in training.service.features.items():
        fields = {one.name: one for one in origin.catalog.views[view].fields}
        found |= {name: f"{fields[name].description} Unit: {fields[name].unit}." for name in names}
    if training.label is not None:
        found[training.label.name] = f"{training.label.description} Unit: {training.label.unit}."
        found[training.label.known_at] = "When the label was known, UTC."
    return found | {WEIGHT: "How much the row counts."}


def _iso(time: Any) -> str:
    return pl.Series([time], dtype=TIMES).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").item()  # type: ignore[no-any-return] # a text.
