"""`crypto-features run`: the whole graph once, and what came of it."""

import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crypto_features.cli.app import command
from crypto_features.errors import SettingsError

if TYPE_CHECKING:
    from datetime import datetime

    from dagster import DagsterInstance

    from crypto_features.graph.checks.finding import Finding
    from crypto_features.graph.materialize import Built
    from crypto_features.settings import Settings
    from crypto_features.sources.source import Source
    from crypto_features.tables.catalog import Catalog
    from crypto_features.versions.plan import Plan

SHOWN_SYMBOLS = ("BTC", "ETH")
MINUTE = timedelta(minutes=1)


@command
def run() -> None:
    """Build every table from candles to the online store, and show the newest features.

    Examples:
        crypto-features run
        CRYPTO_FEATURES_SYMBOLS=BTC,ETH CRYPTO_FEATURES_START=2024-01 crypto-features run
    """
    began = time.perf_counter()
    console = Console()
    with console.status("Loading the graph"):
        settings = _prepared()
        import dagster as dg

        from crypto_features import clock
        from crypto_features.automation.lagging import nothing_due
        from crypto_features.automation.market_now import MarketNow
        from crypto_features.catalogs import current_catalog
        from crypto_features.code_location import build
        from crypto_features.graph.lake import LakeResource
        from crypto_features.graph.materialize import materialize_all
        from crypto_features.graph.recompute import plan_of
        from crypto_features.host.run_history import forget_runs
        from crypto_features.sources import source
        from crypto_features.store import FeastResource
        from crypto_features.tables.months import months_between

        market = source(settings)
        symbols = settings.symbols or market.symbols()
        start = settings.start or market.start(symbols)
        end = min(market.end() or clock.now(), clock.now())
        months = months_between(start, end)
        if not months:
            raise SettingsError(
                f"there is nothing to build: the first month is {start:%Y-%m}, the last candle of {end:%Y-%m-%d %H:%M} "
                "UTC; correct CRYPTO_FEATURES_START or CRYPTO_FEATURES_CLOCK."
            )
        definitions, catalog = build(settings, market), current_catalog()
    console.print(
        f"[bold]{market.name}[/]: {len(symbols)} symbols, {months[0]} to {months[-1]}, into {settings.root}\n",
        soft_wrap=True,
    )
    with dg.DagsterInstance.get() as instance:
        with console.status("Looking for what is new"):
            plan = plan_of(settings)
            lake = LakeResource(root=str(settings.root), interval_minutes=int(settings.interval / MINUTE))
            at = MarketNow(settings, lake)
            nothing_new = nothing_due(at, instance, plan, FeastResource())
        built: list[Built] = []
        if nothing_new:
            console.print(
                f"Nothing is new: every candle until {at.head:%Y-%m-%d %H:%M} UTC is stored, and all made of it."
            )
        else:
            _tell_of_older(console, plan)
            with console.status(catalog.raw.name) as status:
                built = materialize_all(
                    definitions,
                    instance,
                    months,
                    leave_out=[one.name for one in catalog.sets.values()],
                    on_finished=lambda asset: status.update(f"{asset.asset} done"),
                    on_message=status.update,
                )
            console.print(_built_table(built))
        forget_runs(instance, settings.keep_runs)
        for line in _to_know(settings, catalog, instance, market, at.now):
            console.print(line, soft_wrap=True)
    console.print()
    _show_online(console, catalog, [at.head] if nothing_new else [asset.last for asset in built], symbols)
    done = "Looked" if nothing_new else f"{len(built)} assets"
    console.print(f"\n{done} in {time.perf_counter() - began:.0f} s. `crypto-features dev` shows the graph.")


def _prepared() -> "Settings":
    """The settings, once Dagster's home is there and the disk has room."""
    from crypto_features.host.instance import dagster_environment
    from crypto_features.lake.room import require_room
    from crypto_features.settings import Settings

    settings = Settings.load()
    os.environ.update(dagster_environment(settings))
    require_room(settings.root, settings.disk_reserve)
    return settings


