"""In which order a data folder is copied: each thing before what it was made from. Pure.

A copy takes minutes, in which the platform goes on. Whatever is in the copy was then made from something that is in it
too, in the same version or a later one; and tables that lag behind their inputs are nothing new to the platform.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from crypto_features.lake import journal, owners
from crypto_features.tables.catalog import Catalog

MARKS = ".marks"
"""Which candles the source was asked for: with older candles beside it, some would never be asked for again."""


def stages(catalog: Catalog) -> tuple[str, ...]:
    """The folders of a data folder in the order in which they are copied, after everything that is in none of them.

    Args:
        catalog: The tables of the project.
    """
    raws = catalog.raws.values()
    made = [name for name in reversed([*catalog.tables]) if name not in catalog.raws]
    fetched = [name for raw in raws for name in (raw.name, catalog.quarantine_of(raw))]
    training = [one.name for one in catalog.training]
    # An entry of the journal is removed once the candles have it.
    return (*training, *made, MARKS, journal.FOLDER, *fetched, owners.FOLDER)


def stage_of(path: str, folders: Sequence[str]) -> int:
    """The position of the folder that a file is in, with the versions of a table that are kept beside it; else −1.

    Args:
        path: The file, relative to the data folder.
        folders: What `stages` returns.

    >>> [stage_of(path, ["prices", "candles"]) for path in ("candles/2024-01.parquet", "prices@0a/x", "a.html")]
    [1, 0, -1]
    """
    found = (at for at, folder in enumerate(folders) if path.startswith((f"{folder}/", f"{folder}@")))
    return next(found, -1)


def in_order(paths: Iterable[str]) -> list[str]:
    """The files of one stage: a JSON before the files that it names, what is published before what it replaced.

    >>> in_order(["m/superseded/2024-01/0a.json", "m/2024-01.w.9f.npy", "m/2024-01.json"])
    ['m/2024-01.json', 'm/superseded/2024-01/0a.json', 'm/2024-01.w.9f.npy']
    """

    def key(path: str) -> tuple[bool, str, int, str]:
        parts = PurePosixPath(path)
        return "@" in path, parts.suffix, len(parts.parts), path

    return sorted(paths, key=key)
