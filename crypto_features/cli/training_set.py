"""`crypto-features training-set`: build a set, verify one, and build one again to compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crypto_features.cli.app import app, command_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crypto_features.training.folder import SetFolder

sets = typer.Typer(help="Training sets with a manifest: build, verify, rebuild.", no_args_is_help=True)
app.add_typer(sets, name="training-set")
command = command_of(sets)
SHOWN = 5


@command
def build(
    name: Annotated[str, typer.Argument(help="The name of a declared set.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="A new folder; by default one in the data folder, named by the time.")
    ] = None,
) -> None:
    """Build a set: Parquet files of months, and a manifest that says what they were made from.

    Examples:
        crypto-features training-set build momentum_v1
        crypto-features training-set build momentum_v1 --out sets/first
    """
    from upath import UPath

    from crypto_features import clock
    from crypto_features.catalogs import current_catalog
    from crypto_features.errors import UnknownNameError
    from crypto_features.graph.training_sets import build_set
    from crypto_features.lake.owners import claim
    from crypto_features.settings import Settings
    from crypto_features.training.folder import SetFolder, new_folder

    settings, catalog = Settings.load(), current_catalog()
    if name not in catalog.sets:
        hint = 'It is declared as cf.TrainingSet("name", features=[...], label=...) in the catalog.'
        raise UnknownNameError("training set", name, catalog.sets, hint)
    training = catalog.sets[name]
    if out is None:
        claim(settings.root, training.name, catalog.project)
    folder = new_folder(settings.root, training.name, clock.now()) if out is None else SetFolder(UPath(out))
    _told(folder, build_set(settings, training, catalog, folder, typer.echo))


@command
def verify(folder: Annotated[Path, typer.Argument(help="The folder of a set.")]) -> None:
    """Read every file of a set and compare it with the manifest; name the first row group that differs.

    Examples:
        crypto-features training-set verify sets/first
    """
    from upath import UPath

    from crypto_features.training.folder import SetFolder
    from crypto_features.training.verify import differences

    one = SetFolder(UPath(folder))
    found = differences(one)
    for line in found:
        typer.echo(f"Differs: {line}")
    if found:
        raise typer.Exit(1)
    manifest = one.manifest
    typer.echo(f"{len(manifest['files'])} files, {manifest['rows']['count']:,} rows: as written. {manifest['digest']}")


@command
def rebuild(folder: Annotated[Path, typer.Argument(help="The folder of a set.")]) -> None:
    """Build a set again from candles as they were known then, and compare; nothing is written.

    Examples:
        crypto-features training-set rebuild sets/first
    """
    from upath import UPath

    from crypto_features.catalogs import current_catalog
    from crypto_features.errors import InputError, UnknownNameError
    from crypto_features.graph.training_sets import origin_of, require_current
    from crypto_features.settings import Settings
    from crypto_features.training.folder import SetFolder
    from crypto_features.training.rebuild import rebuild as built_again

    settings, catalog, one = Settings.load(), current_catalog(), SetFolder(UPath(folder))
    name = one.manifest["name"]
    if name not in catalog.sets:
        raise UnknownNameError("training set", name, catalog.sets, f"{folder} is one of it.")
    origin = origin_of(settings, catalog.sets[name], catalog)
    require_current(settings, origin.training, catalog)
    found = built_again(origin, one, typer.echo)
    for line in found.where:
        typer.echo(f"Differs: {line}")
    if not found.same:
        raise InputError(f"{found.digest} came out, and {folder} is {found.expected}.")
    typer.echo(f"The same rows, to the bit: {found.digest}")


def _told(folder: "SetFolder", manifest: "Mapping[str, Any]") -> None:
    rows, moved = manifest["rows"], [(n, one) for n, one in manifest["revisions"].items() if one["moved"]]
    typer.echo(
        f"{folder.path}: {rows['count']:,} rows of {len(manifest['universe'])} symbols, {rows['first'][:10]} to "
        f"{rows['last'][:10]}; digest {manifest['digest']}"
    )
    for name, one in sorted(moved, key=lambda item: -item[1]["moved"])[:SHOWN]:
        typer.echo(
            f"{name}: {one['moved']:,} of {one['rows']:,} values became others later, by {one['mean_change']:.3g} on "
            f"average and {one['largest_change']:.3g} at most ({one['largest_at'] or 'no number'})."
        )
