"""One vendor file as a lazy frame of candles: what is ambiguous is refused, with what decides it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.vendor.choices import Choices
from crypto_features.sources.vendor.clocks import refuse_local
from crypto_features.sources.vendor.columns import PRICES, Columns, recognize
from crypto_features.sources.vendor.filename import FileName, parse
from crypto_features.sources.vendor.grid import Zone
from crypto_features.sources.vendor.length import Length, candle_length
from crypto_features.sources.vendor.markets import OWN, Markets, markets_of
from crypto_features.sources.vendor.numbers import numbers, refuse_unread, unread
from crypto_features.sources.vendor.raw import Raw, raw_rows
from crypto_features.sources.vendor.stamps import FIRST, has_zone
from crypto_features.sources.vendor.text import LONGER
from crypto_features.sources.vendor.times import in_utc, the_time, times, with_day_and_hour
from crypto_features.sources.vendor.volumes import check_pair, check_size, is_quote

_SPOOL_ROWS = 100_000
_NOT_EMPTY = pl.any_horizontal(pl.all().is_not_null())
"""Rows that hold anything: an empty line, or one of delimiters alone, is not a candle."""


@dataclass(frozen=True)
class Span:
    """What a file has of one market: open time of its first and last candle, and how long a candle is."""

    first: datetime
    last: datetime
    length: Length | None


@dataclass(frozen=True)
class VendorFile:
    """A file that was understood.

    Args:
        rows: `symbol, open_time, open, high, low, close, volume` in the file's order.
        spans: By symbol, which is `OWN` for the market of the file's name.
        failed: Why each symbol of a file of many whose candles cannot be read are not.
        passed_over: Why each market of a file of many that is not read is not, by its name in the file.
    """

    rows: pl.LazyFrame
    spans: Mapping[str, Span]
    failed: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)


def open_file(path: Path, market: str, choices: Choices, spool: Path) -> VendorFile:
    """The candles of a file.

    What is not Parquet is parsed once, in streams, into a Parquet file; every row is then held to what its columns
    mean.

    Raises:
        InputError: if the file is not whole, lacks a column, or can be read in more than one way; it shows the first
            rows and the setting that decides.
    """
    raw = raw_rows(path, spool, choices.limit, choices.columns.values())
    try:
        found, rows, zone = _candles(raw, market, choices, spool / "candles")
        name = parse(path.name)
        if name.zone and zone == Zone():
            raise InputError(
                f"a file of this name is HistData's, whose stamps are New York's without summer time; set "
                f"CRYPTO_FEATURES_FILES_ZONE={name.zone}, or UTC if they are UTC. {raw.where}"
            )
        markets = markets_of(rows, market, raw.where) if found.pair else None
        rows = _by_symbol(rows, markets)
        rows = _in_base(rows, found, choices, raw.where)
        measured = _measured(rows, found, choices, name, zone=zone, where=raw.where)
        return replace(measured, passed_over=markets.passed_over) if markets else measured
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        why = str(error).splitlines()[0]
        if "more fields" in why or "ragged" in why:
            raise InputError(f"a row has more fields than the header; {LONGER}. {raw.where}") from None
        todo = " Save it as UTF-8." if "utf-8" in why.lower() else ""
        raise InputError(f"the file cannot be read ({why}).{todo} {raw.where}") from None


def _candles(raw: Raw, market: str, choices: Choices, spool: Path) -> tuple[Columns, pl.LazyFrame, Zone]:
    """Times, numbers and, if the file names it, market of every row as `pair`; the zone of the times."""
    lazy = raw.rows.filter(_NOT_EMPTY) if raw.line else raw.rows
    if lazy.limit(1).collect().is_empty():
        raise InputError(f"the file holds no candle: {raw.where}")
    found = recognize(lazy.collect_schema().names(), market, choices.columns, raw.where)
    lazy, found = with_day_and_hour(lazy, found, choices)
    schema, ways = lazy.collect_schema(), times(lazy, found, choices)
    pair, wrong = [pl.col(found.pair).cast(pl.String).alias("pair")] if found.pair else [], unread(schema, found)
    rows = lazy.select(*ways.values(), *numbers(schema, found), *pair, wrong)
    if raw.line:
        rows.sink_parquet(spool, compression="lz4", row_group_size=_SPOOL_ROWS)
        rows = pl.scan_parquet(spool)
    if pl.String in schema.dtypes():
        refuse_unread(rows, raw, wrong)
    time = the_time(rows, list(ways), raw.where)
    column, form = time.split("\n")
    zone = Zone(choices.zone, in_stamps=in_utc(column) or has_zone(schema[column], form))
    return found, rows.with_columns(open_time=pl.col(time)), zone


def _by_symbol(rows: pl.LazyFrame, markets: Markets | None) -> pl.LazyFrame:
    if markets is None:
        return rows.with_columns(symbol=pl.lit(OWN))
    read = rows.filter(pl.col("pair").is_in([*markets.symbols]))
    return read.with_columns(symbol=pl.col("pair").replace_strict(markets.symbols))


def _in_base(rows: pl.LazyFrame, found: Columns, choices: Choices, where: str) -> pl.LazyFrame:
    """The volume in the base asset: what is in the quote currency is divided by the close."""
    if is_quote(found, choices.volume):
        return rows.with_columns(volume=pl.col("quote" if found.volume is None else "volume") / pl.col("close"))
    if found.quote_volume is not None:
        check_pair(rows, found, where)
    return rows


def _measured(
    rows: pl.LazyFrame, found: Columns, choices: Choices, name: FileName, *, zone: Zone, where: str
) -> VendorFile:
    counted = rows.group_by("symbol", "open_time").agg(rows=pl.len()).collect(engine="streaming")
    opens = counted.sort("symbol", "open_time")
    spans: dict[str, Span] = {}
    failed: dict[str, str] = {}
    for (symbol,), part in opens.group_by("symbol", maintain_order=True):
        try:
            spans[str(symbol)] = _span(part, choices, name.length, zone, where)
        except InputError as error:
            failed[str(symbol)] = str(error)
    if not spans:
        raise InputError(next(iter(failed.values())))
    earliest = min(span.first for span in spans.values())
    if earliest < FIRST and choices.stamps is None:
        raise InputError(
            f"a candle opened at {earliest}, before any coin was traded: its stamp has another unit or form. Give it "
            f"by CRYPTO_FEATURES_FILES_STAMPS, such as ms. {where}"
        )
    lengths = [span.length for span in spans.values() if span.length]
    if lengths and choices.volume is None and not is_quote(found, choices.volume):
        check_size(rows, min(length.interval for length in lengths), found, name.market, where)
    late = max((length.late for length in lengths), default=timedelta(0))
    if late:
        rows = rows.with_columns(pl.col("open_time") - late)
    return VendorFile(rows.select("symbol", "open_time", *PRICES, "volume"), spans, failed)


def _span(opens: pl.DataFrame, choices: Choices, named: timedelta | None, zone: Zone, where: str) -> Span:
    length = candle_length(opens["open_time"], choices.length, named, zone, where)
    if length and zone == Zone():
        refuse_local(opens, length.interval, where)
    late = length.late if length else timedelta(0)
    return Span(opens["open_time"][0] - late, opens["open_time"][-1] - late, length)
