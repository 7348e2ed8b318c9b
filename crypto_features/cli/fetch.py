"""`crypto-features fetch`: candles into the lake, without the graph."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table as Grid

from crypto_features.cli.app import command

if TYPE_CHECKING:
    from crypto_features.ingest.report import IngestReport, Progress

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
    """Bring the candles of the settings' source, and every further raw table, up to date; show what came of it.

    Examples:
        crypto-features fetch
        crypto-features fetch --first 2024-01 --last 2024-03 --again
    """
    from crypto_features import clock
    from crypto_features.catalogs import current_catalog
    from crypto_features.errors import InputError
    from crypto_features.ingest import ingest
    from crypto_features.ingest.silence import silent_symbols
    from crypto_features.lake.table import stored
    from crypto_features.settings import Settings
    from crypto_features.sources import source, source_of
    from crypto_features.sources.source import by_reason
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
    catalog, troubles = current_catalog(), list[tuple[str, str]]()
    for raw in sorted(catalog.raws.values(), key=lambda raw: raw is not catalog.raw):
        if raw.project and raw is not catalog.raw:
            continue
        offered = market if raw is catalog.raw else source_of(settings, raw)
        table = stored(settings.root, catalog, raw.name)
        quarantine = stored(settings.root, catalog, catalog.quarantine_of(raw))
        with console.status(offered.name) as status:
            report = ingest.fetch(
                settings,
                raw,
                offered,
                table,
                quarantine,
                months=months,
                symbols=settings.symbols or offered.symbols(),
                again=again,
                progress=partial(_show, status),
            )
        what = "" if raw is catalog.raw else f"{raw.name}: "
        console.print(f"[bold]{what}{report.source}[/], {report.seconds:.1f} s", soft_wrap=True)
        console.print(_summary(report))
        if report.absent.height and raw is catalog.raw:
            console.print(_longest_gaps(report))
        for symbol, text in report.troubles:
            console.print(f"[red]{symbol}[/]: {escape(text)}", soft_wrap=True)
        troubles += report.troubles
        for reason, passed in by_reason(offered.passed_over()).items():
            console.print(f"[yellow]passed over[/] {escape(passed)}: {escape(reason)}", soft_wrap=True)
        if raw is catalog.raw:
            ended = {symbol: why for symbol in symbols if (why := market.ended(symbol)) is not None}
            for one in silent_symbols(table, settings, ended, now, lambda: market):
                console.print(f"[yellow]{escape(one.sentence)}.[/] To do: {escape(one.todo)}", soft_wrap=True)
    if troubles:
        raise typer.Exit(1)


def _show(status: Status, progress: "Progress") -> None:
    status.update(str(progress))


def _summary(report: "IngestReport") -> Grid:
    grid = Grid("", f"{report.row.capitalize()}s")
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
