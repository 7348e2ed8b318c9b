"""Wrong data, wrong code, a stale table and a stale store, told apart.

The tables behind a value are held against what the raw rows give, in their order: the first one that differs is where
it went wrong. Its notes say whether its file was changed, whether it was computed from other rows or by other code, or
whether the same code gave other bits from the same rows.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from crypto_features import clock
from crypto_features.errors import CryptoFeaturesError
from crypto_features.explanation.facts import Finding, Online, Verdict, same
from crypto_features.explanation.lake import Lake
from crypto_features.explanation.replay import Replay
from crypto_features.explanation.subject import Subject
from crypto_features.tables.bars import Bars
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.read import Read
from crypto_features.tables.table import Table
from crypto_features.versions.difference import difference
from crypto_features.versions.measured import current_definitions, versions
from crypto_features.versions.plan import bar_over
from crypto_features.versions.provenance import (
    COLUMNS,
    DEFINITIONS,
    FINGERPRINTS,
    INPUTS,
    content_digest,
    input_digest,
)

COMPUTE = "`crypto-features plan --run` computes it again."
SHOWN = 3


def offline(subject: Subject, replay: Replay, time: datetime) -> Finding:
    """Why the stored value of a time is not what the raw rows give: the first table behind it that differs, and how."""
    table, month = subject.table, subject.month(time)
    for name, months in _behind(subject, replay, month):
        for one in months:
            finding = _month(subject, replay, name, one, time)
            if finding is not None:
                return finding
    return Finding(
        Verdict.STALE_TABLE, f"the row is not in {table.name} of {month} as the candles give it now", COMPUTE
    )


def unreadable(error: CryptoFeaturesError) -> Finding:
    """A file that can't be read."""
    return Finding(Verdict.WRONG_DATA, str(error).rstrip("."), f"Then {COMPUTE}")


def behind(table: str, newest: datetime) -> Finding:
    """A table that lacks a row which the candles give."""
    return Finding(
        Verdict.STALE_TABLE, f"{table} has no row of {newest:%Y-%m-%d %H:%M} yet, and the candles give one", COMPUTE
    )


def online(row: Online, value: object, time: datetime, view: str, *, due: bool) -> Finding | None:
    """What is wrong with an online row.

    Args:
        row: The online row.
        value: The stored value, and
        time: its time.
        view: The view.
        due: Whether it is the newest of its symbol, and young enough to be served.
    """
    publish = f"Publish it again: `crypto-features run`, or materialize 'online_store/{view}'."
    if row.time == time:
        wrong = "" if same(row.value, value) else f"the online store has {row.value!r} of the same time"
    elif row.time is None:
        wrong = "the online store has no row of it" if due else ""
    elif row.time > time:
        held = f"the online row is of {row.time:%Y-%m-%d %H:%M}, which the table does not have"
        return Finding(Verdict.STALE_TABLE, held, COMPUTE) if due else None
    else:
        wrong = f"the online row is an older one, of {row.time:%Y-%m-%d %H:%M}" if due else ""
    return Finding(Verdict.STALE_STORE, wrong, publish) if wrong else None


def _behind(subject: Subject, replay: Replay, month: str) -> Iterator[tuple[str, list[str]]]:
    """The computed tables behind a month, and the months that are read of each; its own table comes last."""
    needed: dict[str, set[str]] = {subject.table.name: {month}}
    computed = (Bars, FeatureGroup)
    names = [name for name, one in replay.tables.items() if isinstance(one, computed) and one.project is None]
    for name in reversed(names):
        for own in sorted(needed.get(name, ())):
            for read in replay.tables[name].reads(replay.interval):
                needed.setdefault(read.table, set()).update(read.months(own))
    yield from ((name, sorted(needed[name])) for name in names if name in needed)


def _month(subject: Subject, replay: Replay, name: str, month: str, time: datetime) -> Finding | None:
    """How one month of a table differs, up to a time, from what the raw rows give; `None` if it does not."""
    table, stored, symbol = replay.tables[name], subject.lake.table(name), subject.symbol
    if month not in stored.months():
        return None
    try:
        whole, notes = stored.read([month]), stored.metadata(month)
    except CryptoFeaturesError as error:
        return unreadable(error)
    columns = [column for column in table.columns if column in whole.columns]
    late = table.bar(replay.interval) if table.time == "open_time" else timedelta(0)
    known = (pl.col("symbol") == symbol) & (pl.col(table.time) <= time - late)
    again, there = (
        rows.filter(known).select("symbol", table.time, *columns)
        for rows in (replay.rows(name, [month], [symbol]), whole)
    )
    if difference(again, there) is None and len(columns) == len(table.columns):
        return None
    if notes.get("digest", content_digest(whole)) != content_digest(whole):
        changed = f"the file of {name} of {month} was changed after it was published"
        return Finding(Verdict.WRONG_DATA, changed, f"Delete it. {COMPUTE}")
    return _computed(subject.lake, name, month, notes, columns)


def _computed(lake: Lake, name: str, month: str, notes: Mapping[str, str], columns: Sequence[str]) -> Finding:
    """Why a month that is as it was published is not what the raw rows give."""
    where = f"{name} of {month}"
    if other := _otherwise(name, columns, notes):
        return Finding(Verdict.STALE_TABLE, f"other code computed {where}: {', '.join(other)}", COMPUTE)
    if changed := [*moved(lake, lake.catalog[name], notes)]:
        shown = ", ".join(changed[:SHOWN]) + (f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else "")
        return Finding(Verdict.STALE_TABLE, f"{where} was computed before {shown} changed", COMPUTE)
    if bar_over(notes, clock.now()):
        return Finding(Verdict.STALE_TABLE, f"{where} was computed while a bar waited for its last candles", COMPUTE)
    return Finding(
        Verdict.WRONG_CODE,
        f"the code of {name} gives other values of {month} from the same rows, in the same version",
        "It depends on something that it does not declare, such as the time, a file, a setting or chance; leak-test "
        "the group.",
    )


def moved(lake: Lake, table: Table, notes: Mapping[str, str]) -> Iterator[str]:
    """The inputs whose content is not what a month notes that it was computed from, as `<table> of <month>`."""
    noted: Mapping[str, Mapping[str, str]] = json.loads(notes.get(INPUTS, "{}"))
    for read in table.reads(lake.interval):
        for month, digest in noted.get(read.table, {}).items():
            if _digest(lake, read, month) != digest:
                yield f"{read.table} of {month}"


def _digest(lake: Lake, read: Read, month: str) -> str | None:
    """The digest of what is read of a month as it is stored now."""
    if read.table in lake.catalog.models:
        model = lake.model(read.table, month)
        return model.version if model else None
    stored = lake.table(read.table)
    if month not in stored.months():
        return None
    columns = json.loads(stored.metadata(month).get(COLUMNS, "{}"))
    return input_digest(columns, read.columns) if columns else stored.digest(month)


def _otherwise(name: str, columns: Sequence[str], notes: Mapping[str, str]) -> list[str]:
    """The columns that the present code computes otherwise than a month notes."""
    now = versions()[name], current_definitions()[name]
    noted = json.loads(notes.get(FINGERPRINTS, "{}")), json.loads(notes.get(DEFINITIONS, "{}"))
    return [c for c in columns if any(new.get(c) != old.get(c) for new, old in zip(now, noted, strict=True))]
