"""`crypto-features live`: from each candle that closes to the online store, until it is stopped."""

import asyncio
import signal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from crypto_features.cli.app import command

if TYPE_CHECKING:
    from crypto_features.live.process import Live


@command
def live() -> None:
    """Follow the exchange's websocket, and publish the features of each candle that closes."""
    console = Console()
    with console.status("Loading the tables"):
        from crypto_features.live.start import live_of
        from crypto_features.settings import Settings

    def note(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    with live_of(Settings.load(), note) as process:
        followed = ", ".join(sorted(process.edges.symbols.values()))
        note(f"Following {followed}. Ctrl-C or SIGTERM ends it.")
        asyncio.run(_until_stopped(process))
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(process.counts.items()) if count)
        note(f"Stopped. Candles and connections: {counts or 'none'}.")


async def _until_stopped(process: "Live") -> None:
    running = asyncio.ensure_future(process.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    await asyncio.wait([running])
    if not running.cancelled():
        await running  # its error.
