"""`crypto-features old-versions`: the kept months of versions that are not computed any more, and who reads them."""

from typing import Annotated

import typer

from crypto_features.cli.app import command


@command
def old_versions(
    delete: Annotated[bool, typer.Option("--delete", help="Delete those that nobody reads.")] = False,  # noqa: FBT002 - a flag of a command.
) -> None:
    """List the folders of old versions of views with their readers, and delete those that nobody reads."""
    from crypto_features.store.old_versions import old_versions as kept

    found = kept()
    for folder, readers in found.items():
        months = sorted(folder.glob("*.parquet"), key=str)
        size = sum(path.stat().st_size for path in months) / 1e6
        who = f"read by {', '.join(readers)}" if readers else "read by nobody"
        gone = delete and not readers
        if gone:
            for path in months:
                path.unlink()
            if folder.exists():  # in a bucket a folder ends with its last object.
                folder.rmdir()
        typer.echo(f"{folder.name}: {len(months)} months, {size:.1f} MB, {who}{', deleted' if gone else ''}")
    if not found:
        typer.echo("No months of old versions are kept.")
    elif not delete and not all(found.values()):
        typer.echo("Delete those that nobody reads with: crypto-features old-versions --delete")
