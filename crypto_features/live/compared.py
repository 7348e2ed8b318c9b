"""What was published live beside what the batch made of the same candles, to the bit. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.known.history import FittedVersion
from crypto_features.lake.candles import current
from crypto_features.lake.live_rows import AT, DAY, SINCE, VERSION
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.months import month_span
from crypto_features.tables.partition import KEYS
from crypto_features.tables.raw_rows import RAW_KEY

_CREATED = "created_timestamp"
_BATCH = "\nbatch"
"""Ends the name of a column of the batch: no column of a user ends so."""
_ALWAYS = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
DIFFERENCE = pl.Schema(
    {"symbol": pl.String(), KEYS[1]: TIME, "feature": pl.String(), "live": pl.String(), "batch": pl.String()}
)
CHANGED = pl.Schema({"symbol": pl.String(), "open_time": TIME, "first": TIME, "last": TIME})
"""`changed`'s result."""


@dataclass(frozen=True)
class Compared:
    """What became of the rows that were published live.

    Args:
        live: The rows, each with its `outcome`: `equal`, `different`, `waits` for the batch, or `other code`.
        values: The values that differ, of the rows that are `different`: the live row's number, `symbol`,
            `event_timestamp`, `feature`, `live` and `batch`, by time, symbol and order of the columns.
    """

    live: pl.DataFrame
    values: pl.DataFrame

    @property
    def different(self) -> pl.DataFrame:
        """The rows that differ: `row`, `symbol`, `event_timestamp`, when they were computed and since when the lake."""
        return self.live.filter(outcome="different").select("row", *KEYS, AT, SINCE)

    def count(self, outcome: str) -> int:
        """How many rows have that outcome."""
        return self.live.filter(outcome=outcome).height


def compare(live: pl.DataFrame, batch: pl.DataFrame) -> Compared:
    """Each live row beside the batch's of the same symbol and time.

    Args:
        live: The rows as `live_rows.read` gives them.
        batch: The batch's rows that are as new as their inputs: keys, values, and `VERSION`, that of the code.
    """
    live = live.with_row_index("row")
    values = [name for name in live.columns if name not in {"row", *KEYS, _CREATED, AT, SINCE, VERSION, DAY}]
    newest = batch.group_by("symbol").agg(newest=pl.col(KEYS[1]).max())
    theirs = batch.select(*KEYS, pl.exclude(KEYS).name.suffix(_BATCH), there=pl.lit(value=True))
    joined = live.join(theirs, on=KEYS, how="left").join(newest, on="symbol", how="left")
    joined = joined.with_columns(pl.lit(None).alias(f"{n}{_BATCH}") for n in values if n not in batch.columns)
    same = [_alike(pl.col(name), pl.col(f"{name}{_BATCH}"), joined.schema[name]) for name in values]
    there = pl.col("there").is_not_null()
    outcome = (
        pl.when(there & (pl.col(VERSION) != pl.col(f"{VERSION}{_BATCH}")))
        .then(pl.lit("other code"))
        .when(there & pl.all_horizontal(same))
        .then(pl.lit("equal"))
        .when(there | (pl.col("newest") > pl.col(KEYS[1])))
        .then(pl.lit("different"))
        .otherwise(pl.lit("waits"))
    )
    found = joined.with_columns(outcome=outcome)
    rows = found.filter(outcome="different")
    said = [
        (row["row"], row["symbol"], row[KEYS[1]], *(name, repr(row[name]), repr(row[f"{name}{_BATCH}"])))
        if row["there"]
        else (row["row"], row["symbol"], row[KEYS[1]], "", "a row", "none")
        for row, alike in zip(
            rows.iter_rows(named=True), rows.select(pl.concat_list(same)).to_series().to_list(), strict=True
        )
        for name, equal in zip(values, alike, strict=True)
        if not equal
    ]
    schema = {"row": found.schema["row"], **DIFFERENCE}
    told = pl.DataFrame(said, schema, orient="row").unique(maintain_order=True)
    return Compared(found.select(*live.columns, "outcome"), told.sort(KEYS[1], "symbol", maintain_order=True))


