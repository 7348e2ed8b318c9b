"""The point-in-time join: for each entity row, the feature row that was the latest one then. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from crypto_features.errors import InputError

_ROW, _KNOWN, _RANK = "__row", "__known", "__rank"


@dataclass(frozen=True)
class FeatureTable:
    """The rows of one feature view, ready to be joined.

    Args:
        frame: Join keys, event time, created time if there is one, and feature columns.
        keys: Entity column → column of `frame` that it equals.
        event_time: Column with the time a row is about; any time type, naive is UTC.
        created_time: Column with the time a row was written, which breaks ties; or none.
        features: Output name → column of `frame`.
        ttl: How old a row may be, inclusive; zero or none is unlimited.
    """

    frame: pl.DataFrame
    keys: Mapping[str, str]
    event_time: str
    created_time: str | None
    features: Mapping[str, str]
    ttl: timedelta | None


def point_in_time_join(
    entities: pl.DataFrame, time: str, tables: Sequence[FeatureTable], *, as_known_then: bool = False
) -> pl.DataFrame:
    """Each entity row with, per table, the features of the latest row that is not later and not older than the TTL.

    Row order and duplicate rows of `entities` are kept; a row without a match gets nulls. Of rows with equal event time
    the one created last wins, as in Feast's DuckDB store.

    Args:
        entities: Join keys, the column `time`, and whatever else should be kept.
        time: Column of `entities` with the time as of which features are wanted.
        tables: What to join.
        as_known_then: Only rows that had also been created by then.

    Raises:
        InputError: if a column of `entities` has the name of a feature, two features have one name, or an entity column
            cannot be compared with its key.
    """
    joined = entities
    for table in tables:
        require_free(joined.columns, table.features)
        index = latest_rows(entities, time, table, as_known_then=as_known_then)
        found = table.frame.select(pl.col(column).alias(name) for name, column in table.features.items())
        joined = joined.with_columns(found.select(pl.all().gather(index)).get_columns())
    return joined


def require_free(columns: Sequence[str], features: Iterable[str]) -> None:
    """Check that no feature would take the place of a column.

    Raises:
        InputError: naming the first one that would.
    """
    for name in features:
        if name in columns:
            raise InputError(
                f"the entity frame has a column {name!r}, which is also the name of a feature asked for; rename the "
                "column, or set full_feature_names=True."
            )


def free(name: str, columns: Iterable[str]) -> str:
    """The name, or a longer one if a column has it already.

    >>> free("__state", ["symbol"]), free("__state", ["__state"])
    ('__state', '___state')
    """
    taken = {*columns}
    while name in taken:
        name = f"_{name}"
    return name


def latest_rows(entities: pl.DataFrame, time: str, table: FeatureTable, *, as_known_then: bool = False) -> pl.Series:
    """For each entity row the number of its row in `table.frame`, or null."""
    if table.frame.is_empty():
        return pl.repeat(None, entities.height, dtype=pl.UInt32, eager=True)
    by = [f"__key{n}" for n in range(len(table.keys))]
    wanted = entities.select(
        utc(pl.col(time)).alias(_KNOWN),
        *(pl.col(column).alias(name) for name, column in zip(by, table.keys, strict=True)),
    ).with_row_index("__entity")
    rows = table.frame.select(
        utc(pl.col(table.event_time)).alias("__event"),
        (utc(pl.col(table.created_time)) if table.created_time else pl.lit(None, pl.Datetime("us", "UTC"))).alias(
            "__created"
        ),
        *(pl.col(column).alias(name) for name, column in zip(by, table.keys.values(), strict=True)),
    ).with_row_index(_ROW)
    wanted = _comparable(wanted, rows, dict(zip(by, table.keys, strict=True))).drop_nulls([_KNOWN, *by])
    rows = _known(rows.drop_nulls(["__event", *by]), by, as_known_then=as_known_then and table.created_time is not None)
    matched = wanted.sort(_KNOWN).join_asof(rows, on=_KNOWN, by=by or None, strategy="backward", check_sortedness=False)
    if table.ttl:
        # Not `event + ttl`: that overflows for a TTL of centuries.
        fresh = pl.col(_KNOWN) - pl.col("__event") <= table.ttl
        matched = matched.with_columns(pl.when(fresh).then(pl.col(_ROW)).alias(_ROW))
    found = pl.repeat(None, entities.height, dtype=pl.UInt32, eager=True)
    hits = matched.filter(pl.col(_ROW).is_not_null())
    return found.scatter(hits["__entity"], hits[_ROW])


def _known(rows: pl.DataFrame, by: Sequence[str], *, as_known_then: bool) -> pl.DataFrame:
    """The rows sorted by the time from which they are the answer; of equal times the last one is the answer."""
    rows = rows.sort("__event", "__created", nulls_last=False, maintain_order=True)
    if not as_known_then:
        return rows.select(pl.col("__event").alias(_KNOWN), "__event", _ROW, *by)
    # A row is known once its event and its creation are past. From then on it is the answer unless one that ranks
    # higher was known already.
    ranked = rows.with_row_index(_RANK).drop_nulls("__created")
    known = ranked.select(pl.max_horizontal("__event", "__created").alias(_KNOWN), _RANK, *by).sort(_KNOWN, _RANK)
    best = pl.col(_RANK).cum_max()
    return known.with_columns(best.over(by) if by else best).join(
        ranked.select(_RANK, "__event", _ROW), on=_RANK, how="left", maintain_order="left"
    )


def _comparable(wanted: pl.DataFrame, rows: pl.DataFrame, keys: Mapping[str, str]) -> pl.DataFrame:
    """The entity keys in the types of the table; `keys` names the entity column of each, for the error."""
    for name, column in keys.items():
        if wanted.schema[name] != rows.schema[name]:
            try:
                wanted = wanted.with_columns(pl.col(name).cast(rows.schema[name]))
            except pl.exceptions.PolarsError:
                raise InputError(
                    f"the entity column {column!r} holds {wanted.schema[name]}, its feature table {rows.schema[name]}; "
                    "hand in values of that type."
                ) from None
    return wanted


def utc(time: pl.Expr) -> pl.Expr:
    """The time column as `Datetime("us", "UTC")`; naive times are UTC."""
    return time.map_batches(as_utc, return_dtype=pl.Datetime("us", "UTC"))


def as_utc(times: pl.Series) -> pl.Series:
    """As `utc`, of times that are at hand."""
    dtype = times.dtype
    if dtype == pl.Datetime("us", "UTC"):
        return times
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return times.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
    return times.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
