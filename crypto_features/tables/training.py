"""Training sets: features joined at the close of bars, as they were known then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.clock import as_utc
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.drift import Drift
from crypto_features.tables.events import Cusum
from crypto_features.tables.folds import Folds
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import Label
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import SHIPPED, Table
from crypto_features.tables.training_rows import own_rows
from crypto_features.tables.weights import Weights

if TYPE_CHECKING:
    import pandas as pd

OWN = "row"
"""`as_of` for what was known at the time of each row."""
WEIGHT = "weight"
"""The column of the weights."""
WATCHED = Drift()
"""How the label of a set is watched unless it says otherwise."""


@dataclass(frozen=True, eq=False, init=False)
class TrainingSet:
    """The rows that a model is trained on: what was known at the time of each, and what came of it.

    A set of a service is a table that grows by months. A set with a name of its own, or with a label, is built whole
    when it is asked for: a folder of Parquet files with a manifest, which can be verified and built again.

    Args:
        service: A service, whose features are joined; or the set's name, which its service will have.
        rows: Which rows: the bars of a table, each at its close; events, as `Cusum(bars, threshold=0.05)`; or a frame
            with `symbol` and `event_timestamp`. By default the bars of the label.
        features: Of a set with a name: groups, each whole, or features as `"view:feature"`.
        label: What a model learns to predict. Rows that have none are left out and counted.
        weights: How much each row counts.
        folds: Which rows each fold trains on and tests.
        as_of: Whose knowledge the features are: `"row"` for that of each row's own time, or a time (naive is UTC),
            after which nothing at all is read.
        versions: Groups of which an older version is read, with its number, as a service has them.
        description: What it is for.
        whole: Whether it is built whole, as a folder; by default as said above.
        project: The project of the catalog that declares it, which the catalog fills in.
        drift: How its label is watched for drift; `None` to leave it out.

    Attributes:
        groups: The feature groups that were given as such.

    Raises:
        InputError: if it has no feature or no rows, weights or folds without a label, or a column twice.
        UnknownNameError: if `drift` watches a column that it does not have.
    """

    service: FeatureService
    rows: Table | Cusum | pl.DataFrame
    label: Label | None
    weights: Weights | None
    folds: Folds | None
    as_of: datetime | str
    whole: bool
    project: str
    drift: Drift | None
    groups: tuple[Table, ...]

    def __init__(
        self,
        service: FeatureService | str,
        rows: "Table | Cusum | pl.DataFrame | pd.DataFrame | None" = None,
        *,
        features: Sequence[FeatureGroup | Borrowed | str] = (),
        label: Label | None = None,
        weights: Weights | None = None,
        folds: Folds | None = None,
        as_of: datetime | str = OWN,
        versions: Mapping[str, int] | None = None,
        description: str = "",
        whole: bool | None = None,
        project: str = SHIPPED,
        drift: Drift | None = WATCHED,
        groups: Sequence[Table] = (),
    ) -> None:
        name = service if isinstance(service, str) else service.name
        if not isinstance(service, str) and (features or versions or description):
            raise InputError(f"{name} is a service, which says its features and versions itself; leave them out here.")
        found = _service(service, features, versions, description) if isinstance(service, str) else service
        if not any(found.features.values()):
            raise InputError(
                f"the training set {name} has no feature; give it features=[...] with groups or 'view:feature'."
            )
        if label is None and (weights or folds):
            raise InputError(f"the training set {name} has weights or folds and no label, whose time they are made of.")
        if isinstance(rows, Label):
            raise InputError(
                f"{name} has the rows of the label {rows.name}, which is not known until its horizon is over; pass it "
                "as label=, and its bars as rows=."
            )
        if rows is None and label is None:
            raise InputError(f"the training set {name} has no rows; give it rows=, such as the bars of its features.")
        chosen = label.bars if rows is None and label is not None else rows
        values = {
            "service": found,
            "rows": chosen if isinstance(chosen, Table | Cusum) else own_rows(name, chosen),  # type: ignore[arg-type] # not None.
            "label": label,
            "weights": weights,
            "folds": folds,
            "as_of": _time(name, as_of),
            "whole": whole if whole is not None else isinstance(service, str) or label is not None,
            "project": project,
            "drift": drift,
            "groups": (*groups, *(one for one in features if isinstance(one, Table))),
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        if not self.whole and not isinstance(self.rows, Table):
            raise InputError(f"{name} is a table of training rows by months, which needs bars; got {self.rows!r}.")
        if self.whole and isinstance(self.rows, Table) and not isinstance(self.rows, Bars | RawTable):
            raise InputError(f"{name} has the rows of {self.rows!r}; expected the table of bars that it is made of.")
        columns = [*self.own_columns]
        _refuse_twice(name, columns)
        _refuse_unknown(name, columns, drift)

    def __repr__(self) -> str:
        return f"TrainingSet({self.service.name!r})"

    @property
    def name(self) -> str:
        """Name of the table and of its asset: those of several projects stand side by side."""
        return "/".join(["training", *([] if self.project == SHIPPED else [self.project]), self.service.name])

    @property
    def bars(self) -> Table:
        """The table whose bars give the rows, or the label where rows are handed in."""
        if isinstance(self.rows, Table):
            return self.rows
        if isinstance(self.rows, Cusum):
            return self.rows.bars
        if self.label is not None:
            return self.label.bars
        raise InputError(f"{self.name} is made of rows of its own, not of bars.")

    @property
    def inputs(self) -> Iterator[Table]:
        """The tables that it was given as objects: a catalog has these without being told."""
        yield from self.groups
        if isinstance(self.rows, Table):
            yield self.rows
        if isinstance(self.rows, Cusum):
            yield self.rows.bars
        if self.label is not None:
            yield self.label.bars

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that the label gives a row: not those that say why a row has none."""
        if self.label is None:
            return ()
        return tuple(
            name for name in self.label.columns if name not in (self.label.reason, f"{self.label.name}_undecided")
        )

    @property
    def own_columns(self) -> Iterator[str]:
        """Every column but those of the folds."""
        yield from ("symbol", "event_timestamp")
        for names in self.service.features.values():
            yield from names
        yield from self.label_columns
        if self.weights is not None:
            yield WEIGHT


