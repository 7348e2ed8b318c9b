"""`crypto-features scrub`: every stored file and online row is read, and what rotted is named."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from crypto_features.cli.app import command


@command
def scrub() -> None:
    """Read every stored file and online row; name what is damaged and how it is restored. Nothing is changed."""
    from crypto_features.catalogs import current_catalog
    from crypto_features.lake.scrub import damage, stored_files
    from crypto_features.settings import Settings
    from crypto_features.store import FeastResource

    console, root, catalog = Console(), Settings.load().root, current_catalog()
    files = stored_files(root, catalog)
    shown = track(files, "Reading", console=console, transient=True)
    found = [why for path in shown if (why := damage(root, catalog, path)) is not None]
    found += FeastResource().damage()
    for why in found:
        console.print(f"[bold red]Damaged:[/] {escape(why)}", soft_wrap=True)
    console.print(
        f"{len(files):,} files in {root} and all online rows were read: {len(found)} damaged.", soft_wrap=True
    )
    if found:
        raise typer.Exit(1)
