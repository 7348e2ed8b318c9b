"""`crypto-features restore FOLDER`: a backup into an empty data folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from crypto_features.cli.app import command


@command
def restore(folder: Annotated[Path, typer.Argument(help="What `crypto-features backup` wrote.")]) -> None:
    """Write a backup into the empty folder that CRYPTO_FEATURES_DATA names, and compare each file with its digest.

    Start the platform once it is done.

    Examples:
        CRYPTO_FEATURES_DATA=/srv/features crypto-features restore /backups/2026-11-27
    """
    from crypto_features.backup.restore import restore as restored
    from crypto_features.backup.take import local_root
    from crypto_features.settings import Settings

    root = local_root(Settings.load())
    with Console().status("Restoring") as status:
        made = restored(folder, root, lambda what: status.update(f"Restoring: {escape(what)}"))
    typer.echo(
        f"{len(made.files):,} files ({made.size / 1e6:,.1f} MB) of a backup begun at {made.begun_at[:16]} UTC are in "
        f"{root}, each with the digest that the backup noted."
    )
    if made.data != str(root):
        typer.echo(
            f"The registry names the tables in {made.data}. Before training sets are read: `crypto-features run`, or "
            "`feast apply` in feature_repo/ of each project."
        )
