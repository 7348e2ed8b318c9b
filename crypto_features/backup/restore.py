"""Brings a backup back."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from crypto_features.backup.folder import FILES, Copied, Manifest, digest, digest_at, read_manifest, some
from crypto_features.backup.take import is_stray
from crypto_features.errors import InputError
from crypto_features.whole_file import make_folder, whole_file


def restore(folder: Path, root: Path, progress: Callable[[str], None] = lambda _: None) -> Manifest:
    """Write the files of a backup into an empty data folder, and compare each with its digest.

    The whole backup is compared before anything is written. What was copied last comes back first, the registry and the
    switches at the end. An interrupted one goes on where it was: a file that is there already must be the backup's.

    Args:
        folder: The backup.
        root: The data folder, which need not exist.
        progress: Is told what is done now.

    Raises:
        InputError: if `folder` is not a whole backup, a file of it is damaged or missing, or `root` holds another file.
    """
    manifest, source = read_manifest(folder), folder / FILES
    _require_room(root, manifest)
    progress("reading the backup")
    if wrong := _unequal(source, manifest.files):
        raise InputError(
            f"the backup {folder} is damaged: {some(wrong)} is missing or is not what was copied. Nothing was written; "
            "restore another backup, or that file from one."
        )
    make_folder(root)
    for name in reversed([*manifest.files]):
        progress(name)
        if not (root / name).exists():
            _write(source / name, root / name, manifest.files[name])
    progress("reading what was written")
    if wrong := _unequal(root, manifest.files):
        raise InputError(
            f"{some(wrong)} in {root} is not what was written: that disk is damaged, or somebody else writes there."
        )
    return manifest


def _require_room(root: Path, manifest: Manifest) -> None:
    names = [
        (Path(folder) / name).relative_to(root).as_posix()
        for folder, _, files in os.walk(root)
        for name in files
        if not is_stray(name)
    ]
    others = sorted(name for name in names if digest_at(root / name) != manifest.files.get(name))
    if others or (root.exists() and not root.is_dir()):
        raise InputError(
            f"{root} is not empty: it holds {some(others) or 'something else'}, which the backup does not have, or has "
            "otherwise. Move it aside, or name another folder in CRYPTO_FEATURES_DATA. Nothing was written."
        )


def _unequal(folder: Path, files: Mapping[str, Copied]) -> list[str]:
    return [name for name, copied in files.items() if digest_at(folder / name) != copied]


def _write(source: Path, target: Path, copied: Copied) -> None:
    with source.open("rb") as file, whole_file(target) as written:
        if digest(file, written) != copied:
            raise InputError(f"{source} changed while it was read; {target} was not written. Start again.")
