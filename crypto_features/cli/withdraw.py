"""`crypto-features withdraw`: take back what was published by a clock that was ahead."""

import typer

from crypto_features.cli.app import command


@command
def withdraw() -> None:
    """Delete the online rows that are stamped later than the clock: no publish replaces them, and no bot reads them."""
    from crypto_features.store.withdraw import withdraw as withdrawn

    for view, rows in withdrawn().items():
        typer.echo(f"{view}: {rows} rows were stamped later than the clock and are withdrawn.")
    typer.echo("Publish the right ones with: crypto-features run")
