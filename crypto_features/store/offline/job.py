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
from crypto_features.store.offline import source as files

OLDEST = "__oldest"
"""How that column is called where no other one is."""
_MOST_BYTES = 2**31 - 1
"""What the offsets of a small type reach."""


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
        # In one chunk: Feast's materialization reads the first one only.
        table = self._compute().to_arrow(compat_level=pl.CompatLevel.oldest())
        table = table.combine_chunks()
        return pa.table({name: _as_feast_reads(table[name]) for name in table.column_names})

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


def _as_feast_reads(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with lists, texts and bytes in place of large ones, for which Feast has no type or a wrong one."""
    return column.cast(_small(column.type)) if column.nbytes <= _MOST_BYTES else column


def _small(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_list(kind):
        return pa.list_(_small(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_small(field.type)) for field in kind])
    return {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}.get(kind, kind)
