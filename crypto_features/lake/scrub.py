"""Reads what is in a data folder, to find what rotted there before anything is computed from it."""

import hashlib
import re
from collections.abc import Iterator

from upath import UPath

from crypto_features import clock
from crypto_features.errors import InputError
from crypto_features.lake.model_files import read_model
from crypto_features.lake.parquet import ParquetFile, collect, scan
from crypto_features.lake.stamps import SKEW, latest_stamp
from crypto_features.lake.table import restoring
from crypto_features.tables.catalog import Catalog
from crypto_features.versions.provenance import content_digest

SET_DATA = "data"
"""Where the files of a training set are in its folder."""
_PARTITION = re.compile(r"\d{4}-\d{2}\.parquet")


def stored_files(root: UPath, catalog: Catalog, part: int = 0, parts: int = 1) -> list[UPath]:
    """The partitions of every table, those of old versions and other projects too, and the models of a catalog.

    Args:
        root: The data folder or bucket.
        catalog: The catalog.
        part: Number of the part that is wanted.
        parts: Into how many parts all files are divided; a file is always in the same one.
    """
    found = [path for path in _files(root, catalog) if _number(str(path.relative_to(root))) % parts == part % parts]
    return sorted(found, key=str)


def damage(root: UPath, catalog: Catalog, path: UPath) -> str | None:
    """What is wrong with a stored file and what to do; `None` if each bit is as it was written, and no time ahead."""
    try:
        if path.suffix == ".json":
            name, *_, month = path.relative_to(root).parts[: 2 if path.parent.parent == root else 3]
            read_model(path, root / name, month.removesuffix(".json"))
        else:
            return _read(root, catalog, path)
    except (InputError, OSError) as error:
        return str(error) if path.exists() else None  # it was replaced meanwhile.
    return None


def _files(root: UPath, catalog: Catalog) -> Iterator[UPath]:
    if not root.is_dir():
        return
    for path in root.rglob("*.parquet"):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if _PARTITION.fullmatch(path.name) and not hidden:
            yield path
    for name in catalog.models:
        yield from (root / name).rglob("*.json") if (root / name).is_dir() else ()


def _read(root: UPath, catalog: Catalog, path: UPath) -> str | None:
    table, month = str(path.parent.relative_to(root)), path.stem
    todo = restoring(table, month, raw=catalog.raw_of(table) is not None)
    if path.parent.name == SET_DATA:
        todo = "Delete its folder, and build the set again: crypto-features training-set build NAME."
    file = ParquetFile(path, f"partition {month} of {table!r}", todo)
    rows, noted = collect(scan([file]), [file]), file.notes().get("digest")
    if noted and noted != content_digest(rows):
        raise file.broken("its rows are not those that its notes say")
    latest = latest_stamp(rows)
    if latest is None or latest <= clock.now() + SKEW:
        return None
    return (
        f"partition {month} of {table!r} has rows that count as known from {latest:%Y-%m-%d %H:%M} UTC on, which is "
        f"later than the clock, so that training sets of what was known lack them: {path}. Bring them back with: "
        "crypto-features withdraw"
    )


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
