"""`crypto-features live`: from each candle that closes to the online store, until it is stopped."""

import asyncio
import gc
import signal
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crypto_features.cli.app import command

if TYPE_CHECKING:
    from crypto_features.live.process import Live
    from crypto_features.live.watched import Watched


@command
def live(
    report: Annotated[bool, typer.Option("--report", help="Show how candles became final.")] = False,  # noqa: FBT002 - typer reads it.
    shard: Annotated[
        str, typer.Option("--shard", metavar="K/N", help="Follow the K-th of N parts of the symbols.")
    ] = "1/1",
) -> None:
    """Follow the exchange's websocket, and publish the features of each candle that closes.

    Examples:
        CRYPTO_FEATURES_SOURCE=ccxt CRYPTO_FEATURES_EXCHANGE=bybit crypto-features live
        crypto-features live --shard 2/3
        crypto-features live --report
    """
    console = Console()
    if report:
        _report(console)
        return
    with console.status("Loading the tables"):
        from crypto_features.live import shard as shards
        from crypto_features.live.start import live_of
        from crypto_features.settings import Settings

    def note(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    with live_of(Settings.load(), note, shards.shard(shard)) as (process, watched):
        followed = ", ".join(sorted(process.edges.symbols.values()))
        note(f"Following {followed}. Ctrl-C or SIGTERM ends it.")
        gc.freeze()  # what was loaded stays: to look through all of it takes longer than a step.
        asyncio.run(_until_stopped(process, watched))
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(process.counts.items()) if count)
        note(f"Stopped. Candles and connections: {counts or 'none'}.")


def _report(console: Console) -> None:
    from crypto_features.lake import journal
    from crypto_features.live.ledger import ledger
    from crypto_features.live.start import journal_folder
    from crypto_features.settings import Settings

    settings = Settings.load()
    rows = ledger(
        (entry for entry, _, _ in journal.read(journal_folder(settings))), settings.interval, settings.exchange
    )
    if rows.is_empty():
        console.print("No candle came live yet: `crypto-features live` has not run on this data folder.")
        return
    table = Table(title="How candles became final", title_justify="left", box=None)
    for name in ("Market", "Candles", "Flag", "Successor", "REST", "Corrected", "REST agreed", "Late, s", "Latest, s"):
        table.add_column(name, justify="left" if name == "Market" else "right")
    for symbol, *counts, late, latest in rows.iter_rows():
        table.add_row(symbol, *(f"{count:,}" for count in counts), f"{late:.3f}", f"{latest:.3f}")
    console.print(table)


async def _until_stopped(process: "Live", watched: "Watched") -> None:
    running, told = asyncio.ensure_future(process.run()), asyncio.ensure_future(watched.keep())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    await asyncio.wait([running, told], return_when=asyncio.FIRST_COMPLETED)
    stopped = running.cancelled()
    for task in (running, told):
        task.cancel()
    for ended in await asyncio.gather(running, told, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    if stopped:
        watched.end()
