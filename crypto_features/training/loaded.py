"""A training set as a researcher reads it: pandas, Polars, Arrow, or what scikit-learn takes."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.parquet import arrow_of
from crypto_features.settings import Settings
from crypto_features.tables.training import WEIGHT
from crypto_features.training.digests import first_difference, group_digests
from crypto_features.training.folder import MANIFEST, SetFolder, sets_of
from crypto_features.training.folds import TEST, TRAIN

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Split = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Numbers of the rows that a fold trains on, and of those that it tests."""


class Learnable(NamedTuple):
    """What scikit-learn's estimators take.

    Args:
        X: The features, a row for each row of the set.
        y: The label.
        weights: `sample_weight`; 1 for each row of a set without weights.
        folds: What `cv=` takes: the numbers of the rows to train on and to test, for each fold.
    """

    X: "pd.DataFrame"
    y: "pd.Series[Any]"
    weights: npt.NDArray[np.float64]
    folds: list[Split]


class TrainingData:
    """A set that was built. Its rows are read when they are asked for, and held against the manifest's digests.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: SetFolder) -> None:
        self._folder = folder
        self.manifest: Mapping[str, Any] = folder.manifest

    def __repr__(self) -> str:
        return f"TrainingData({str(self._folder.path)!r})"

    @property
    def path(self) -> UPath:
        """The folder."""
        return self._folder.path

    @property
    def digest(self) -> str:
        """The digest of the rows: what a model that is trained on them keeps."""
        return str(self.manifest["digest"])

    @property
    def features(self) -> list[str]:
        """Names of the feature columns."""
        return [name for names in self.manifest["declaration"]["features"].values() for name in names]

    @property
    def folds(self) -> list[str]:
        """Names of the columns of the folds."""
        return [fold["name"] for fold in self.manifest["folds"]]

    def months(self) -> Iterator[pl.DataFrame]:
        """The rows, one month after the other: of a set that does not fit into memory.

        Raises:
            UnreadableTableError: if a file is damaged, missing, or holds other rows than were written.
        """
        for file in self.manifest["files"]:
            rows = self._folder.read(file["path"])
            number = first_difference(group_digests(rows), file["row_groups"])
            if number is not None:
                raise self._folder.file(file["path"]).broken(f"row group {number} holds other rows than were written")
            yield rows

    @cached_property
    def _rows(self) -> pl.DataFrame:
        return pl.concat(self.months(), rechunk=True)

    def polars(self) -> pl.DataFrame:
        """All rows, by month, symbol and time."""
        return self._rows

    def pandas(self) -> "pd.DataFrame":
        """The same for pandas."""
        return self._rows.to_pandas()

    def arrow(self) -> "pa.Table":
        """The same for Arrow."""
        return arrow_of(self._rows)

    def sklearn(self, features: Sequence[str] | None = None) -> Learnable:
        """Features, label, weights and folds as scikit-learn takes them, all in the order of the rows.

        Args:
            features: Which features, all by default.

        Raises:
            InputError: if the set has no label.
            UnknownNameError: if it has no such feature.
        """
        label = self.manifest["declaration"]["label"]
        if label is None:
            raise InputError(f"the training set {self.manifest['name']} has no label, so there is nothing to learn.")
        chosen = self.features if features is None else list(features)
        for name in chosen:
            if name not in self.features:
                raise UnknownNameError("feature", name, self.features)
        rows = self._rows
        weights = rows[WEIGHT].to_numpy() if WEIGHT in rows.columns else np.ones(rows.height)
        folds = [(rows[name].to_numpy() == TRAIN, rows[name].to_numpy() == TEST) for name in self.folds]
        numbered = [(np.flatnonzero(train), np.flatnonzero(test)) for train, test in folds]
        return Learnable(rows.select(chosen).to_pandas(), rows[label["name"]].to_pandas(), weights, numbered)


def load(name_or_folder: "str | Path | UPath") -> TrainingData:
    """A training set that was built: the newest one of a name in the data folder, or that of a folder.

    Args:
        name_or_folder: The name of a declared set, such as `"momentum_v1"`, or a folder.

    Raises:
        InputError: if no set of that name was built, or the folder is not a set or is half-written.
    """
    path = UPath(name_or_folder)
    if not isinstance(name_or_folder, str) or "/" in name_or_folder or path.is_dir():
        return TrainingData(SetFolder(path))
    catalog = current_catalog()
    if name_or_folder not in catalog.sets:
        hint = f"A folder with {MANIFEST} is named by its path."
        raise UnknownNameError("training set", name_or_folder, catalog.sets, hint)
    built = sets_of(Settings.load().root, catalog.sets[name_or_folder].name)
    if not built:
        raise InputError(
            f"the training set {name_or_folder} was not built yet: `crypto-features training-set build "
            f"{name_or_folder}`."
        )
    return TrainingData(built[-1])
