"""What a reader needs to know of the views of a project, as a row beside theirs in the online store.

The row is sealed like every other. A manifest of the same major format is read: keys that are not known are passed
over, and those that an older one lacks have defaults. What a reader must know to serve a view right is in its `needs`.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from crypto_features_reader.errors import DamagedRowError, OtherFormatError

TABLE = "__manifest"
"""The table of manifests; the key of each is the name of its project."""
MAJOR, MINOR = 1, 0
KNOWN_NEEDS = frozenset({"completeness"})
"""What this reader can do for a view beside serving its rows."""


class View(NamedTuple):
    """One version of a view.

    Args:
        table: Where its rows are.
        join_keys: The names of its entity's join keys, all of text; without one its rows can't be asked for by symbol.
        kinds: For each feature the field of a Feast value that it is in.
        ttl: How long a row may be served, in microseconds; 0 is forever.
        behaviours: The fingerprint of each feature that has one.
        definitions: The digest of what defines each feature, of those that have one.
        lowest: For each feature the packed column with the lowest completeness in its window; empty if there is none.
        least: The completeness that a row's bar needs.
        is_published: Whether rows were ever published.
        is_kept: Whether a registered view computes this version.
        needs: What a reader must know to serve it.
    """

    table: str
    join_keys: tuple[str, ...]
    kinds: Mapping[str, str]
    ttl: int = 0
    behaviours: Mapping[str, str] = {}
    definitions: Mapping[str, str] = {}
    lowest: Mapping[str, str] = {}
    least: float = 0.0
    is_published: bool = False
    is_kept: bool = False
    needs: tuple[str, ...] = ()


class Manifest(NamedTuple):
    """What a project serves.

    Args:
        project: Its name.
        grace: How much longer than its TTL a row may be served, in microseconds.
        views: Each view as it is registered.
        versions: Of each view those that are kept, by number.
        services: The features of each service, in order.
        on_demand: Views that are computed while they are read.
    """

    project: str
    grace: int
    views: Mapping[str, View]
    versions: Mapping[str, Mapping[int, View]]
    services: Mapping[str, tuple[str, ...]]
    on_demand: tuple[str, ...] = ()


def packed(manifest: Manifest) -> bytes:
    """A manifest as its row has it; equal manifests give equal bytes."""
    views = {
        name: {
            "current": view._asdict(),
            "versions": {str(number): one._asdict() for number, one in sorted(manifest.versions[name].items())},
        }
        for name, view in sorted(manifest.views.items())
    }
    content = {
        "format": [MAJOR, MINOR],
        "project": manifest.project,
        "grace": manifest.grace,
        "views": views,
        "services": dict(sorted(manifest.services.items())),
        "on_demand": sorted(manifest.on_demand),
    }
    return json.dumps(content, separators=(",", ":")).encode()


def unpacked(payload: bytes, place: str) -> Manifest:
    """The manifest that a row has.

    Args:
        payload: Of the row.
        place: The database, for an error.

    Raises:
        OtherFormatError: if it has another major format.
        DamagedRowError: if it is not a manifest.
    """
    try:
        content = json.loads(payload)
        major, minor = content["format"][:2]
        if major != MAJOR:
            raise OtherFormatError(
                f"the manifest in {place} has the format {major}.{minor}, and this reader knows {MAJOR}.{MINOR}: "
                f"install the crypto-features-reader of the release that {'publishes' if major > MAJOR else 'reads'} "
                f"{major}.{minor}, or publish again with the one of this reader."
            )
        views = content["views"]
        return Manifest(
            content["project"],
            content["grace"],
            {name: _view(one["current"]) for name, one in views.items()},
            {name: {int(n): _view(view) for n, view in one["versions"].items()} for name, one in views.items()},
            {name: tuple(refs) for name, refs in content["services"].items()},
            tuple(content.get("on_demand", ())),
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise DamagedRowError(
            f"the manifest in {place} is damaged ({error!r}). Publish again: crypto-features run, or feast apply."
        ) from None


def _view(content: Mapping[str, Any]) -> View:
    known = {name: value for name, value in content.items() if name in View._fields}
    return View(**known)._replace(join_keys=tuple(content["join_keys"]), needs=tuple(content.get("needs", ())))
