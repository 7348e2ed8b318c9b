"""The report on a published feature: its values and its bars are read from the data folder."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.candles import current
from crypto_features.lake.table import stored
from crypto_features.report.labels import declared_label, labels_of
from crypto_features.report.measure import FeatureReport, measure
from crypto_features.report.returns import ForwardReturns, forward_returns
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog, clock_of
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import Label
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table

HORIZONS = (1, 5, 20)
DELAYS = (0, 1, 2, 3, 5, 10, 20)
LABEL = "label"
"""The unit of a text feature that names the regime of a market."""


def feature_report(
    feature: str,
    *,
    horizons: Sequence[int] | None = None,
    label: Label | str | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> FeatureReport:
    """How a published feature went with what followed it, returns or a label; it describes the past and says so.

    Values were known at the close of their bar, and what followed begins there, so nothing looks ahead. Both are read
    as they are published now, with every correction.

    Args:
        feature: Such as `price_features:rsi_14`.
        horizons: Over how many bars of the feature's own clock returns are taken; 1, 5 and 20 by default.
        label: A label, or the name of one in the catalog, in place of returns. It is held against the newest value at
            the close of each of its bars, up to the time to live of the group, as a training set joins it. A label
            whose horizon passes the end of the data is left out.
        level: Share of intervals that hold the truth, between 0 and 1.
        seed: Of the bootstrap: the same one gives the same report.

    Raises:
        UnknownNameError: if there is no such feature or label, or nothing of the table or the bars is published.
        InputError: if it has no order, such as a text, its clock has no prices, a horizon is under 1 or reaches beyond
            the published bars, no bar has the label, or both a label and horizons are given.
    """
    settings, catalog = Settings.load(), current_catalog()
    table, colon, name = feature.partition(":")
    if not (table and colon and name):
        raise InputError(f"{feature!r} does not have the form view:feature; expected such as price_features:rsi_14.")
    if table not in catalog.groups:
        raise UnknownNameError("feature group", table, catalog.groups)
    group = catalog.groups[table]
    group.feature(name)
    if label is not None and horizons is not None:
        raise InputError(
            f"horizons={[*horizons]} and label={label!r}: a label has its own horizon; give one of the two."
        )
    values = stored(settings.root, catalog, table).read(columns=["symbol", "event_timestamp", name])
    if label is None:
        returns = returns_of(
            settings, catalog, group, horizons=HORIZONS if horizons is None else horizons, delays=DELAYS
        )
        found = measure([name], values, returns, level=level, seed=seed)[name]
    else:
        labels = labels_of(settings, catalog, declared_label(catalog, label))
        outcomes = labels.outcomes(settings, delays=DELAYS, regimes=regimes_of(settings.root, catalog))
        joined, said = labels.joined(settings, group, values), labels.declared.name
        found = measure([name], joined, outcomes, level=level, seed=seed, label=said)[name]
    return replace(found, feature=feature)


def returns_of(
    settings: Settings,
    catalog: Catalog,
    group: FeatureGroup,
    *,
    horizons: Sequence[int] = HORIZONS,
    delays: Sequence[int] = DELAYS,
    regimes: pl.DataFrame | None = None,
    most_times: int | None = None,
) -> ForwardReturns:
    """The returns that followed the bars of a group, and the regimes in which they lay, as published.

    Args:
        settings: Of the platform.
        catalog: Whose group it is.
        group: The group.
        horizons: Over how many bars.
        delays: In bars.
        regimes: What `regimes_of` gives, if it is read already.
        most_times: As `forward_returns` takes it.

    Raises:
        InputError: if the bars have no prices, or a horizon is under 1 or longer than the published history.
        UnknownNameError: if nothing of the bars is published.
    """
    clock, bar = clock_of(group), group.bar(settings.interval)
    if not {"close"} <= {*clock.columns}:
        raise InputError(
            f"{group.name} has the times of {clock.name}, which has no close: there is no return to hold it against."
        )
    return forward_returns(
        _closes(settings, catalog, clock),
        bar=bar,
        horizons=sorted({*horizons}),
        delays=delays,
        regimes=regimes_of(settings.root, catalog) if regimes is None else regimes,
        most_times=most_times,
    )


def _closes(settings: Settings, catalog: Catalog, clock: Table) -> pl.DataFrame:
    table, raw = stored(settings.root, catalog, clock.name), isinstance(clock, RawTable)
    columns = ["symbol", "open_time", "close", *(["known_at"] if raw else [])]
    bars = table.collect(table.scan(columns=columns))
    opened = pl.col("open_time") + clock.bar(settings.interval)
    return (current(bars) if raw else bars).select("symbol", opened.alias("event_timestamp"), "close")


def regimes_of(root: UPath, catalog: Catalog) -> pl.DataFrame | None:
    """The most frequent label of each time, of the first text feature of a catalog whose unit is `label`."""
    labels = [
        (g, f) for g in catalog.groups.values() for f in g.features if (f.unit, f.column_type) == (LABEL, pl.String())
    ]
    published = [(stored(root, catalog, group.name), label.name) for group, label in labels]
    for table, label in published:
        if table.months():
            rows = table.collect(table.scan(columns=["event_timestamp", label])).drop_nulls()
            counted = rows.group_by("event_timestamp", pl.col(label).alias("regime")).len()
            ordered = counted.sort("event_timestamp", "len", "regime", descending=[False, True, False])
            return ordered.group_by("event_timestamp", maintain_order=True).first().select("event_timestamp", "regime")
    return None
