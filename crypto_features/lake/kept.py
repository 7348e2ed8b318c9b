"""Months of a version that somebody reads are kept when their table is computed otherwise."""

from collections.abc import Mapping

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.pins import is_pinned
from crypto_features.lake.table import Table
from crypto_features.versions.fingerprint import combined
from crypto_features.whole_file import whole_file


def keep(table: Table, month: str, fingerprints: Mapping[str, str], *, pinned: bool) -> None:
    """Keep a month that is about to be replaced by one that is computed otherwise, if somebody reads its version.

    It need not exist; `pinned` is whether the project itself reads old versions of the table.
    """
    try:
        version = table.behaviour(month)
    except (UnknownNameError, InputError):
        return  # not published yet, or damaged: there is nothing to keep.
    if version in ("", combined(fingerprints)) or not (pinned or is_pinned(table.root, table.name, version)):
        return
    kept = table.kept(version) / table.path(month).name
    if not kept.exists():
        with whole_file(kept) as file:
            file.write(table.path(month).read_bytes())
