"""`crypto-features fetch`: candles into the lake, without the graph."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from crypto_features.cli.app import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crypto_features.ingest.report import IngestReport
    from crypto_features.tables.raw import RawTable


_SHOWN = 10


@command
def fetch(
    first: Annotated[
        str | None, typer.Option(help="First month, as 2024-01; by default START, or the source's.")
    ] = None,
    last: Annotated[
        str | None, typer.Option(help="Last month; by default the present one, or the source's last.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask for stored and for absent candles too.")] = False,  # noqa: FBT002 - typer reads it.
) -> None:
    """Bring the candles of the settings' source, and every further raw table, up to date; show what came of it."""
    from crypto_features import clock
    from crypto_features.catalogs import current_catalog
    from crypto_features.errors import InputError
    from crypto_features.ingest.ingest import ingest
    from crypto_features.ingest.silence import silent_symbols
    from crypto_features.lake.table import stored
    from crypto_features.settings import Settings
    from crypto_features.sources import source
    from crypto_features.sources.source import by_reason
    from crypto_features.tables.catalog import QUARANTINE
    from crypto_features.tables.months import month_span, months_between

    console, settings, now = Console(), Settings.load(), clock.now()
    market = source(settings)
    symbols = settings.symbols or market.symbols()
    start = month_span(first)[0] if first else settings.start or market.start(symbols)
    end = min(month_span(last)[1] if last else market.end() or now, now)
    months = months_between(start, end)
    if not months:
        raise InputError(
            f"there is nothing to fetch: the first month is {start:%Y-%m}, and candles end at {end:%Y-%m-%d %H:%M} "
            "UTC; correct --first and --last, CRYPTO_FEATURES_START or CRYPTO_FEATURES_CLOCK."
        )
    catalog = current_catalog()
    candles = stored(settings.root, catalog, catalog.raw.name)
    with console.status(market.name) as status:
        report = ingest(
            market,
            candles,
            stored(settings.root, catalog, QUARANTINE),
            months,
            symbols,
            interval=settings.interval,
            now=now,
            max_rejected=settings.max_rejected,
            recheck=settings.recheck,
            again=again,
            progress=lambda progress: status.update(str(progress)),
        )
    console.print(f"[bold]{report.source}[/], {report.seconds:.1f} s", soft_wrap=True)
    console.print(_summary(report))
    if report.absent.height:
        console.print(_longest_gaps(report))
    for symbol, text in report.troubles:
        console.print(f"[red]{symbol}[/]: {escape(text)}", soft_wrap=True)
    for reason, what in by_reason(market.passed_over()).items():
        console.print(f"[yellow]passed over[/] {escape(what)}: {escape(reason)}", soft_wrap=True)
    ended = {symbol: why for symbol in symbols if (why := market.ended(symbol)) is not None}
    for one in silent_symbols(candles, settings, ended, now, lambda: market):
        console.print(f"[yellow]{escape(one.sentence)}.[/] To do: {escape(one.todo)}", soft_wrap=True)
    others = [raw for raw in catalog.raws.values() if raw is not catalog.raw and not raw.project]
    troubles = [*report.troubles, *(trouble for raw in others for trouble in _fetch_further(raw, months, again=again))]
    if troubles:
        raise typer.Exit(1)


def _fetch_further(raw: "RawTable", months: "Sequence[str]", *, again: bool) -> list[tuple[str, str]]:
    """Bring a raw table with a source of its own up to date, show what came of it, and return what needs a person."""
    from crypto_features import clock
    from crypto_features.catalogs import current_catalog
    from crypto_features.ingest.ingest import ingest
    from crypto_features.lake.table import stored
    from crypto_features.settings import Settings
    from crypto_features.sources import source_of

    console, settings, catalog = Console(), Settings.load(), current_catalog()
    market = source_of(settings, raw)
    report = ingest(
        market,
        stored(settings.root, catalog, raw.name),
        stored(settings.root, catalog, catalog.quarantine_of(raw)),
        months,
        settings.symbols or market.symbols(),
        kind=raw.rows,
        interval=settings.interval,
        now=clock.now(),
        max_rejected=settings.max_rejected,
        recheck=settings.recheck,
        again=again,
    )
    console.print(f"[bold]{raw.name}: {report.source}[/], {report.seconds:.1f} s", soft_wrap=True)
    console.print(_summary(report, f"{raw.rows.row.capitalize()}s"))
    for symbol, text in report.troubles:
        console.print(f"[red]{symbol}[/]: {escape(text)}", soft_wrap=True)
    return report.troubles


def _summary(report: "IngestReport", rows_are: str = "Candles") -> Grid:
    grid = Grid("", rows_are)
    rows = {
        "fetched": report.rows,
        "new": report.new,
        "corrected": report.corrected.height,
        "flagged": report.flagged.height,
        **{f"rejected: {rule}": count for rule, count in report.rejected_by_rule.items()},
        "absent": int(report.absent["missing"].sum()),
        **{f"not over by the clock: {symbol}": count for symbol, count in report.later.items()},
    }
    for what, count in rows.items():
        grid.add_row(what, f"{count:,}")
    return grid


def _longest_gaps(report: "IngestReport") -> Grid:
    grid = Grid(
        "Absent", "from", "to", "Candles", "Sessions", title=f"The longest gaps, of {report.absent.height:,} in all"
    )
    longest = report.absent.sort("missing", descending=True, maintain_order=True).head(_SHOWN)
    for symbol, first, last, missing, sessions, _ in longest.iter_rows():
        grid.add_row(symbol, f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}", f"{missing:,}", f"{sessions}")
    return grid
