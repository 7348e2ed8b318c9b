"""Fitted models: parameters for each month, from rows that were known before it began."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from crypto_features.durations import length
from crypto_features.tables.artefact import version_of, written
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import MONTH, month_span
from crypto_features.tables.read import Read, Reader, Terms
from crypto_features.tables.table import Join, Sources, Table

Parameters = Mapping[str, Any]
"""What JSON holds, and NumPy arrays at the top: the same rows must give the same parameters."""
Fit = Callable[[pl.DataFrame, str], Parameters]
"""`fit(rows, month)`: the parameters for a month."""
SCHEMA = pl.Schema({"month": pl.String, "parameters": pl.String, "version": pl.String})
"""A model as a group's function reads it: a row per month, with the artefact that `artefact.opened` opens."""


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel(Table):
    """A model that is refitted for each month, walking forward: a fit never sees its own month.

    What is published stays as it is when candles are corrected or symbols are added later.

    Args:
        name: Name of the asset, and of the folder of artefacts.
        of: The group whose rows are fitted.
        features: Its features that are read.
        lookback: How long before the month the rows begin, such as `"1461d"`.
        fit: `fit(rows, month)` gives the parameters; `rows` have `symbol`, `event_timestamp` and the features, sorted,
            of all symbols, and close after `month start − lookback` and not after the start of the month.
        description: What it is.
        about: `labels` and `features`, if a person should read in the artefact what its numbers are of.
        prior: Parameters that are assumed without history. Versions and the leak test use them for months that they do
            not fit; without a prior, one fit of all their rows.
    """

    name: str
    of: FeatureGroup
    features: tuple[str, ...]
    lookback: timedelta | str
    fit: Fit
    description: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    prior: Callable[[], Parameters] | None = None
    time: ClassVar[str] = "month"
    fact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        length(self.lookback, f"the lookback of {self.name}")

    @property
    def by_symbol(self) -> bool:
        """No: all symbols share the parameters."""
        return False

    @property
    def inputs(self) -> tuple[Join, ...]:
        """The rows that are fitted."""
        return (Join(self.of, self.lookback),)

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column of a model."""
        return ("parameters",)

    def reads(self, interval: timedelta) -> tuple[Read, ...]:  # noqa: ARG002 - it is declared as a time.
        """The rows of the months before."""
        columns = ("symbol", "event_timestamp", *self.features)
        return (Read(self.of.name, self.inputs[0].lookback, columns, own_month=False),)

    @property
    def sources(self) -> Sources:
        """The features that are fitted."""
        return {"parameters": tuple((self.of.name, name) for name in self.features)}

    def bar(self, base: timedelta) -> timedelta:
        """That of the rows that are fitted."""
        return self.of.bar(base)

    def compute(self, read: Reader, month: str, symbols: Sequence[str] | None, terms: Terms) -> pl.DataFrame:  # noqa: ARG002 - all symbols are read.
        """The parameters of a month, from the rows of all symbols."""
        return self.fitted(self.reads(terms.interval)[0].rows(read, month, None), [month])

    def whole(self, inputs: Mapping[str, pl.DataFrame], interval: timedelta) -> pl.DataFrame:  # noqa: ARG002 - as above.
        """The parameters of every month that has rows."""
        rows = inputs[self.of.name]
        return self.fitted(rows, rows.select(MONTH.unique().sort()).to_series())

    def fitted(self, rows: pl.DataFrame, months: Iterable[str]) -> pl.DataFrame:
        """The parameters of some months.

        Args:
            rows: Rows of `of`, of all symbols; those that a month's fit may not see are left out.
            months: The months.
        """
        return self._table((month, self.fit(_seen(self, rows, month), month)) for month in months)

    def assumed(self, rows: pl.DataFrame, months: Sequence[str]) -> pl.DataFrame:
        """The prior for each of some months; without one the parameters that all the rows give."""
        last = months[-1:]  # one artefact for all: to write it takes longer than anything else here.
        given = ((month, self.prior() if self.prior else self.fit(_ordered(self, rows), month)) for month in last)
        return pl.DataFrame({"month": months}, {"month": pl.String}).join(self._table(given).drop("month"), how="cross")

    def _table(self, models: Iterable[tuple[str, Parameters]]) -> pl.DataFrame:
        rows = [(month, written(parameters, self.about), version_of(parameters)) for month, parameters in models]
        return pl.DataFrame(rows, SCHEMA, orient="row")


def _seen(model: FittedModel, rows: pl.DataFrame, month: str) -> pl.DataFrame:
    """What the fit of a month may see; a function, so that it is a part of the definition of a fit."""
    start, _ = month_span(month)
    time = pl.col("event_timestamp")
    known = (time <= start) & (time > start - model.inputs[0].lookback)
    return _ordered(model, rows.filter(known) if rows.width else _none(model))


def _none(model: FittedModel) -> pl.DataFrame:
    """No rows, of a table that was never published."""
    types = {name: model.of.feature(name).column_type for name in model.features}
    return pl.DataFrame(schema={"symbol": pl.String(), "event_timestamp": TIME, **types})


def _ordered(model: FittedModel, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("symbol", "event_timestamp", *model.features).sort("symbol", "event_timestamp")
