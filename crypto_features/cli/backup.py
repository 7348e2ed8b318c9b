"""`crypto-features backup FOLDER`: a copy of the data folder, taken while the platform runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from crypto_features.cli.app import command

if TYPE_CHECKING:
    from crypto_features.settings import Settings


@command
def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that is new or empty, best on another disk.")],
    since: Annotated[
        Path | None,
        typer.Option(help="An earlier backup beside it: what is equal there is linked, and takes no room again."),
    ] = None,
) -> None:
    """Copy tables, registry, online rows, switches, models and journal, with a digest of each file; nothing stops.

    Dagster's run history is not copied, nor what is on a server.

    Examples:
        crypto-features backup /backups/2026-11-27
        crypto-features backup /backups/2026-11-28 --since /backups/2026-11-27
    """
    from crypto_features.backup.take import take
    from crypto_features.catalogs import current_catalog
    from crypto_features.settings import Settings

    settings = Settings.load()
    with Console().status("Copying") as status:
        made = take(settings, current_catalog(), folder, since, lambda what: status.update(f"Copying {escape(what)}"))
    typer.echo(f"{len(made.files):,} files ({made.size / 1e6:,.1f} MB) of {made.data} are in {folder}.")
    for line in elsewhere(settings):
        typer.echo(line)
    typer.echo(f"Bring them back with: CRYPTO_FEATURES_DATA=<empty folder> crypto-features restore {folder}")


def elsewhere(settings: "Settings") -> list[str]:
    """What is on a server, and so in no backup."""
    if settings.store == "embedded":
        return []
    server = "PostgreSQL" if settings.store == "postgres" else "Valkey or Redis"
    lines = [f"The online rows in {server} are not in it: `crypto-features run` publishes them again from the tables."]
    if settings.registry_url.startswith("postgresql"):
        lines.append(
            "Neither is the registry in PostgreSQL, which knows the versions of views and what is switched off: dump "
            "that database with pg_dump."
        )
    else:
        lines.append("What is switched off is in it, in the registry's copy.")
    return lines
