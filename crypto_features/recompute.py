"""The plan of a real data folder: what is stale in it now, and why."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import polars as pl
from upath import UPath

from crypto_features import clock
from crypto_features.errors import InputError
from crypto_features.features import GROUPS, RegimeModel
from crypto_features.features.confirm import confirm
from crypto_features.features.plan import DAILY, MISSING, MODEL, RAW, Published, Reason, Stale, nodes, plan
from crypto_features.features.regime_model import TABLE
from crypto_features.market import Table, current
from crypto_features.settings import Settings
from crypto_features.versions import versions

PUBLISHED_AT = "published_at"
"""Metadata key: when a partition was published, ISO 8601."""

EVERY_MONTH = "every month"
"""The partition that stands for all of a table while no candle is stored."""

SHOWN_CANDLES = 3


def stale_partitions(settings: Settings, *, exact: bool = False) -> tuple[Stale, ...]:
    """Every partition of the tables that has to be computed again, upstream and oldest first.

    Args:
        settings: Of the platform.
        exact: Leave out what a new definition gives the same values, which is known once it is computed in memory.
    """
    folder = Folder(settings.root)
    graph = nodes(GROUPS.values(), versions())
    published = folder.published()
    if not published.months(RAW):
        tables = (RAW, *(node.name for node in graph))
        return tuple(Stale(name, EVERY_MONTH, Reason.NEVER_BUILT, (MISSING,)) for name in tables)
    found = plan(graph, published, corrected=folder.corrected)
    now, wait = clock.now(), settings.late_wait
    least = settings.min_completeness
    return confirm(
        found, graph, folder.read, interval=settings.interval, now=now, wait=wait, min_completeness=least, exact=exact
    )


class Folder:
    """A data folder as the plan reads it: notes first, rows only where a correction has to be followed."""

    def __init__(self, root: UPath) -> None:
        self._root = root
        self._notes: dict[str, dict[str, dict[str, str]]] = {}

    def published(self) -> Published:
        """Notes and digests of every partition."""
        raw = self._table(RAW)
        for name in (DAILY, *GROUPS):
            table = self._table(name)
            self._notes[name] = {month: table.metadata(month) for month in table.months()}
        models = self._models()
        self._notes[MODEL] = {month: content.get("notes", {}) for month, content in models.items()}
        versions = {month: str(content["version"]) for month, content in models.items()}
        return Published(self._notes, {RAW: {m: raw.digest(m) for m in raw.months()}, MODEL: versions})

    def corrected(self, asset: str, month: str) -> tuple[str, ...]:
        """The candles of a month that became known after the asset's month was published."""
        noted = self._notes[asset][month].get(PUBLISHED_AT)
        if noted is None or month not in self._table(RAW).months():
            return ()
        rows = self._table(RAW).read([month], ["symbol", "open_time", "known_at"])
        rows = rows.with_columns(versions=pl.len().over("symbol", "open_time"))
        later = rows.filter(pl.col("known_at") > datetime.fromisoformat(noted))
        shown = [
            f"{row['symbol']} {row['open_time']:%Y-%m-%d %H:%M} {'corrected' if row['versions'] > 1 else 'new'}"
            for row in later.head(SHOWN_CANDLES).iter_rows(named=True)
        ]
        more = later.height - len(shown)
        return (*shown, f"{more} more") if more > 0 else tuple(shown)

    def read(
        self, table: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        """Rows of published months, as `confirm` asks for them."""
        if table == MODEL:
            models = self._models()
            rows = [(m, json.dumps(models[m]), models[m]["version"]) for m in months if m in models]
            frame = pl.DataFrame(rows, TABLE, orient="row")
            return frame if columns is None else frame.select(name for name in columns if name in frame.columns)
        stored = self._table(table)
        there = [month for month in months if month in stored.months()]
        chosen = there or list(stored.months()[:1])
        if not chosen:
            return pl.DataFrame()
        lazy = stored.scan(chosen)
        if symbols is not None:
            lazy = lazy.filter(pl.col("symbol").is_in(list(symbols)))
        if not there:
            lazy = lazy.head(0)
        if columns is not None:
            names = {*columns, "known_at"}
            lazy = lazy.select(name for name in lazy.collect_schema().names() if name in names)
        frame = stored.collect(lazy)
        return current(frame) if table == RAW else frame

    def _table(self, name: str) -> Table:
        return Table(self._root, name, time="open_time" if name in (RAW, DAILY) else "event_timestamp")

    def _models(self) -> dict[str, dict[str, Any]]:
        """What the regime models hold, by month; one that is not whole counts as missing."""
        folder = self._root / MODEL
        if not folder.is_dir():
            return {}
        found = {}
        for path in sorted(folder.iterdir()):
            if path.suffix == ".json":
                with suppress(InputError, UnicodeDecodeError):
                    RegimeModel.from_json(text := path.read_text(encoding="utf-8"))
                    found[path.stem] = json.loads(text)
        return found