def changed(stored: pl.DataFrame, journalled: pl.DataFrame, since: datetime, values: Sequence[str]) -> pl.DataFrame:
    """Candles of which a live process had another version than the lake has now, or none.

    Args:
        stored: Every version in the lake: `symbol`, `open_time`, `known_at` and values.
        journalled: The same of the journal.
        since: Which state of the lake the process has loaded: of what the batch learnt later it knew nothing.
        values: The columns that count.

    Returns:
        `symbol`, `open_time`, `first`, `last`: what the process computed in `[first, last)` rests on another version.
    """
    names = [*RAW_KEY, "known_at", *values]
    told = pl.concat([stored.filter(pl.col("known_at") <= since).select(names), journalled.select(names)])
    told = told.sort(*RAW_KEY, "known_at", maintain_order=True).unique(names[:3], keep="last", maintain_order=True)
    now = current(stored).select(*RAW_KEY, pl.col(values).name.suffix(_BATCH), there=pl.lit(value=True))
    versions = told.join(now, on=RAW_KEY, how="left", maintain_order="left")
    alike = [pl.col(name).eq_missing(pl.col(f"{name}{_BATCH}")) for name in values]
    wrong = ~pl.all_horizontal(pl.col("there").is_not_null(), *alike)
    until = pl.col("known_at").shift(-1).over(RAW_KEY).fill_null(pl.lit(_ALWAYS[1], TIME))
    others = versions.with_columns(last=until).filter(wrong).select(*RAW_KEY, first="known_at", last="last")
    met = told.group_by(RAW_KEY).agg(last=pl.col("known_at").min())
    lacked = (
        now.select(RAW_KEY)
        .join(met, on=RAW_KEY, how="left")
        .select(*RAW_KEY, first=pl.lit(_ALWAYS[0], TIME), last=pl.col("last").fill_null(pl.lit(_ALWAYS[1], TIME)))
    )
    return pl.concat([lacked.cast(CHANGED), others.cast(CHANGED)]).filter(pl.col("last") > pl.col("first"))


def corrected(rows: pl.DataFrame, changes: pl.DataFrame, reach: timedelta, others: Collection[str] | None) -> pl.Series:
    """The numbers of the rows that rest on a candle that was another one, or was not there, when they were computed.

    Args:
        rows: Rows as `Compared.different` gives them.
        changes: What `changed` found.
        reach: How far before a row's time a candle may open on which it depends.
        others: The symbols on which every row depends; `None` for all.
    """
    asked = rows.select("row", mine="symbol", event=KEYS[1], start=pl.col(KEYS[1]) - reach, at=AT)
    reached = pl.col("open_time") >= pl.col("start"), pl.col("open_time") < pl.col("event")
    then = pl.col("first") <= pl.col("at"), pl.col("last") > pl.col("at")
    own = asked.join(changes, left_on="mine", right_on="symbol").filter(*reached, *then)
    shared = changes if others is None else changes.filter(pl.col("symbol").is_in(list(others)))
    of_others = asked.join_where(shared.drop("symbol").unique(), *reached, *then)
    return pl.concat([own["row"], of_others["row"]]).unique()


def refitted(rows: pl.DataFrame, months: Mapping[str, Sequence[FittedVersion]], reach: timedelta) -> pl.Series:
    """The numbers of the rows that may rest on another version of a month's model than is in force now.

    Args:
        rows: Rows as `Compared.different` gives them.
        months: By month the versions of a model that reaches them, the one in force last.
        reach: How far before a row's time a month may end whose model reaches it.
    """
    found = [pl.Series(dtype=rows.schema["row"])]
    for month, versions in months.items():
        start, end = month_span(month)
        published = versions[-1].published_at
        lacked = pl.col(AT) < published if len(versions) == 1 else pl.col(SINCE) < published
        near = (pl.col(KEYS[1]) > start) & (pl.col(KEYS[1]) - reach < end)
        found.append(rows.filter(near, lacked)["row"])
    return pl.concat(found).unique()


def _alike(one: pl.Expr, other: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Whether two values have the same bits; 0.0 is not −0.0."""
    same = one.eq_missing(other)
    if not dtype.is_float():
        return same
    zero = (one == 0.0).fill_null(value=False)
    return same & (~zero | ((1 / one) == (1 / other)).fill_null(value=False))
