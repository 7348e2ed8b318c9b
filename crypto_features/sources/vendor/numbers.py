"""The prices and volumes of a file as numbers: a text that is not one is refused by its line, never passed over."""

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.vendor.columns import PRICES, Columns
from crypto_features.sources.vendor.raw import Raw

_LINE = "\nline"


def numbers(schema: pl.Schema, found: Columns) -> list[pl.Expr]:
    """The columns `open, high, low, close`, and those of `volume, quote` that the file has, as floats."""
    return [_number(schema, source).alias(name) for name, source in _sources(found).items()]


def unread(schema: pl.Schema, found: Columns) -> pl.Expr:
    """The column `unread`: the first text of a row that should be a number and is not."""
    texts = [source for source in _sources(found).values() if schema[source] == pl.String]
    wrong = [
        pl.when(_number(schema, source).is_null() & (pl.col(source).str.strip_chars() != "")).then(
            pl.format("{} in {}", pl.col(source), pl.lit(source))
        )
        for source in texts
    ]
    return pl.coalesce(*wrong, pl.lit(None, pl.String)).alias("unread")


def refuse_unread(rows: pl.LazyFrame, raw: Raw, unread: pl.Expr) -> None:
    """Name the first text that should be a number and is not.

    Raises:
        InputError: if there is one.
    """
    if not rows.select(pl.col("unread").is_not_null().any()).collect(engine="streaming").item():
        return
    lines = raw.rows.with_row_index(_LINE, raw.line or 1).select(_LINE, unread)
    line, text = lines.filter(pl.col("unread").is_not_null()).limit(1).collect().row(0)
    raise InputError(
        f"{'line' if raw.line else 'row'} {line}: {text} is not a number; use a decimal point and no other separator, "
        f"or delete the row. {raw.where}"
    )


def _sources(found: Columns) -> dict[str, str]:
    sources = {**dict(zip(PRICES, found.prices, strict=True)), "volume": found.volume, "quote": found.quote_volume}
    return {ours: theirs for ours, theirs in sources.items() if theirs is not None}


def _number(schema: pl.Schema, source: str) -> pl.Expr:
    if schema[source] == pl.Float64:
        return pl.col(source)
    text = pl.col(source).str.strip_chars() if schema[source] == pl.String else pl.col(source)
    return text.cast(pl.Float64, strict=False)
