"""How far the newest values lie from those before them, in a sentence for each column."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

from crypto_features.catalog_page.entries import DriftState
from crypto_features.errors import InputError
from crypto_features.lake.table import Table
from crypto_features.tables.drift import Drift, watched_columns
from crypto_features.tables.training import TrainingSet
from crypto_features.training.drift import by_feature, drift
from crypto_features.training.folder import SetFolder
from crypto_features.training.newest import newest_of_set, newest_rows

NOT_WATCHED = DriftState(
    "not watched",
    "a price, volume or count of time has no distribution to drift from, and a smooth value shows nothing",
)


def table_states(table: Table, names: Sequence[str], how: Drift, bar: timedelta) -> Mapping[str, DriftState]:
    """The state of some columns of a table.

    Args:
        table: The table.
        names: The columns.
        how: How they are watched.
        bar: Length of its bars.
    """
    try:
        rows = newest_rows(table, how.history * bar, names) if names and table.months() else None
    except InputError as error:  # a damaged month, which it names.
        return dict.fromkeys(names, DriftState("not judged", str(error)))
    return states(rows, names, how)


def set_states(folder: SetFolder | None, training: TrainingSet) -> Mapping[str, DriftState]:
    """The state of the columns of a set that are watched, in the newest one that was built."""
    how, names = training.drift or Drift(), watched_columns(training)
    try:
        rows = newest_of_set(folder, how.history, names) if folder is not None and names else None
    except InputError as error:
        return dict.fromkeys(names, DriftState("not judged", str(error)))
    return states(rows, names, how)


def states(rows: pl.DataFrame | None, names: Sequence[str], how: Drift) -> Mapping[str, DriftState]:
    """The state of each column.

    Args:
        rows: `symbol`, `event_timestamp` and the columns; `None` where nothing is published.
        names: The columns.
        how: How they are watched.
    """
    if rows is None:
        return dict.fromkeys(names, DriftState("not judged", "nothing is published yet"))
    found = {row["feature"]: row for row in by_feature(drift(rows, names, how)).iter_rows(named=True)}
    early = DriftState("not judged", f"too few values: {how.reference + how.window} of a symbol, and earlier windows")
    return {name: _state(found[name], how) if name in found else early for name in names}


def _state(row: Mapping[str, object], how: Drift) -> DriftState:
    verdict = "drifted" if row["drifted"] else "unusual" if row["unusual"] else "steady"
    return DriftState(
        verdict,
        f"{row['unusual']} of {row['symbols']} symbols unusual in their newest {how.window} values, until "
        f"{row['until']:%Y-%m-%d %H:%M} UTC; greatest PSI {row['psi']:.2f}, greatest Kolmogorov-Smirnov distance "
        f"{row['ks']:.2f}; rarest as {row['p']:.1%} of earlier windows",
    )
