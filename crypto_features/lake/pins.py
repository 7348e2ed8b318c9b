"""Which version of a view each project reads, as the data folder notes it when the project is applied.

A version is identified by its behaviour, not by the number that the registry gives it: the registry starts to count
again once a view was deleted, and the tables do not know that number.
"""

from upath import UPath

from crypto_features.errors import UnreadableTableError
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.whole_file import whole_file

FOLDER = ".pins"


def pin(root: UPath, project: str, view: str) -> str:
    """The behaviour of the version of another project's view that a project reads; empty if it pins none yet."""
    return _read(_path(root, project, view)).get("behaviour", "")


def announce_pin(root: UPath, project: str, view: str, behaviour: str) -> None:
    """Note that a project is about to read the version of a view that behaves so: it and the one read now are kept."""
    before = pin(root, project, view)
    _write(_path(root, project, view), {"behaviour": before, "next": behaviour} if before else {"next": behaviour})


def set_pin(root: UPath, project: str, view: str, behaviour: str) -> None:
    _write(_path(root, project, view), {"behaviour": behaviour})


def release(root: UPath, project: str, view: str) -> None:
    _path(root, project, view).unlink(missing_ok=True)


def is_pinned(root: UPath, view: str, behaviour: str) -> bool:
    """Whether some project reads this version of a view, or is about to."""
    return bool(readers(root, view, behaviour))


def readers(root: UPath, view: str, behaviour: str) -> tuple[str, ...]:
    """The other projects that read this version of a view, or are about to."""
    folder = root / FOLDER
    projects = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return tuple(project for project in projects if behaviour in _read(_path(root, project, view)).values())


def _read(path: UPath) -> dict[str, str]:
    try:
        return unsealed(path.read_bytes()) if path.exists() else {}
    except ValueError as error:
        raise UnreadableTableError(
            f"{path}, which says which version of {path.stem} the project {path.parent.name} reads, is damaged "
            f"({error}). Delete it, and run `feast apply` in that project, which notes it again, before anything else."
        ) from None


def _write(path: UPath, noted: dict[str, str]) -> None:
    with whole_file(path) as file:
        file.write(sealed(noted).encode())


def _path(root: UPath, project: str, view: str) -> UPath:
    return root / FOLDER / project / f"{view}.json"
