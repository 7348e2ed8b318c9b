"""When each row of a feature table counts as created: with its bar, or with what was corrected or late in it."""

from datetime import datetime

import polars as pl

from crypto_features.known.knowledge import TIME

CREATED = "created_timestamp"
_KEYS = ["symbol", "event_timestamp"]


def with_created(
    rows: pl.DataFrame, published: pl.DataFrame | None, missed: pl.DataFrame, since: datetime
) -> pl.DataFrame:
    """The rows with `created_timestamp` (UTC), which changes only when a row's content does.

    A row that is as it was published keeps its time. Of any other it is the time from which the newest correction,
    late candle or replaced model in its window was known, and never before its event or before what it replaces.

    Args:
        rows: `symbol`, `event_timestamp` and features, as computed now.
        published: The same with `created_timestamp`, as they are published; `None` if they are not.
        missed: `symbol, open_time, known` of what became known late.
        since: What is older than this is in no row's window.
    """
    late = missed.filter(pl.col("open_time") >= since).sort("open_time")
    late = late.select("symbol", "open_time", late=pl.col("known").cum_max().over("symbol"))
    timed = (
        rows.with_row_index("row")
        .sort("event_timestamp")
        .join_asof(
            late,
            left_on="event_timestamp",
            right_on="open_time",
            by="symbol",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .with_columns(pl.max_horizontal("event_timestamp", "late").cast(TIME).alias(CREATED))
        .sort("row")
    )
    if published is not None:
        features = {name: dtype for name, dtype in rows.schema.items() if name not in _KEYS}
        alike = features.items() <= published.schema.items()
        before = published.select(*_KEYS, *(features if alike else ()), before=CREATED)
        timed = timed.join(before, on=_KEYS, how="left", suffix="_before", maintain_order="left")
        same = (
            [pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in features] if alike else [pl.lit(value=False)]
        )
        kept = pl.when(*same, pl.col("before").is_not_null()).then("before")
        timed = timed.with_columns(pl.coalesce(kept, pl.max_horizontal(CREATED, "before")).alias(CREATED))
    return timed.select(*_KEYS, CREATED, pl.col(rows.columns).exclude(_KEYS))
