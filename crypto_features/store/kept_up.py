"""Old versions that are still computed: by a group of another name that behaves as they did.

Code that is gone computes nothing. But a version is its behaviour: where the former definition is declared beside the
new one, under a name of its own, its rows are the rows that the old version would have, and are published as such.
"""

from collections.abc import Iterator
from copy import copy
from typing import Any

from feast import FeatureView

from crypto_features.store.offline.pinned import behaviour_of
from crypto_features.store.tags import fingerprints, origin


def twin(registry: Any, project: str, version: FeatureView) -> FeatureView | None:
    """The registered view that computes an old version of another one, or of itself; `None` if none does."""
    if not fingerprints(version):
        return None
    behaviour = behaviour_of(version)
    own = (view for view in registry.list_feature_views(project, allow_cache=True) if origin(view) is None)
    return next((view for view in own if behaviour_of(view) == behaviour), None)


def kept_up(registry: Any, project: str, view: FeatureView) -> Iterator[FeatureView]:
    """The old versions of a project's views that behave as one of its views does now."""
    if not fingerprints(view):
        return
    behaviour = behaviour_of(view)
    for name in [one.name for one in registry.list_feature_views(project) if origin(one) is None]:
        current = registry.get_feature_view(name, project).current_version_number
        for one in registry.list_feature_view_versions(name, project):
            if one["version_number"] != current:
                old = registry.get_feature_view_by_version(name, project, one["version_number"])
                if behaviour_of(old) == behaviour:
                    yield old


def over_its_table(registry: Any, project: str, view: FeatureView) -> FeatureView:
    """A pinned view over the table of the group that computes its version still; else as it is."""
    copied = origin(view)
    if copied is None and view.projection.version_tag is None:
        return view
    owner, behaviour = project if copied is None else copied.project, behaviour_of(view)
    own = (one for one in registry.list_feature_views(owner, allow_cache=True) if origin(one) is None)
    found = next((one for one in own if one.name != view.name and behaviour_of(one) == behaviour), None)
    if found is None or not behaviour:
        return view
    moved = copy(view)
    moved.batch_source = found.batch_source
    return moved


def version_of(view: FeatureView) -> int:
    """The number of a view's version."""
    number: int | None = view.current_version_number
    return number or 0
