"""Where the rows of a view lie in the online store."""

from functools import lru_cache
from hashlib import blake2b

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import compute_table_id

from crypto_features.store.borrowed import origin
from crypto_features.store.shared_registry import BEHAVIOUR
from crypto_features.tables.table import SHIPPED


def table_name(config: RepoConfig, view: FeatureView) -> str:
    """Where the rows of a view lie: those of a borrowed one where its owner publishes them.

    Each version of a view has a place of its own if versioning is on. Its behaviour is part of the place, since the
    registry counts versions anew once the view was deleted, or the registry lost.
    """
    copied = origin(view)
    if copied is not None:
        return copied.place
    return place_of(config.project, view, versioned=config.registry.enable_online_feature_view_versioning)


def place_of(project: str, view: FeatureView, *, versioned: bool) -> str:
    """Where a project publishes the rows of a view of its own."""
    place = str(compute_table_id(project, view, versioned))
    behaviour = tuple([(field.name, field.tags.get(BEHAVIOUR)) for field in view.features])
    digest = _digest(behaviour, "" if project == SHIPPED else project)
    return f"{place}_{digest}" if digest else place


def remembered_name(config: RepoConfig, view: FeatureView) -> str:
    """The table of a view out of a reading of the registry, which nobody changes."""
    key = (config.project, view.projection.version_tag, view.current_version_number)
    known = view.__dict__.get("_crypto_features_table")
    if known is None or known[0] != key:
        known = view.__dict__["_crypto_features_table"] = (key, table_name(config, view))
    name: str = known[1]
    return name


@lru_cache(maxsize=256)
def _digest(behaviour: tuple[tuple[str, str | None], ...], project: str) -> str:
    """A short digest of the behaviour of features in whatever order; none of those without a tag.

    The project is a part of it, since `a` with `b_c` and `a_b` with `c` would be one place.
    """
    tagged = sorted(pair for pair in behaviour if pair[1] is not None)
    told = repr((project, tagged) if project else tagged)
    return blake2b(told.encode(), digest_size=4).hexdigest() if tagged else ""
