"""Which project writes each table of a data folder: of two that declare one name, the first to write keeps it.

It is noted in the folder itself, since two projects may name one folder in two ways, and the registry knows no bars,
models or training sets.
"""

import json

from upath import UPath

from crypto_features.errors import InputError
from crypto_features.whole_file import whole_file

FOLDER = ".owners"


def owner(root: UPath, table: str) -> str:
    """The project that writes a table; empty if none did yet."""
    path = _path(root, table)
    return str(json.loads(path.read_text(encoding="utf-8"))["project"]) if path.exists() else ""


def claim(root: UPath, table: str, project: str) -> None:
    """Note that a project writes a table.

    In a local folder the first of several that claim it at once has it; in a bucket, that is the last.

    Raises:
        InputError: if it is another project's.
    """
    if not owner(root, table):
        with whole_file(_path(root, table), first=True) as note:
            note.write(f"{json.dumps({'project': project})}\n".encode())
    other = owner(root, table)
    if other != project:
        raise InputError(
            f"{root / table} is written by the project {other}, and {project} declares a table {table} of its own; "
            f"nothing was written. Give it another name, read theirs with project={other!r}, or, if {other} no longer "
            f"writes it, delete {_path(root, table)}."
        )


def _path(root: UPath, table: str) -> UPath:
    return root / FOLDER / f"{table}.json"
