"""What is asked of what was published live: each row equals the batch's, bit by bit, or its candles were corrected."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from crypto_features.graph.checks.finding import SHOWN_ROWS, Finding, rows
from crypto_features.graph.lake import LakeResource, read_any
from crypto_features.graph.progress import same_inputs
from crypto_features.known.history import reach
from crypto_features.lake import journal, live_rows
from crypto_features.lake.history import models_of
from crypto_features.lake.table import Table
from crypto_features.live.compared import Compared, changed, compare, corrected, refitted
from crypto_features.tables.catalog import upstream
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import columns_read
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import MONTH, months_between
from crypto_features.tables.others import others
from crypto_features.tables.partition import KEYS
from crypto_features.whole_file import on_disk

_PRICES = ("open", "high", "low", "close", "volume")
_MONTH, _DAY, _KEPT = timedelta(days=31), timedelta(days=1), timedelta(days=14)
"""A day of rows is removed a day after they were compared; what the batch never made is waited for so long."""


class LiveRowsCompared:
    """The rows of a group that were published live, beside those of its table.

    Args:
        lake: The lake.
        table: The group's table, with rows.
        group: The declaration.
    """

    def __init__(self, lake: LakeResource, table: Table, group: FeatureGroup) -> None:
        self._lake, self._table, self._group = lake, table, group
        root = on_disk(lake.path)
        self._root = Path() if root is None else root
        self._folder = self._root / live_rows.FOLDER / group.name
        live = live_rows.read(self._folder) if root is not None else pl.DataFrame()
        self._compared = self._beside(live) if live.width else None
        different = pl.DataFrame() if self._compared is None else self._compared.different
        self._corrected = self._explained(different) if different.height else pl.Series(dtype=pl.UInt32)

    def finding(self, months: Sequence[str]) -> Finding:
        """Whether every live row of these months is the batch's, or rests on a candle that was corrected since."""
        if self._compared is None:
            return Finding(passed=True, text="Nothing was published live that was not compared before.", todo="")
        live = self._compared.live.filter(MONTH.is_in(list(months)))
        wrong = live.filter(pl.col("outcome") == "different", ~pl.col("row").is_in(self._corrected.implode()))
        values = self._compared.values.filter(pl.col("row").is_in(wrong["row"].implode())).drop("row")
        by = dict(live["outcome"].value_counts().iter_rows())
        by_correction = by.get("different", 0) - wrong.height
        text = (
            f"{by.get('equal', 0)} rows that were published live have the bits of the batch; {by_correction} rest on "
            f"candles that were corrected or came later, {by.get('waits', 0)} are not computed by the batch yet, "
            f"{by.get('other code', 0)} are of other code, {wrong.height} differ."
        )
        if wrong.height:
            text += f" The first: {_said(values)}."
        return Finding(
            passed=wrong.is_empty(),
            text=text,
            todo=f"stop `crypto-features live`, and find out which of the two is right: `crypto-features explain` "
            f"computes the value again from its candles; a feature that reads what is not in its window fails its leak "
            f"test. Then start it again, and move the files of {self._folder} aside.",
            facts={"differences": rows(values.head(SHOWN_ROWS))} if wrong.height else {},
        )

    def prune(self, now: datetime) -> None:
        """Remove the days that were compared, but the newest two; what differs stays."""
        if self._compared is None:
            return
        live = self._compared.live
        different = (pl.col("outcome") == "different") & ~pl.col("row").is_in(self._corrected.implode())
        waits = (pl.col("outcome") == "waits") & (pl.col(live_rows.AT) >= now - _KEPT)
        kept = live.filter(different | waits)[live_rows.DAY]
        live_rows.prune(self._folder, f"{now - _DAY:%Y-%m-%d}", {*kept})

    def _beside(self, live: pl.DataFrame) -> Compared:
        wanted, there = {*live.select(MONTH).to_series()}, self._table.months()
        made = same_inputs(self._lake, self._table.name, [month for month in there if month in wanted])
        parts = [
            self._table.read([month]).with_columns(pl.lit(self._table.behaviour(month)).alias(live_rows.VERSION))
            for month in made
        ]
        keys = {"symbol": pl.String(), KEYS[1]: TIME, live_rows.VERSION: pl.String()}
        return compare(live, pl.concat([pl.DataFrame(schema=keys), *parts], how="diagonal_relaxed"))

    def _explained(self, different: pl.DataFrame) -> pl.Series:
        """The numbers of the rows whose candles or models are others now."""
        interval, group = self._lake.interval, self._group
        far = reach(group, interval) + group.bar(interval)
        if any(isinstance(table, FeatureGroup) and table.function is not None for table in upstream(group)):
            far += _MONTH  # a function sees its month from the beginning.
        times: list[datetime] = different[KEYS[1]].to_list()
        first, raw = min(times) - far, self._lake.raw
        stored = read_any(raw, [month for month in months_between(first, max(times)) if month in raw.months()])
        stored = stored.filter(pl.col("open_time") >= first)
        told = journal.frame(entry for entry, _, _ in journal.read(self._root / journal.FOLDER))
        values = [n for n in (*_PRICES, *self._further()) if n in stored.columns]
        found = []
        for (since,), part in different.partition_by(live_rows.SINCE, as_dict=True).items():
            changes = changed(stored, told, since, values)
            found.append(corrected(part, changes, far, others(group)))
        models = {table.name for table in upstream(group) if isinstance(table, FittedModel)}
        found += [refitted(different, models_of(self._lake.path, model), far) for model in models]
        return pl.concat(found).unique()

    def _further(self) -> list[str]:
        """The columns of candles beside prices and volume that reach the group's features."""
        groups = [table for table in upstream(self._group) if isinstance(table, FeatureGroup)]
        read = {name for one in groups for source in one.inputs for name in columns_read(one, source.table.name)}
        return [name for name in journal.VALUES if name in read and name not in _PRICES]


def _said(values: pl.DataFrame) -> str:
    symbol, time, feature, live, batch = values.row(0)
    what = f"{feature} of {symbol}" if feature else symbol
    return f"{what} at {time:%Y-%m-%d %H:%M:%S} UTC is {live} live and {batch} in the batch"
