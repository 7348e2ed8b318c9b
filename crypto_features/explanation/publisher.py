"""What published a row of the online store: a run, as Dagster recorded it, or the live process, as its journal says.

A row is replaced by a later publication of the same time. So it is the newest run whose rows reach its time, unless a
candle of its symbol came live after that.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from crypto_features.errors import SettingsError, UnreadableTableError
from crypto_features.explanation.facts import Publisher
from crypto_features.explanation.subject import Subject
from crypto_features.host.instance import dagster_home, recorded
from crypto_features.lake.journal import FOLDER, Entry, read
from crypto_features.settings import Settings
from crypto_features.whole_file import on_disk

LOOKED = 100
"""How many of the newest publications are looked at."""


def publisher(subject: Subject, time: datetime) -> Publisher | None:
    """What published the row of a symbol of a time; `None` if it is not known.

    A row that `feast materialize` published is taken for one of the run before.
    """
    run = _run(subject.lake.settings, subject.table.name, time)
    live = _live(subject, time)
    return max((one for one in (run, live) if one is not None), key=lambda one: one.at, default=None)


def _run(settings: Settings, view: str, time: datetime) -> Publisher | None:
    """The newest run that published rows of a view from before a time to after it."""
    if not recorded(settings):
        return None
    from dagster import AssetKey, DagsterInstance

    try:
        home = str(dagster_home(settings))
    except SettingsError:
        return None
    with _named(home), DagsterInstance.from_config(home) as instance:
        found = instance.fetch_materializations(AssetKey(["online_store", view]), limit=LOOKED).records
    for record in found:
        made = record.asset_materialization
        span = [made.metadata.get(name) if made else None for name in ("first", "last")]
        first, last = (one.value if one is not None else None for one in span)
        if isinstance(first, float) and isinstance(last, float) and first <= time.timestamp() <= last:
            return Publisher(record.run_id, "", datetime.fromtimestamp(record.timestamp, UTC))
    return None


@contextmanager
def _named(home: str) -> Iterator[None]:
    """Dagster's home by the variable that its configuration reads, which is as before afterwards."""
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = home
    try:
        yield
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before


def _live(subject: Subject, time: datetime) -> Publisher | None:
    """The newest candle of the symbol that came live and belongs to the row of a time or is older."""
    root = on_disk(subject.lake.root)
    if root is None:
        return None
    folder, interval = root / FOLDER, subject.lake.interval
    opened = time - max(subject.table.bar(interval), interval)
    older = {path.name: path.stat().st_size for path in folder.glob("*.jsonl") if path.stem < f"{opened:%Y-%m-%d}"}
    newest: Entry | None = None
    try:
        for entry, _, _ in read(folder, older):
            if entry.symbol == subject.symbol and entry.values and entry.open_time < time:
                newest = entry
    except UnreadableTableError:
        return None
    if newest is None:
        return None
    return Publisher("", f"{newest.symbol} {newest.open_time:%Y-%m-%d %H:%M}, {newest.how}", newest.known_at)
