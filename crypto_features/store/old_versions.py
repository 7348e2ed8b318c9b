"""The months of old versions that the data folder keeps, and who still reads each version."""

import re
from collections.abc import Iterator
from typing import Any

from feast.errors import FeastObjectNotFoundException
from upath import UPath

from crypto_features.lake.pins import readers
from crypto_features.settings import Settings
from crypto_features.store import session
from crypto_features.store.offline.pinned import behaviour_of


def old_versions() -> dict[UPath, tuple[str, ...]]:
    """Every folder of a version that is not computed any more, sorted by name, and who reads it.

    Those are projects that borrow it, and services that pin it; it may be deleted if there are none.
    A version that is asked for by its number alone, such as `price_features@v0:rsi_14` in a notebook, is not known.

    Raises:
        NotAppliedError: if there is no registry, which knows the services.
    """
    registry, root = session.applied_store().registry, Settings.load().root
    pinned = [*_pinned(registry)]
    found = {}
    for folder in sorted(root.iterdir(), key=str) if root.is_dir() else ():
        named = re.fullmatch(r"([a-z][a-z0-9_]*)@([0-9a-f]+)", folder.name)
        if named:
            view, behaviour = named.groups()
            services = [who for who, name, version in pinned if (name, version) == (view, behaviour)]
            found[folder] = (*readers(root, view, behaviour), *services)
    return found


def _pinned(registry: Any) -> Iterator[tuple[str, str, str]]:
    """Each service that pins a version of its project's own view, the view, and the behaviour of that version."""
    for project in registry.list_projects():
        for service in registry.list_feature_services(project.name):
            for part in service.feature_view_projections:
                if part.version_tag is None:
                    continue
                try:
                    view = registry.get_feature_view_by_version(part.name, project.name, part.version_tag)
                except FeastObjectNotFoundException:
                    continue  # the service reads nothing of it either.
                yield f"service {service.name} of {project.name}", part.name, behaviour_of(view)
