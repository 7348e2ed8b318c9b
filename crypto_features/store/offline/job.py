"""The result of an offline query, computed when somebody asks for it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.saved_dataset import SavedDatasetStorage

from crypto_features.errors import InputError
from crypto_features.lake.parquet import arrow_of
from crypto_features.store.offline import source as files

OLDEST = "__oldest"
"""How that column is called where no other one is."""


class PolarsRetrievalJob(RetrievalJob):
    """A lazy Polars frame behind Feast's interface; `to_polars` gives it without a copy."""

    def __init__(
        self,
        compute: Callable[[], pl.DataFrame],
        *,
        repo: Path | None,
        full_feature_names: bool = False,
        on_demand_feature_views: Sequence[Any] = (),
        metadata: RetrievalMetadata | None = None,
        source_times: Callable[[], pl.DataFrame] | None = None,
    ) -> None:
        self._compute = compute
        self._repo = repo
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = list(on_demand_feature_views)
        self._metadata = metadata
        self._source_times = source_times

    def source_times(self) -> pl.DataFrame:
        """The entity rows with the event time of the oldest row that each was joined with, in the last column.

        It is null where one of the feature views had no row that was fresh then.

        Raises:
            InputError: if the job joins no entity rows.
        """
        if self._source_times is None:
            raise InputError("only features that are joined to entity rows have source times.")
        return self._source_times()

    def to_polars(self) -> pl.DataFrame:
        """The result as a Polars frame, on-demand features included."""
        if self._on_demand_feature_views:
            return pl.DataFrame(self.to_arrow())
        return self._compute()

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """The result as a pandas frame, numbered from 0: what Feast gives, without its copy of the whole frame."""
        frame: pd.DataFrame = self.to_arrow(validation_reference, timeout).to_pandas()
        frame.index = pd.RangeIndex(len(frame))
        return frame

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return arrow_of(self._compute())  # in one chunk: Feast's materialization reads the first one only.

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result to a Parquet file or folder, in one step.

        Raises:
            SavedDatasetLocationAlreadyExists: if something is there already and `allow_overwrite` is not set.
        """
        path = files.resolve(storage.to_data_source(), self._repo)
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        frame = pl.DataFrame(self.to_arrow(timeout=timeout))
        files.replace(frame, path)
