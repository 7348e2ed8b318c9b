"""Which project writes each table of a data folder: of two that declare one name, the first to write keeps it.

It is noted in the folder itself, since two projects may name one folder in two ways, and the registry knows no bars,
models or training sets.
"""

from upath import UPath

from crypto_features.errors import InputError, UnreadableTableError
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.whole_file import remove_strays, whole_file

FOLDER = ".owners"


def owner(root: UPath, table: str) -> str:
    """The project that writes a table; empty if none did yet.

    Raises:
        UnreadableTableError: if the note of it is damaged.
    """
    path = _path(root, table)
    if not path.exists():
        return ""
    try:
        return str(unsealed(path.read_bytes())["project"])
    except (ValueError, KeyError) as error:
        raise UnreadableTableError(
            f"{path}, which says which project writes {table}, is damaged ({error}). Delete it: the next run of that "
            "project notes it again."
        ) from None


def claim(root: UPath, table: str, project: str) -> None:
    """Note that a project writes a table.

    In a local folder the first of several that claim it at once has it; in a bucket, that is the last.

    Raises:
        InputError: if it is another project's, or the note of it is damaged.
    """
    remove_strays(_path(root, table))  # a killed claim may have left one beside the note.
    if not owner(root, table):
        with whole_file(_path(root, table), first=True) as note:
            note.write(sealed({"project": project}).encode())
    other = owner(root, table)
    if other != project:
        raise InputError(
            f"{root / table} is written by the project {other}, and {project} declares a table {table} of its own; "
            f"nothing was written. Give it another name, read theirs with project={other!r}, or, if {other} no longer "
            f"writes it, delete {_path(root, table)}."
        )


def _path(root: UPath, table: str) -> UPath:
    return root / FOLDER / f"{table}.json"
