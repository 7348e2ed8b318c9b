"""The lowest completeness behind each value of a training set, by the join that gives the values themselves."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from feast import FeatureStore

from crypto_features.store import registered
from crypto_features.store.offline.entities import EntityFrame
from crypto_features.store.offline.join import point_in_time_join
from crypto_features.store.offline.store import feature_table
from crypto_features.store.tags import lowest_columns


def lowest(store: FeatureStore, refs: Sequence[str], entities: EntityFrame, *, full_names: bool) -> pl.DataFrame:
    """The entity rows with, for each feature, the lowest completeness of the bars in the window of its value.

    A feature, such as `price_features:rsi_14`, of a view that carries no completeness has no column.
    """
    wanted: dict[str, dict[str, str]] = {}
    order = []
    for ref in refs:
        view, _, feature = ref.partition(":")
        name = view.partition("@")[0]
        column = lowest_columns(registered.view_named(store, name)).get(feature)
        if column is not None:
            order.append(f"{view}__{feature}" if full_names else feature)
            wanted.setdefault(name, {})[order[-1]] = column
    tables = []
    for name, columns in wanted.items():
        view = registered.view_named(store, name)
        table = feature_table(store.config, view, sorted({*columns.values()}), entities, full_names=False)
        tables.append(replace(table, features=columns))
    joined = point_in_time_join(entities.frame, entities.time, tables)
    return joined.select(*entities.frame.columns, *order)
