"""Metadata that makes the graph read as documentation: columns with units, lineage, rows, span and place."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import dagster as dg
import polars as pl

from crypto_features.tables.bars import DAY, Bars
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.completeness import COMPLETENESS, completeness_columns
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import lineage
from crypto_features.tables.raw import RawTable
from crypto_features.tables.raw_rows import Column
from crypto_features.tables.table import Sources

KEY_COLUMNS = (
    dg.TableColumn("symbol", "string", "Base asset, such as BTC."),
    dg.TableColumn("event_timestamp", "timestamp[us, UTC]", "Close of the last candle that the row used."),
    dg.TableColumn(
        "created_timestamp",
        "timestamp[us, UTC]",
        "When its content was known: at its close or with a correction.",
    ),
)


def _columns(columns: Iterable[Column], open_time: str) -> list[dg.TableColumn]:
    return [
        KEY_COLUMNS[0],
        dg.TableColumn("open_time", "timestamp[us, UTC]", open_time),
        *(dg.TableColumn(c.name, str(c.dtype).lower(), f"{c.description} Unit: {c.unit}.") for c in columns),
    ]


BAR_COLUMNS = dg.TableSchema(_columns([c for c in CANDLES.columns if not c.further], "Start of the candle."))


def raw_columns(raw: RawTable) -> dg.TableSchema:
    """The columns of a raw table, each with its unit."""
    row = raw.rows.row
    columns = _columns(raw.rows.columns, f"Start of the {row}." if raw.bar(DAY) else f"Time of the {row}.")
    known = dg.TableColumn("known_at", "timestamp[us, UTC]", f"When this version of the {row} was first seen.")
    return dg.TableSchema([*columns, known])


def lineage_of(bars: Bars) -> dg.TableColumnLineage:
    """Which columns of the candles each column of longer bars is made from."""
    sources = {"symbol": ((bars.of.name, "symbol"),), "open_time": ((bars.of.name, "open_time"),), **bars.sources}
    completeness = tuple((bars.of.name, name) for name in ("open_time", "completeness"))
    return _lineage({**sources, "completeness": completeness})


def feature_columns(group: FeatureGroup) -> dg.TableSchema:
    """The columns of a feature table, each with its definition and unit."""
    features = [
        dg.TableColumn(
            f.name,
            str(f.column_type).lower(),
            f"{f.description} Unit: {f.unit}.",
            dg.TableColumnConstraints(other=[f.range] if f.range else []),
            tags={"unit": f.unit},
        )
        for f in group.features
    ]
    shares = [dg.TableColumn(name, "float64", _share(name)) for name in completeness_columns(group)]
    return dg.TableSchema(columns=[*KEY_COLUMNS, *shares, *features])


def _share(column: str) -> str:
    window = column.partition("_")[2]
    what = f"Lowest completeness of the last {window} bars" if window else "Share of its candles that the bar has"
    return f"{what}. Unit: share, 0 to 1."


def feature_lineage(group: FeatureGroup) -> dg.TableColumnLineage:
    """Which column of which upstream table each feature, and each completeness, is computed from."""
    bars = ((group.bars.name, COMPLETENESS),)
    return _lineage({**dict.fromkeys(completeness_columns(group), bars), **lineage(group)})


def _lineage(columns: Sources) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(dg.AssetKey(table), column) for table, column in sources]
            for name, sources in columns.items()
        }
    )


def explained_by(table: str, columns: Iterable[str]) -> dict[str, dg.MetadataValue]:
    """The commands that say where a value of a table comes from, one for each column."""
    commands = "\n".join(f"crypto-features explain BTC {table}:{name}" for name in columns)
    return {"explain": dg.MetadataValue.md(f"Where a value comes from, and whether it is right:\n```\n{commands}\n```")}


def view_lineage(group: FeatureGroup) -> dg.TableColumnLineage:
    """Each column of a view, which is the column of that name in the group's table."""
    return same_columns({group.name: [*completeness_columns(group), *(feature.name for feature in group.features)]})


def same_columns(columns: Mapping[str, Iterable[str]]) -> dg.TableColumnLineage:
    """Columns that are taken over, under their own names, from upstream tables."""
    return _lineage({name: ((table, name),) for table, names in columns.items() for name in names})


def rows_of(frame: pl.DataFrame, time: str) -> Mapping[str, dg.MetadataValue]:
    """Rows, symbols and span of a table or partition."""
    facts: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.int(frame.height),
        "symbols": dg.MetadataValue.int(frame["symbol"].n_unique()),
    }
    first, last = frame[time].min(), frame[time].max()
    if isinstance(first, datetime) and isinstance(last, datetime):
        facts |= {"first": dg.MetadataValue.timestamp(first), "last": dg.MetadataValue.timestamp(last)}
    return facts
