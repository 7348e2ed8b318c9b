"""The rows of a set that is built whole, month by month: features, label, weight and folds.

Two passes over the months: the first one counts labels and days, of which folds are made; the second one gives the
rows. What is held at a time is a month, the months within a horizon of it, and two times for each pair of a row's time
and its label's.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from crypto_features.known.history import History
from crypto_features.known.then import Then
from crypto_features.store.offline.join import point_in_time_join
from crypto_features.store.offline.known import Knowledge, join_as_known
from crypto_features.tables.months import month_span
from crypto_features.tables.training import WEIGHT, TrainingSet
from crypto_features.tables.weights import Weights
from crypto_features.training.folds import assign
from crypto_features.training.labelled import TIME, Labelled
from crypto_features.training.labels import LabelAudit
from crypto_features.training.revisions import Revisions
from crypto_features.training.rows import feature_tables
from crypto_features.training.weights import time_decay, uniqueness

_PAIR, _COUNT = [TIME, "known"], "__rows"


class WholeSet:
    """A set as it was known at one time.

    Args:
        training: The set.
        history: Every version of the candles, and what is published of what is made of them.
        at: The time of the build, for one that is repeated; `None` reads what is published.
        months: The months in which candles are stored, oldest first.

    Attributes:
        audit: What became of the rows that a label was computed for; `None` without a label.
        revisions: How far features were moved since, of the months that were read.

    Raises:
        InputError: if there is no candle, no row has a label, or a fold would have no row to train on or to test.
    """

    def __init__(self, training: TrainingSet, history: History, at: datetime | None, months: Sequence[str]) -> None:
        self.training, self.history = training, history
        self._as_of = training.as_of if isinstance(training.as_of, datetime) else None
        until = self._as_of or at
        kept = [month for month in months if until is None or month_span(month)[0] <= until]
        self._labelled = Labelled(training, Then(history, until), kept)
        self.revisions = Revisions([name for names in training.service.features.values() for name in names])
        self.audit, self._folds = self._counted()

    def rows(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Each month that has rows, oldest first, by symbol and time."""
        label, weights = self.training.label, self.training.weights
        for month in self._labelled.months:
            rows = self._kept(month)
            if not rows.height:
                continue
            columns = [self._with_features(month, rows.select("symbol", TIME)), rows.drop("symbol", TIME)]
            if label is not None and weights is not None:
                columns.append(self._weights(month, rows, weights, label.known_at).to_frame())
            if label is not None and self._folds is not None:
                pairs = rows.select(TIME, known=label.known_at)
                columns.append(pairs.join(self._folds, on=_PAIR, how="left", maintain_order="left").drop(_PAIR))
            yield month, pl.concat(columns, how="horizontal")

    def _kept(self, month: str) -> pl.DataFrame:
        """The rows that have a label."""
        rows, label = self._labelled.rows(month), self.training.label
        return rows if label is None else rows.filter(pl.col(label.reason).is_null()).drop(label.reason)

    def _with_features(self, month: str, rows: pl.DataFrame) -> pl.DataFrame:
        tables = feature_tables(self.training, month, self.history)
        then = join_as_known(rows, TIME, tables, Knowledge(self.history, self._as_of))
        self.revisions.add(then, point_in_time_join(rows, TIME, [table for _, table in tables]))
        return then

    def _weights(self, month: str, rows: pl.DataFrame, weights: Weights, known_at: str) -> pl.Series:
        """A weight depends on the labels that overlap its own, and these are in the month and its neighbours."""
        found = pl.repeat(1.0, rows.height, eager=True)
        if weights.uniqueness:
            near = pl.concat(
                self._kept(m).select("symbol", TIME, end=known_at, own=pl.lit(m == month))
                for m in self._labelled.neighbours(month)
            )
            found *= uniqueness(near["symbol"], near[TIME], near["end"]).filter(near["own"])
        if weights.half_life is not None:
            found *= time_decay(rows[TIME], weights.half_life, self._newest)
        return found.alias(WEIGHT)

    def _counted(self) -> tuple[LabelAudit | None, pl.DataFrame | None]:
        """The first pass: the labels, and the folds of each pair of a row's time and its label's."""
        label = self.training.label
        self._newest: datetime | None = None
        if label is None:
            return None, None
        reasons: Counter[str] = Counter()
        values: Counter[str] = Counter()
        total, pairs = 0, None
        for month in self._labelled.months:
            rows = self._labelled.rows(month)
            total += rows.height
            reasons.update(dict(rows[label.reason].drop_nulls().value_counts().iter_rows()))
            kept = self._kept(month)
            if not kept.height:
                continue
            self._newest = kept[TIME].max()  # type: ignore[assignment] # a time.
            if not kept[label.name].dtype.is_float():
                values.update({str(v): n for v, n in kept[label.name].value_counts().iter_rows()})
            if self.training.folds is not None:
                found = kept.group_by(TIME, known=label.known_at).agg(pl.len().alias(_COUNT))
                pairs = found if pairs is None else pl.concat([pairs, found])
        without = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
        found_audit = LabelAudit(total, total - reasons.total(), without, dict(sorted(values.items())))
        found_audit.require(label)
        if self.training.folds is None or pairs is None:
            return found_audit, None
        pairs = pairs.sort(_PAIR)
        folds = assign(self.training.folds, pairs[TIME], pairs["known"], pairs[_COUNT])
        return found_audit, pl.concat([pairs.drop(_COUNT), folds], how="horizontal")
