"""Stored on-demand views: a row that was computed carries the time of the oldest row that it was computed from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import polars as pl
from feast.on_demand_feature_view import OnDemandFeatureView

from crypto_features import clock
from crypto_features.errors import InputError
from crypto_features.store.offline.entities import TIME, entity_frame
from crypto_features.store.offline.job import PolarsRetrievalJob
from crypto_features.store.offline.join import utc

Row = tuple[Any, Any, datetime, datetime | None]


def stamped(
    view: OnDemandFeatureView, frame: pd.DataFrame, rows: Sequence[Row], job: PolarsRetrievalJob | None
) -> list[Row]:
    """Rows of an on-demand view with the times of their inputs in place of the time of writing.

    A row that was retrieved from the tables gets the event time of its oldest source, and is left out if a source had
    no fresh row then. Any other gets the `event_timestamp` that came with it; without one it is of now. Of rows with
    one oldest source the one computed later wins.

    Args:
        view: A view that is stored when it is written.
        frame: What is written.
        rows: The same rows as Feast packed them, in order.
        job: The retrieval that the caller still holds, if there is one.

    Raises:
        InputError: if a row has no time, or one that cannot be read.
    """
    if TIME not in frame.columns:
        now = clock.now()
        return [(key, values, now, now) for key, values, *_ in rows]
    asked = entity_frame(frame[[TIME]]).frame.select(utc(pl.col(TIME))).to_series().to_list()
    if None in asked:
        raise InputError(f"{view.name}: row {asked.index(None)} has no {TIME}.")
    oldest: list[datetime | None] = list(asked)
    if job is not None and job.metadata is not None and set(job.metadata.features) == _inputs(view):
        oldest = _oldest(view, frame, asked, job.source_times())
    order = sorted(range(len(rows)), key=asked.__getitem__)
    return [(*rows[n][:2], time, asked[n]) for n in order if (time := oldest[n]) is not None]


def _inputs(view: OnDemandFeatureView) -> set[str]:
    """The features of other views that a view is computed from, as Feast asks for them."""
    return {
        f"{source.name}:{f.name}" for source in view.source_feature_view_projections.values() for f in source.features
    }


def _oldest(
    view: OnDemandFeatureView, frame: pd.DataFrame, asked: Sequence[datetime], times: pl.DataFrame
) -> list[datetime | None]:
    keys = [column.name for column in view.entity_columns if column.name in frame.columns and column.name in times]
    retrieved = {row[:-1]: row[-1] for row in times.select(*keys, TIME, times.columns[-1]).iter_rows()}
    values = [*(frame[key].tolist() for key in keys), asked]
    return [retrieved.get(row, row[-1]) for row in zip(*values, strict=True)]