def _service(
    name: str,
    features: Sequence[FeatureGroup | Borrowed | str],
    versions: Mapping[str, int] | None,
    description: str,
) -> FeatureService:
    """The service of a set with a name: its features by view, in the order in which they were given."""
    chosen: dict[str, list[str]] = {}
    for one in features:
        view, names = (one.name, one.columns) if isinstance(one, Table) else _named(name, one)
        chosen.setdefault(view, []).extend(n for n in names if n not in chosen.get(view, ()))
    kept = {view: tuple(names) for view, names in chosen.items()}
    return FeatureService(name, description or f"The features of the training set {name}.", kept, dict(versions or {}))


def _named(name: str, feature: str) -> tuple[str, tuple[str, ...]]:
    view, _, column = str(feature).partition(":")
    if not view or not column:
        raise InputError(f"the training set {name} reads {feature!r}; expected a group or 'view:feature'.")
    return view, (column,)


def _time(name: str, as_of: datetime | str) -> datetime | str:
    if as_of == OWN:
        return OWN
    try:
        return as_utc(as_of if isinstance(as_of, datetime) else datetime.fromisoformat(as_of))
    except (TypeError, ValueError):
        raise InputError(
            f"the training set {name} says as_of={as_of!r}; expected 'row' for what was known at each row's own time, "
            "or a time such as 2024-01-31T09:00Z."
        ) from None


def _refuse_unknown(name: str, columns: Sequence[str], drift: Drift | None) -> None:
    for column in (drift and drift.features) or ():
        if column not in columns:
            raise UnknownNameError(f"column of {name}", column, columns)


def _refuse_twice(name: str, columns: Sequence[str]) -> None:
    twice = sorted({one for one in columns if columns.count(one) > 1 or one.startswith("fold_")})
    if twice:
        raise InputError(
            f"the training set {name} would have the column {twice[0]!r} twice; its features, label, weights and folds "
            "need names that differ."
        )
