"""`crypto-features explain`: where a value comes from, whether it is right, and why it is another one than before."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from crypto_features.cli.app import command
from crypto_features.errors import InputError


@command
def explain(
    symbol: Annotated[str, typer.Argument(help="The symbol, such as BTC.")],
    ref: Annotated[str, typer.Argument(help="A feature, such as price_features:rsi_14.")],
    *,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="Its newest value up to this time.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Say why it is another one than at this time.")
    ] = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw its last values to a file.")] = None,
) -> None:
    """Explain one value: table, online store, version, candles, run, and a recomputation; nothing is written.

    Ends with exit code 1 if something is wrong with it.

    Examples:
        crypto-features explain BTC price_features:rsi_14
        crypto-features explain BTC price_features:rsi_14 --at 2024-06-15
    """
    from crypto_features.explanation import explain as explained
    from crypto_features.explanation.text import lines

    found = explained(symbol, ref, at=at, since=since)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for about, said in lines(found):
        table.add_row(about, said)
    Console(highlight=False, markup=False).print(table)
    if png is not None:
        from crypto_features.plots import png as drawn
        from crypto_features.plots.explained import value_history

        title = f"{found.symbol} {found.ref}"
        if png.suffix != ".png":
            raise InputError(f"--png {png} must end with .png.")
        png.write_bytes(drawn(value_history(found.history, found.time, title)))
    if found.findings:
        raise typer.Exit(1)
