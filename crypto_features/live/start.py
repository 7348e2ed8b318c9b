"""Everything that the live path needs, put together from the settings and checked before anything is published."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from crypto_features import clock
from crypto_features.catalogs import current_catalog
from crypto_features.durations import timeframe
from crypto_features.errors import InputError, SettingsError
from crypto_features.ingest.journalled import merged_ends
from crypto_features.ingest.notes import nature
from crypto_features.ingest.venue import VENUE, noted_venue
from crypto_features.lake import journal, live_rows, live_status
from crypto_features.lake.folder import published
from crypto_features.lake.live_rows import LiveRows
from crypto_features.lake.table import stored
from crypto_features.live.audit import OLDEST
from crypto_features.live.compute import Following
from crypto_features.live.ledger import unconfirmed
from crypto_features.live.process import Edges, Live
from crypto_features.live.publish import OnlinePublisher
from crypto_features.live.shard import WHOLE, Shard, held
from crypto_features.live.stream import CcxtStream
from crypto_features.live.streamed import can_stream
from crypto_features.live.tail import Load
from crypto_features.live.told import READS, name_of
from crypto_features.live.watched import Watched
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.sources.exchange import ExchangeSource
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import months_between
from crypto_features.tables.read import Terms
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.measured import feature_versions, table_version
from crypto_features.whole_file import make_folder, on_disk
from crypto_features_reader.budget import Heard

_PATIENCE = timedelta(seconds=10)
"""How long one question to REST is repeated; it is asked again anyway."""
_DAY = timedelta(days=1)
_RUN = "Run `crypto-features run` first"


@contextmanager
def live_of(settings: Settings, note: Callable[[str], None], mine: Shard = WHOLE) -> Iterator[tuple[Live, Watched]]:
    """The live path of the settings' data folder, which no other process has meanwhile, and what says how it is.

    What is stored is caught up with, and published.

    Args:
        settings: The settings.
        note: Tells a person what happens.
        mine: The part of the symbols that it follows, where several processes share them.

    Raises:
        SettingsError: if the source has no stream, or the data folder is a bucket.
        TransientError: if another process has it, or the exchange does not answer.
        InputError: if the folder holds candles of another venue, or its tables were computed by other code.
        NotAppliedError: if there is no registry.
    """
    catalog, folder, offered = current_catalog(), _folder(settings), _offered(settings)
    make_folder(folder / ".locks")
    with held(folder / ".locks", mine, folder):
        _check(settings, catalog, offered)
        live_status.remove_others(folder, mine.parts)
        publish, now = OnlinePublisher(mine.name), clock.now()
        wanted = mine.of(settings.symbols)
        terms = Terms(settings.interval, now, settings.late_wait, settings.min_completeness)
        load, unmerged = published(settings.root, catalog), _unmerged(journal_folder(settings))
        recent = _recent(settings, catalog, load, unmerged, now)
        names, known = _markets(offered, [s for s in wanted if s in recent], now), offered.markets
        for symbol in sorted({*wanted} - {*names}):
            note(f"{symbol} is not followed live: it has no candle of the last day, or is counted in other units.")
        following = Following(catalog, [*names], terms, load, absent=recent - {*names})
        for name in sorted(catalog.groups.keys() - {table.name for table in following.tables}):
            note(f"{name} is not published live: it reads what is not streamed.")
        written = journal.Journal(journal_folder(settings), mine.name)
        rows = LiveRows(folder / live_rows.FOLDER, now, mine.name)
        groups = [table for table in following.tables if isinstance(table, FeatureGroup)]
        versions, counts = {group.name: table_version(group.name) for group in groups}, Counter[str]()
        bars = {group.name: group.bar(settings.interval) for group in groups}
        write = partial(live_status.write, folder, shard=mine.name)
        watched = Watched(write, bars, len(names), counts, clock.now)

        def kept(view: str, published: pl.DataFrame, heard: Mapping[str, Heard]) -> None:
            rows.append(view, published, clock.now(), versions[view])
            publish(view, published, heard)
            watched.published(view, published, clock.now())

        live = Live(
            Edges(
                transport=CcxtStream(
                    settings.exchange, known, [*names.values()], timeframe(settings.interval), settings.stream_url
                ),
                read=READS[settings.exchange],
                symbols={name_of(settings.exchange, known[name]): symbol for symbol, name in names.items()},
                rest=partial(_asked, offered),
                append=written.append,
                publish=kept,
                now=clock.now,
                note=note,
            ),
            following,
            settings.interval,
            settings.late_wait,
            settings.exchange_parallel,
            counts,
            unconfirmed(entry for entry, _, _ in journal.read(journal_folder(settings), since=now - OLDEST)),
        )
        try:
            live.catch_up(unmerged.filter(pl.col("symbol").is_in([*names])))
            yield live, watched
        finally:
            written.close()


def journal_folder(settings: Settings) -> Path:
    """Where the journal of the settings' data folder lies; it need not exist.

    Raises:
        SettingsError: if the data folder is a bucket.
    """
    return _folder(settings) / journal.FOLDER


def _folder(settings: Settings) -> Path:
    folder = on_disk(settings.root)
    if folder is None:
        raise SettingsError(
            f"CRYPTO_FEATURES_DATA={settings.data} is a bucket, to which a journal cannot be appended; `live` needs a "
            "data folder on a disk."
        )
    return folder


def _offered(settings: Settings) -> ExchangeSource:
    if not can_stream(settings):
        raise SettingsError(
            f"CRYPTO_FEATURES_SOURCE={settings.source} with CRYPTO_FEATURES_EXCHANGE={settings.exchange} has no stream "
            f"of candles that can be followed; set the source to ccxt and the exchange to {_or(READS)}."
        )
    offered = source(settings.model_copy(update={"patience": min(settings.patience, _PATIENCE)}))
    if not isinstance(offered, ExchangeSource):
        raise SettingsError(f"CRYPTO_FEATURES_SOURCE={settings.source} is not an exchange.")
    return offered


def _or(names: Mapping[str, object]) -> str:
    *some, last = names
    return f"{', '.join(some)} or {last}"


def _check(settings: Settings, catalog: Catalog, offered: ExchangeSource) -> None:
    """The lake holds the candles of this venue, and its newest tables are those of the present code."""
    candles = stored(settings.root, catalog, catalog.raw.name)
    if not candles.months():
        raise InputError(f"{candles.folder} holds no candles yet. {_RUN}: it fetches the history that features need.")
    noted, mine = candles.metadata(candles.months()[-1]), nature(offered, settings.interval)
    if noted_venue(noted, mine[VENUE]) != mine[VENUE] or mine.items() - {VENUE: mine[VENUE]}.items() - noted.items():
        raise InputError(
            f"{candles.folder} holds candles of {noted.get('interval')} of {noted.get(VENUE)}, and the stream has "
            f"those of {mine['interval']} of {mine[VENUE]}; choose another folder by CRYPTO_FEATURES_DATA."
        )
    for name, group in catalog.groups.items():
        table = stored(settings.root, catalog, name)
        if not table.months():
            raise InputError(f"{name} was never computed. {_RUN}.")
        if isinstance(group, FeatureGroup) and table.behaviour(table.months()[-1]) != combined(feature_versions(name)):
            raise InputError(f"{name} was computed by other code than this. Run `crypto-features plan --run` first.")


def _recent(settings: Settings, catalog: Catalog, load: Load, unmerged: pl.DataFrame, now: datetime) -> frozenset[str]:
    """The symbols with a candle of the last day, in the lake or in the journal."""
    parts = [load(catalog.raw.name, months_between(now - _DAY, now)), unmerged]
    both = pl.concat(part.select("symbol", "open_time") for part in parts if part.width)
    recent = frozenset(both.filter(pl.col("open_time") >= now - _DAY - settings.interval)["symbol"])
    if not recent:
        raise InputError(f"no candle of the last day is stored. {_RUN}: live computes what follows from the newest.")
    return recent


def _markets(offered: ExchangeSource, symbols: list[str], now: datetime) -> dict[str, str]:
    """By symbol the market that stands for it now; not of those that the exchange counts in other units."""
    found = {}
    for symbol in symbols:
        for listing, _, _ in offered.listed(symbol, now, now + timedelta.resolution):
            if listing.factor == 1 and listing.market in offered.markets:
                found[symbol] = listing.market
    return found


def _unmerged(folder: Path) -> pl.DataFrame:
    """What came live and is not in the lake yet; the last version of each candle."""
    entries = (entry for entry, _, _ in journal.read(folder, merged_ends(folder)))
    return journal.frame(entries).unique(["symbol", "open_time"], keep="last", maintain_order=True).drop("known_at")


async def _asked(offered: ExchangeSource, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
    return await asyncio.to_thread(offered.fetch, symbol, start, end)
