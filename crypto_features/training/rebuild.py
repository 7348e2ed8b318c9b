"""Building a set again from the candles as they were known when it was built, to see whether the same rows come out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from crypto_features.training.build import Log, Origin
from crypto_features.training.digests import first_difference, group_digests, set_digest, types_of
from crypto_features.training.folder import SetFolder
from crypto_features.training.inputs import declaration, libraries
from crypto_features.training.whole_set import WholeSet
from crypto_features.versions.provenance import column_digests


@dataclass(frozen=True)
class Rebuilt:
    """What building a set again gave.

    Args:
        digest: The digest of what came out.
        expected: That of the manifest.
        why: What is different in the code, the declaration, the settings, the candles and the libraries since.
        where: The files, row groups and columns that differ.
    """

    digest: str
    expected: str
    why: tuple[str, ...]
    where: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the same rows came out, to the bit."""
        return self.digest == self.expected


def rebuild(origin: Origin, folder: SetFolder, log: Log = lambda _: None) -> Rebuilt:
    """Build a set again and compare; nothing is written.

    What was first seen after the set was built is left out: corrections, backfills and new symbols.

    Args:
        origin: The declaration of today, and the data folder.
        folder: The set.
        log: Is told what is different since, and of each month.

    Raises:
        InputError: if the folder is not a set, or the declaration of today gives no row.
    """
    manifest, until = folder.manifest, built_at(folder)
    why = tuple(changes(origin, manifest))
    for line in why:
        log(f"Since then: {line}")
    whole = WholeSet(origin.training, replace(origin.history, until=until), until, origin.months)
    held = {file["path"]: file for file in manifest["files"]}
    files, where, types = [], [], dict(manifest["columns"])
    for month, rows in whole.rows():
        path, types = f"data/{month}.parquet", types_of(rows.schema)
        groups = group_digests(rows)
        files.append({"path": path, "row_groups": groups})
        number = first_difference(groups, held[path]["row_groups"]) if path in held else 0
        log(f"{month}: {rows.height:,} rows, {'the same' if number is None else 'DIFFERENT'}")
        if number is not None:
            where.append(_said(folder, path, number, rows, there=path in held))
    built = {file["path"] for file in files}
    where += [f"{path}: no row comes out any more" for path in held if path not in built]
    return Rebuilt(set_digest(files, types), manifest["digest"], why, tuple(where))


def built_at(folder: SetFolder) -> datetime:
    """When a set was built: what was seen later is not in it."""
    return datetime.fromisoformat(folder.manifest["built_at"])


def changes(origin: Origin, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What is different since a set was built, of all that decides its rows.

    Args:
        origin: The declaration, the code and the data folder of today.
        manifest: Of the set.
    """
    yield from _changed("the declaration changed", manifest["declaration"], declaration(origin.training))
    yield from _code_changes(origin.code(), manifest)
    yield from _changed("the settings changed", manifest["settings"], origin.settings())
    inputs = origin.inputs(datetime.fromisoformat(manifest["built_at"]))
    for table, months in manifest["inputs"].items():
        now = inputs.get(table, {})
        if differ := [month for month in sorted({*months, *now}) if now.get(month) != months.get(month)]:
            yield f"{table} of {', '.join(differ[:3])} is not what it was: other rows had been seen by then"
    yield from _changed("another version", manifest["libraries"], libraries())


def _changed(what: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, value in was.items():
        if now.get(name) != value:
            yield f"{what}: {name} was {value}, is {now.get(name)}"


def _code_changes(code: Mapping[str, Mapping[str, str]], manifest: Mapping[str, Any]) -> Iterator[str]:
    """The features whose code is another one; those that the declaration lacks now are not compared."""
    for feature in code["fingerprints"]:
        was = manifest["fingerprints"].get(feature)
        if was is not None and was != code["fingerprints"][feature]:
            yield f"the code changed: {feature} is computed otherwise"
        elif was is not None and manifest["definitions"].get(feature) != code["definitions"].get(feature):
            yield f"code or libraries changed: {feature} is defined otherwise, and behaves the same on the probe market"


def _said(folder: SetFolder, path: str, number: int, rows: pl.DataFrame, *, there: bool) -> str:
    """Where a file differs: its first row group, and the columns whose content is another one."""
    if not there:
        return f"{path}: no such rows were in the set"
    old = column_digests(folder.read(path))
    new = column_digests(rows)
    columns = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return f"{path}: row group {number} differs, in {', '.join(columns)}"
