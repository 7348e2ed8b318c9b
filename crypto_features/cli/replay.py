"""`crypto-features replay`: stored candles through the live process, and whether it gives what the batch gave."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from crypto_features.cli.app import command

DAY = "%Y-%m-%d"


@command
def replay(
    first: Annotated[datetime, typer.Option("--from", formats=[DAY, f"{DAY}T%H:%M"], help="Where to begin, UTC.")],
    last: Annotated[datetime, typer.Option("--to", formats=[DAY, f"{DAY}T%H:%M"], help="Where to end, UTC.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many times, each with other faults.")] = 1,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
) -> None:
    """Send stored candles through the live process with seeded faults, and compare with the stored tables.

    Examples:
        crypto-features replay --from 2024-03-01 --to 2024-03-02 --seeds 3
    """
    console = Console()
    with console.status("Loading the tables"):
        from crypto_features.catalogs import current_catalog
        from crypto_features.clock import as_utc
        from crypto_features.errors import InputError
        from crypto_features.live.replay import replay as replayed
        from crypto_features.live.replay import stored_market
        from crypto_features.settings import Settings

        catalog = current_catalog()
        market = stored_market(Settings.load(), catalog, as_utc(first), as_utc(last))
    failed = 0
    for number in range(seed, seed + seeds):
        with console.status(f"Seed {number}"):
            found = replayed(catalog, market, number)
            wrong = found.wrong(catalog, market)
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(found.counts.items()) if count)
        rows = sum(part.height for parts in found.rows.values() for part in parts)
        console.print(f"Seed {number}: {counts}; {rows:,} rows published. {'; '.join(wrong) or 'Live = batch.'}")
        failed += bool(wrong)
    if failed:
        raise InputError(
            f"{failed} of {seeds} replays differ from the stored tables. If these are outdated, run `crypto-features "
            "plan --run` first; a table that reads what is not in its window shows here, too: run its leak test."
        )
