"""Where the rows of a view are in the online store."""

from hashlib import blake2b

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import compute_table_id

from crypto_features.store.tags import fingerprints, origin
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
    """Where a project publishes the rows of a view of its own.

    A digest of behaviour and project ends it, since `a` with `b_c` and `a_b` with `c` would be one place.
    """
    place = str(compute_table_id(project, view, versioned))
    tagged = sorted(fingerprints(view).items())
    if not tagged:
        return place
    told = repr(tagged if project == SHIPPED else (project, tagged))
    return f"{place}_{blake2b(told.encode(), digest_size=4).hexdigest()}"


def remembered_name(config: RepoConfig, view: FeatureView) -> str:
    """The table of a view out of a reading of the registry, which nobody changes."""
    key = (config.project, view.projection.version_tag, view.current_version_number)
    known = view.__dict__.get("_crypto_features_table")
    if known is None or known[0] != key:
        known = view.__dict__["_crypto_features_table"] = (key, table_name(config, view))
    name: str = known[1]
    return name
