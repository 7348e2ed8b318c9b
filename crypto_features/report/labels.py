"""A declared label in the place of returns: computed from the bars that are published, and joined as a set joins it."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.known.then import Then
from crypto_features.lake.history import history_of
from crypto_features.lake.table import stored
from crypto_features.report.returns import ForwardReturns, label_outcomes
from crypto_features.settings import Settings
from crypto_features.store.offline.join import FeatureTable, point_in_time_join
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import Label
from crypto_features.tables.training import TrainingSet
from crypto_features.training.labelled import TIME, Labelled


@dataclass(frozen=True, eq=False)
class Labels:
    """A label of every bar.

    Args:
        declared: The label.
        rows: `symbol`, `event_timestamp` (the close of the bar, UTC) and `label`, null where there is none.
    """

    declared: Label
    rows: pl.DataFrame

    def outcomes(
        self,
        settings: Settings,
        *,
        delays: Sequence[int],
        regimes: pl.DataFrame | None = None,
        most_times: int | None = None,
    ) -> ForwardReturns:
        """What a feature is held against.

        Args:
            settings: Of the platform.
            delays: In bars of the label.
            regimes: What `regimes_of` gives.
            most_times: As `forward_returns` takes it.
        """
        bar, horizon = self.declared.bar(settings.interval), self.declared.ahead(settings.interval)
        return label_outcomes(
            self.rows, bar=bar, horizon=horizon // bar, delays=delays, regimes=regimes, most_times=most_times
        )

    def joined(self, settings: Settings, group: FeatureGroup, values: pl.DataFrame) -> pl.DataFrame:
        """The values of a group's features at each bar of the label: the newest ones then, up to their time to live.

        Args:
            settings: Of the platform.
            group: The group.
            values: `symbol`, `event_timestamp` and features.
        """
        features = {name: name for name in values.columns if name not in ("symbol", TIME)}
        table = FeatureTable(values, {"symbol": "symbol"}, TIME, None, features, group.time_to_live(settings.interval))
        return point_in_time_join(self.rows.select("symbol", TIME), TIME, [table])


def labels_of(settings: Settings, catalog: Catalog, label: Label) -> Labels:
    """The label of every published bar, computed month by month.

    Raises:
        InputError: if nothing of the bars is published, the label has no order, such as a text, or no bar has one.
    """
    months = stored(settings.root, catalog, label.bars.name).months()
    if not months:
        raise InputError(f"nothing of {label.bars.name} is published; materialize {label.bars.name!r} first.")
    every = TrainingSet(label.name, features=[f"{label.bars.name}:close"], label=label)  # only its label is computed.
    labelled = Labelled(every, Then(history_of(settings, catalog), None), months)
    parts = [
        labelled.rows(month).select("symbol", TIME, pl.col(label.name).alias("label")) for month in labelled.months
    ]
    rows = pl.concat(parts)
    dtype = rows.schema["label"]
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        raise InputError(f"{label.name} is {dtype!r}, which has no ranks; a report needs numbers or truth values.")
    if rows["label"].null_count() == rows.height:
        raise InputError(
            f"{label.name} has a label for none of {rows.height:,} bars; its horizon is {label.horizon}. Declare a "
            "shorter one, or fetch more candles."
        )
    return Labels(label, rows)


def declared_label(catalog: Catalog, label: Label | str) -> Label:
    """The label itself, or that of a name in a catalog.

    Raises:
        UnknownNameError: if the catalog has none of that name, or does not have the bars of the label.
    """
    if isinstance(label, str):
        if label not in catalog.labels:
            raise UnknownNameError("label", label, catalog.labels)
        return catalog.labels[label]
    if label.bars.name not in catalog.tables:
        raise UnknownNameError(f"table of bars of the label {label.name}", label.bars.name, catalog.tables)
    return label
