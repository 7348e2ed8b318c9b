"""Whether the files of a training set are those that its manifest speaks of."""

from collections.abc import Mapping
from typing import Any

from crypto_features.errors import InputError
from crypto_features.lake.scrub import SET_DATA
from crypto_features.training.digests import first_difference, group_digests, set_digest, sha256, types_of
from crypto_features.training.folder import SetFolder, checksum


def differences(folder: SetFolder) -> list[str]:
    """What differs from the manifest, in the order of the files; the first row group that differs of each file.

    Bytes are compared by their SHA-256, and rows by the digest of their content.

    Raises:
        InputError: if the folder is not a set, or is half-written.
    """
    manifest = folder.manifest
    found = []
    if manifest.get("checksum") != checksum(manifest):
        found.append("manifest.json was changed after it was written")
    if set_digest(manifest["files"], manifest["columns"]) != manifest["digest"]:
        found.append("the digest of the set is not that of its files, as manifest.json lists them")
    said = {file["path"]: _of_file(folder, file, manifest["columns"]) for file in manifest["files"]}
    found += [f"{path}: {what}" for path, what in said.items() if what is not None]
    there = sorted(f"{SET_DATA}/{one.name}" for one in (folder.path / SET_DATA).glob("*.parquet"))
    return [*found, *(f"{name}: is not in the manifest" for name in there if name not in said)]


def _of_file(folder: SetFolder, file: Mapping[str, Any], columns: Mapping[str, str]) -> str | None:
    path = folder.path / file["path"]
    if not path.exists():
        return "is missing"
    with path.open("rb") as content:
        same = sha256(content) == file["sha256"]
    try:
        rows = folder.read(file["path"])
    except InputError:
        return "its bytes are not those that were written, and its rows cannot be read"
    if types_of(rows.schema) != columns:
        return "its columns are not those of the manifest"
    number = first_difference(group_digests(rows), file["row_groups"])
    if number is not None:
        return f"row group {number} holds other rows"
    return None if same else "its bytes are not those that were written, and its rows are"
