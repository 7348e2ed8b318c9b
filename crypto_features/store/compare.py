"""Whether the online store holds exactly what the offline tables say, bit by bit."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from polars import selectors

from crypto_features import clock
from crypto_features.lake import live_rows
from crypto_features.settings import Settings
from crypto_features.store import registered, session
from crypto_features.whole_file import on_disk


@dataclass(frozen=True)
class Difference:
    """One way in which an online row is not the row that it should be.

    Args:
        entity: Its join key values, such as `BTC`.
        problem: `missing` online, `behind` the offline table, `unknown` offline, or the `value` of a feature differs.
        feature: The feature that differs, if it is one.
        offline: What the offline table has: an event time or a value.
        online: What the online store has.
    """

    entity: str
    problem: str
    feature: str | None
    offline: object
    online: object

    def __str__(self) -> str:
        where = f"{self.entity}.{self.feature}" if self.feature else self.entity
        return f"{where} {self.problem}: offline {self.offline!r}, online {self.online!r}"


@dataclass(frozen=True)
class ParityReport:
    """The comparison of one view.

    Args:
        view: Name of the view.
        rows: Online rows compared.
        differences: What is wrong; empty if nothing is.
    """

    view: str
    rows: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences


def parity(view: str, as_of: datetime | None = None) -> ParityReport:
    """Compare each online row of a view with the newest row of its entity in the offline table.

    An online row must be there for each entity with an offline row that may still be served at `as_of`, must not be
    older than that row, and must equal the offline row of its own event time to the last bit; one that was published
    live and is ahead of the table, the row that was kept when it was.

    Args:
        view: Name of the feature view.
        as_of: The end of the window that was published; by default now.

    Raises:
        UnknownNameError: if the registry has no such view.
        MissingTableError: if the view's table does not exist.
    """
    store = session.applied_store()
    from crypto_features.store.offline import source as files
    from crypto_features.store.online.pack_frame import dates_as_times
    from crypto_features.store.online.unpack_frame import guarded_store, online_frame
    from crypto_features.store.tags import carried

    found = registered.view_named(store, view)
    source = found.batch_source
    keys = [column.name for column in found.entity_columns]
    features = [*(field.name for field in found.features), *carried(found)]
    until = min(clock.as_utc(as_of), clock.now()) if as_of else clock.now()
    columns = [source.timestamp_field, *([source.created_timestamp_column] if source.created_timestamp_column else [])]
    names_on_disk = [files.on_disk_name(source, name) for name in (*keys, *columns, *features)]
    online = online_frame(store, found)
    grace = guarded_store(store).grace(store.config)
    since = clock.before(clock.before(until, found.ttl), grace) if found.ttl else None
    oldest = online["event_timestamp"].min()
    start = min(since, oldest) if since and isinstance(oldest, datetime) else since
    table = files.read(source, store.config.repo_path, names_on_disk, time=names_on_disk[len(keys)], start=start)
    table = table.rename(dict(zip(names_on_disk, (*keys, *columns, *features), strict=True)))
    finite = pl.when(selectors.float().is_finite()).then(selectors.float())  # as it is published.
    table = table.with_columns(finite)
    table = table.with_columns([dates_as_times(column) for column in table])
    table = table.sort(columns, nulls_last=False, maintain_order=True).rename({columns[0]: "event_timestamp"})
    ahead = _published_live(view, [*keys, "event_timestamp", *features])
    if ahead is not None:
        ahead = ahead.with_columns(finite).with_columns([dates_as_times(column) for column in ahead])
    differing = differences(table, online, keys, features, until, since=since, ahead=ahead)
    return ParityReport(view, online.height, tuple(differing))


def _published_live(view: str, columns: list[str]) -> pl.DataFrame | None:
    """What was published live and is kept, in the order in which it was; none if there are no such rows."""
    root = on_disk(Settings.load().root)
    rows = pl.DataFrame() if root is None else live_rows.read(root / live_rows.FOLDER / view)
    return rows.select(columns) if {*columns} <= {*rows.columns} else None


def differences(
    offline: pl.DataFrame,
    online: pl.DataFrame,
    keys: list[str],
    features: list[str],
    until: datetime,
    *,
    since: datetime | None = None,
    ahead: pl.DataFrame | None = None,
) -> list[Difference]:
    """What is wrong with the online rows. Pure.

    Args:
        offline: The table, sorted by event and created time: join keys, `event_timestamp`, features.
        online: The same columns, a row for each entity.
        keys: Join keys.
        features: Features to compare.
        until: The end of the window that was published.
        since: Its start; an entity whose newest row is older, such as one that was delisted, need not be online.
        ahead: Rows that may be online before they are in the table, in the order in which they were published.
    """
    offline = offline.unique([*keys, "event_timestamp"], keep="last", maintain_order=True)
    published = (
        pl.col("event_timestamp") <= until if since is None else pl.col("event_timestamp").is_between(since, until)
    )
    newest = offline.filter(published).unique(keys, keep="last", maintain_order=True)
    expected = newest.select(*keys, due="event_timestamp")
    columns = [*keys, "event_timestamp"]
    known = offline.select(*columns, *features)
    if ahead is not None:
        more = ahead.select(known.columns).unique(columns, keep="last", maintain_order=True)
        known = pl.concat([known, more.join(known, on=columns, how="anti", nulls_equal=True)], how="vertical_relaxed")
    held = online.join(expected, on=keys, how="full", coalesce=True, nulls_equal=True).join(
        known.select(*columns, *(pl.col(f).alias(f"{f}@offline") for f in features), here=pl.lit(1)),
        on=columns,
        how="left",
    )
    found = []
    for row in held.sort(keys).iter_rows(named=True):
        entity = "/".join(str(row[key]) for key in keys)
        at, due = row["event_timestamp"], row["due"]
        if at is None:
            found.append(Difference(entity, "missing", None, due, None))
        elif due is not None and at < due:
            found.append(Difference(entity, "behind", None, due, at))
        elif not row["here"]:
            found.append(Difference(entity, "unknown", None, due, at))
        else:
            found += [
                Difference(entity, "value", f, row[f"{f}@offline"], row[f])
                for f in features
                if not _same(row[f"{f}@offline"], row[f])
            ]
    return found


def _same(one: object, other: object) -> bool:
    """Equal to the bit: NaN equals itself, 0.0 does not equal −0.0."""
    return type(one) is type(other) and repr(one) == repr(other)
