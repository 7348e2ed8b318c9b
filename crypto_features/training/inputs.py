"""What a set is built from, and what it is made by: compared when it is built again."""

from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

import polars as pl
from upath import UPath

from crypto_features.known.history import History, reads_model
from crypto_features.lake.table import stored
from crypto_features.tables.catalog import Catalog, upstream
from crypto_features.tables.events import Cusum
from crypto_features.tables.label import Label
from crypto_features.tables.model import FittedModel
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table
from crypto_features.tables.training import TrainingSet
from crypto_features.versions.provenance import content_digest

LIBRARIES = ("crypto-features", "polars", "numpy", "pyarrow", "pandas", "ta")


def read_tables(training: TrainingSet, catalog: Catalog) -> list[Table]:
    """Every table that a set reads, directly or not, in the order of the catalog."""
    bars = (
        [training.rows]
        if isinstance(training.rows, Table)
        else [training.rows.bars]
        if isinstance(training.rows, Cusum)
        else []
    )
    label = [training.label.bars] if training.label is not None else []
    views = [catalog.views[view] for view in training.service.features]
    names = {table.name for one in (*bars, *label, *views, catalog.raw) for table in upstream(one)}
    return [table for name, table in catalog.tables.items() if name in names]


def raw_digests(root: UPath, catalog: Catalog, name: str, until: datetime) -> dict[str, str]:
    """By month, the digest of every version of a raw table's rows that had been seen by a time.

    Columns that only some sources have are left out: they may be stored for the months before they came, too.

    Args:
        root: The data folder.
        catalog: The tables.
        name: The raw table.
        until: The time.
    """
    table, found = stored(root, catalog, name), {}
    columns = ["symbol", "open_time", *(c.name for c in catalog.raws[name].rows.columns if not c.further)]
    for month in table.months():
        seen = table.scan([month], [*columns, "known_at"]).filter(pl.col("known_at") <= until)
        rows = table.collect(seen.drop("known_at"))
        if rows.height:
            found[month] = content_digest(rows)
    return found


def model_versions(history: History, training: TrainingSet, until: datetime) -> dict[str, dict[str, str]]:
    """By model and month, the version that was in force at a time, of the models that a set reads."""
    views = [history.catalog.views[view] for view in training.service.features]
    names = {t.name for one in views if reads_model(one) for t in upstream(one) if isinstance(t, FittedModel)}
    found = {}
    for name in sorted(names):
        there = {m: [one for one in fitted if one.published_at <= until] for m, fitted in history.models[name].items()}
        found[name] = {month: fitted[-1].version for month, fitted in sorted(there.items()) if fitted}
    return found


def declaration(training: TrainingSet) -> dict[str, Any]:
    """What a set declares, as a manifest says it."""
    said: dict[str, Any] = {
        "features": {view: list(names) for view, names in training.service.features.items()},
        "versions": dict(training.service.versions),
        "rows": _rows(training),
        "as_of": training.as_of if isinstance(training.as_of, str) else training.as_of.isoformat(),
        "label": label_facts(training.label) if training.label is not None else None,
        "weights": _plain(training.weights),
        "folds": _plain(training.folds),
    }
    return said


def label_facts(label: Label) -> dict[str, Any]:
    """What decides a label's values."""
    further = {name: value for name, value in vars(label).items() if name in ("profit", "stop", "window")}
    return {
        "kind": type(label).__name__,
        "name": label.name,
        "bars": label.bars.name,
        "horizon": str(label.horizon),
        "expression": str(label.expression),
        **further,
    }


def libraries() -> dict[str, str]:
    """The versions of what computes and writes a set."""
    return {"python": python_version(), **{name: _version(name) for name in LIBRARIES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def raw_names(training: TrainingSet, catalog: Catalog) -> list[str]:
    """The raw tables that a set is made from."""
    return [table.name for table in read_tables(training, catalog) if isinstance(table, RawTable)]


def _rows(training: TrainingSet) -> dict[str, Any]:
    rows = training.rows
    if isinstance(rows, Table):
        return {"bars": rows.name}
    if isinstance(rows, Cusum):
        return {"events": "cusum", "bars": rows.bars.name, "threshold": str(rows.threshold)}
    return {"frame": content_digest(rows), "rows": rows.height}


def _plain(declared: Any) -> dict[str, Any] | None:
    if declared is None:
        return None
    values = {n: str(v) if isinstance(v, timedelta) else v for n, v in vars(declared).items()}
    return {"kind": type(declared).__name__, **values}
