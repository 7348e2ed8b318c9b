"""`crypto-features withdraw`: take back what was stamped by a clock that was ahead."""

import typer

from crypto_features.cli.app import command


@command
def withdraw() -> None:
    """Delete online rows that are stamped later than the clock, and have rows of tables be known from now on.

    No publish replaces such online rows, and no bot reads them; training sets of what was known then lack the others.
    """
    from crypto_features import clock
    from crypto_features.catalogs import current_catalog
    from crypto_features.lake.stamps import bring_back
    from crypto_features.settings import Settings
    from crypto_features.store.withdraw import withdraw as withdrawn

    for table, rows in bring_back(Settings.load().root, current_catalog(), clock.now()).items():
        if rows:
            typer.echo(f"{table}: {rows} rows counted as known later than the clock, and are known from now on.")
    for view, rows in withdrawn().items():
        typer.echo(f"{view}: {rows} rows were stamped later than the clock and are withdrawn.")
    typer.echo("Publish the right ones with: crypto-features run")