def _to_know(
    settings: "Settings", catalog: "Catalog", instance: "DagsterInstance", market: "Source", began: "datetime"
) -> "Iterator[str]":
    """What a person should know of the tables, whenever they were made: what is missing, silent or null.

    A candle that closed since the run began is not late: nobody asked for it.
    """
    from crypto_features.graph.checks.candles import ended_markets, failed_symbols
    from crypto_features.graph.training import unknown_rows
    from crypto_features.ingest.silence import silent_symbols
    from crypto_features.lake.table import stored

    for symbol, why in failed_symbols(instance, catalog.raw.name).items():
        yield f"[bold red]{symbol} was not fetched[/]: {escape(why)}"
    for group, lacking in without_joined(settings, catalog):
        yield f"[bold yellow]{group}: {escape(lacking.text)}[/] To do: {escape(lacking.todo)}"
    candles, ended = stored(settings.root, catalog, catalog.raw.name), ended_markets(instance, catalog.raw.name)
    for one in silent_symbols(candles, settings, ended, began, lambda: market):
        yield f"[bold yellow]{escape(one.sentence)}.[/] To do: {escape(one.todo)}"
    for training in catalog.training:
        if unknown := unknown_rows(instance, training):
            yield (
                f"[bold yellow]{unknown:,} rows of {training.name} have no value[/]: their candles came more than "
                "CRYPTO_FEATURES_LATE_WAIT after their close, so they were not known then. get_training_features "
                "without as_of joins what is known now."
            )


def _show_online(
    console: Console, catalog: "Catalog", ends: "Sequence[datetime | None]", symbols: "Sequence[str]"
) -> None:
    from crypto_features import clock
    from crypto_features.cli import online_table
    from feature_repo import get_online_features

    shown, now = [name for name in SHOWN_SYMBOLS if name in symbols] or list(symbols[:2]), clock.now()
    service = online_table.shown(catalog)
    units = {
        view: {name: catalog.groups[view].feature(name).unit for name in names}
        for view, names in service.features.items()
    }
    answer = get_online_features(shown, [f"{v}:{f}" for v, names in service.features.items() for f in names])
    title = f"Online features at {now:%Y-%m-%d %H:%M} UTC (service {service.name})"
    console.print(online_table.filled(_table(title), units, shown, answer, answer.statuses))
    hint = online_table.why_withheld(answer.statuses, ends, now)
    if hint:
        console.print(f"[bold yellow]{hint}[/]", soft_wrap=True)


def without_joined(settings: "Settings", catalog: "Catalog") -> "Iterator[tuple[str, Finding]]":
    """What is null in a group since a symbol that it joins to all has no rows."""
    from crypto_features.graph.checks.features import joined_symbols_there
    from crypto_features.lake.table import stored
    from crypto_features.tables.others import joined_symbols

    for name, group in catalog.groups.items():
        there = {table: stored(settings.root, catalog, table).symbols() for table in joined_symbols(group)}
        if not (found := joined_symbols_there(group, there)).passed:
            yield name, found


def _tell_of_older(console: Console, plan: "Plan") -> None:
    """What becomes of a folder that version 0.1 wrote."""
    from crypto_features.versions.plan import Reason

    older = [item for item in plan.stale if item.reason is Reason.OLDER_VERSION]
    if older:
        console.print(
            f"{len(older)} partitions were written by version 0.1. Their values are computed again; candles, when each "
            "was known, and published models stay as they are.\n",
            soft_wrap=True,
        )


def _built_table(built: "Sequence[Built]") -> Table:
    table = _table("What was built")
    table.add_column("Asset", no_wrap=True)
    for name in ("Rows", "Symbols", "From", "To", "Time"):
        table.add_column(name, justify="right", no_wrap=True)
    for asset in built:
        table.add_row(
            asset.asset,
            "" if asset.rows is None else f"{asset.rows:,}",
            "" if asset.symbols is None else str(asset.symbols),
            "" if asset.first is None else f"{asset.first:%Y-%m-%d}",
            "" if asset.last is None else f"{asset.last:%Y-%m-%d %H:%M}",
            f"{asset.seconds:.1f} s",
        )
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
