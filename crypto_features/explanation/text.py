"""An explanation as a person reads it in a terminal."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from crypto_features.explanation.facts import Cause, Explanation, Fit, Publisher, Run, same
from crypto_features.versions.provenance import input_digest

BLOCKS = "▁▂▃▄▅▆▇█"
SHOWN = 3
"""How many candles are shown at each end of a window, and how many that were corrected."""
_TIME = "%Y-%m-%d %H:%M"


def lines(found: Explanation) -> Iterator[tuple[str, str]]:
    """The lines of an explanation: what each is about, and what it says."""
    yield "feature", f"{found.symbol} {found.ref}. {found.description} Unit: {found.unit}."
    yield "time", f"{found.time:{_TIME}} UTC, the close of its bar"
    yield "offline", _value(found.value)
    if found.online is not None:
        of = "" if found.online.time in (None, found.time) else f" of {found.online.time:{_TIME}}"
        yield "online", f"{_value(found.online.value)}{of}, {found.online.status}"
        if found.online.publisher is not None:
            yield "", f"published {_publisher(found.online.publisher)}"
    if found.window is not None:
        bits = "the same bits" if same(found.recomputed, found.value) else "other bits"
        yield "recomputed", f"{_value(found.recomputed)}, {bits}"
    yield "version", _version(found)
    if found.run is not None:
        yield "written by", _run(found.run)
    for fit in found.fits:
        yield from _fit(fit)
    yield from _candles(found)
    chart = sparkline(found.history["value"]) if found.history.width else ""
    if chart:
        first, last = found.history["event_timestamp"][0], found.history["event_timestamp"][-1]
        yield "history", chart
        yield "", f"{first:{_TIME}} to {last:{_TIME}}"
    if found.since is not None:
        yield from _causes(found, found.since)
    if not found.findings:
        served = (
            ", and so does the online store" if found.online and found.online.status in {"PRESENT", "PARTIAL"} else ""
        )
        yield "verdict", f"{found.verdict.value}: the candles give the same bits{served}"
    for number, finding in enumerate(found.findings):
        yield "" if number else "verdict", str(finding)


def sparkline(values: pl.Series) -> str:
    """The last values in blocks of eight heights; a gap where there is none. Empty of texts."""
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        return ""
    numbers = [v if v is not None and math.isfinite(v) else None for v in values.cast(pl.Float64)]
    there = [v for v in numbers if v is not None]
    if not there:
        return ""
    low, size = min(there), (max(there) - min(there)) or 1.0
    return "".join(" " if v is None else BLOCKS[min(7, int((v - low) / size * 8))] for v in numbers)


def _version(found: Explanation) -> str:
    version = found.version
    if not version.behaviour:
        return "of another project"
    said = f"behaviour {version.behaviour}, definition {version.definition}"
    if version.is_present or not version.noted_behaviour:
        return said
    return f"{said}; the table was computed by {version.noted_behaviour}, definition {version.noted_definition}"


def _publisher(publisher: Publisher) -> str:
    if publisher.candle:
        return f"live, with the candle {publisher.candle}, known {publisher.at:{_TIME}:%S}"
    return f"by run {publisher.run_id} at {publisher.at:{_TIME}}"


def _run(run: Run) -> str:
    at = f" at {run.published_at:{_TIME}}" if run.published_at else ""
    return f"run {run.run_id}{at}, {run.file}"


def _fit(fit: Fit) -> Iterator[tuple[str, str]]:
    yield "model", f"{fit.model} {fit.month}, version {fit.version}"
    if fit.run is not None:
        yield "", f"fitted by {_run(fit.run)}"
    for table, months in fit.inputs.items():
        if months:
            count = f"{len(months)} {'month' if len(months) == 1 else 'months'}"
            yield "", f"on {table} of {min(months)} to {max(months)}, {count}, digest {input_digest(months)}"
    if fit.moved:
        again = f"`crypto-features plan --refit {fit.month}` compares a new fit"
        yield "", f"{_few(fit.moved)} changed since, and the model stays; {again}"


def _candles(found: Explanation) -> Iterator[tuple[str, str]]:
    if found.window is None or not found.candles.width:
        return
    rows, (start, end) = found.candles, found.window
    keys = ["table", "symbol", "open_time"]
    tables = rows.partition_by("table", as_dict=True).items()
    names = ", ".join(f"{name} of {_few(sorted(part['symbol'].unique()))}" for (name,), part in tables)
    superseded = rows.filter("superseded").select(keys).n_unique()
    versions = f", {superseded} of them corrected" if superseded else ", none of them corrected"
    yield "window", f"{start:{_TIME}} to {end:{_TIME}}: {rows.select(keys).n_unique():,} rows of {names}{versions}"
    for row in rows.filter(pl.col("symbol") == found.symbol, ~pl.col("superseded")).tail(SHOWN).iter_rows(named=True):
        yield "", _row(row)
    for row in rows.filter(pl.len().over(keys) > 1).tail(2 * SHOWN).iter_rows(named=True):
        known = f", known {row['known_at']:{_TIME}}{', superseded' if row['superseded'] else ''}"
        yield "corrected", _row(row) + known


def _row(row: dict[str, Any]) -> str:
    values = ", ".join(f"{n} {v:g}" for n, v in row.items() if isinstance(v, float) and n != "completeness")
    return f"{row['symbol']} {row['open_time']:{_TIME}}: {values}"


def _causes(found: Explanation, since: datetime) -> Iterator[tuple[str, str]]:
    if not found.causes:
        yield "since", f"{since:{_TIME}}: it has not changed"
    for cause in found.causes:
        yield f"since {since:{_TIME}}", _cause(cause)
        yield from (("because of", _cause(one)) for one in cause.because)


def _cause(cause: Cause) -> str:
    what = f" ({', '.join(cause.what)})" if cause.what else ""
    return f"{cause.change.value}{what}: {_value(cause.before)} → {_value(cause.after)}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _value(value: object) -> str:
    """A value with all its digits."""
    return "null" if value is None else repr(value) if isinstance(value, float) else str(value)
