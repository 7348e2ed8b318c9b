"""Checks the names that a user hands in against the registry, before Feast meets them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.store import session
from crypto_features.store.errors import NotAppliedError
from crypto_features_reader.arguments import check_refs
from crypto_features_reader.refs import require_one_name_each

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView

_MOST_REQUESTS = 1000  # that are remembered.
APPLY = "Run `feast apply` in feature_repo/ if it was declared just now."


def view_named(store: "FeatureStore", name: str) -> "FeatureView":
    """The feature view of that name.

    Raises:
        UnknownNameError: naming those that exist.
        NotAppliedError: if the registry is empty.
    """
    found: FeatureView = _named(
        "feature view", name, store.registry.list_feature_views(store.project, allow_cache=True)
    )
    return found


def service_named(store: "FeatureStore", name: str) -> "FeatureService":
    """The feature service of that name; the errors are those of `view_named`."""
    found: FeatureService = _named(
        "feature service", name, store.registry.list_feature_services(store.project, allow_cache=True)
    )
    return found


def _named(kind: str, name: str, found: Sequence[Any]) -> Any:
    for one in found:
        if one.name == name:
            return one
    _require_applied(found)
    raise UnknownNameError(kind, name, [one.name for one in found], APPLY)


def check_feature_refs(store: "FeatureStore", refs: Sequence[str]) -> None:
    """Check that each reference, such as `price_features:rsi_14` or `price_features@v1:rsi_14`, names a feature.

    Raises:
        InputError: if there is none, or one has another form.
        UnknownNameError: if a view or a feature does not exist.
        NotAppliedError: if the registry is empty.
    """
    check_refs(refs)
    views = store.registry.list_all_feature_views(store.project, allow_cache=True)
    for ref in refs:
        view, colon, feature = str(ref).partition(":")
        if not (view and colon and feature):
            raise InputError(f"feature reference {ref!r} must have the form view:feature, as price_features:rsi_14.")
        chosen = _of_version(store, view, views)
        known = [field.name for field in chosen.features]
        if feature not in known:
            raise UnknownNameError("feature", feature, known, f"It was looked for in {view}.")


def view_of(store: "FeatureStore", name: str) -> "FeatureView":
    """The feature view of a name, or one version of it, such as `price_features@v1`.

    Raises:
        UnknownNameError: naming those that exist.
        NotAppliedError: if the registry is empty.
    """
    return _of_version(store, name, store.registry.list_all_feature_views(store.project, allow_cache=True))


def _of_version(store: "FeatureStore", name: str, views: Sequence["FeatureView"]) -> "FeatureView":
    name, at, version = name.partition("@")
    chosen: FeatureView = _named("feature view", name, views)
    return _version(store, chosen, version) if at else chosen


def _version(store: "FeatureStore", view: "FeatureView", pinned: str) -> "FeatureView":
    if pinned.lower() == "latest":
        return view
    known = {f"v{one['version_number']}" for one in store.registry.list_feature_view_versions(view.name, store.project)}
    if pinned not in known:
        raise UnknownNameError(f"version of {view.name}", pinned, known)
    found: FeatureView = store.registry.get_feature_view_by_version(view.name, store.project, int(pinned[1:]))
    return found


def view_version(store: "FeatureStore", name: str, number: int) -> "FeatureView":
    """A version of a feature view, by its number.

    Raises:
        UnknownNameError: naming those that exist.
        NotAppliedError: if the registry is empty.
    """
    return _version(store, view_named(store, name), f"v{number}")


def all_views(store: "FeatureStore") -> list["FeatureView"]:
    """Every feature view.

    Raises:
        NotAppliedError: if the registry is empty.
    """
    views: list[FeatureView] = store.registry.list_feature_views(store.project, allow_cache=True)
    _require_applied(views)
    return views


def resolved(store: "FeatureStore", features: Sequence[str] | str, *, full: bool = False) -> list[str]:
    """The features of a service by its name, or checked feature references; kept until the registry is read again.

    Args:
        store: The Feast store.
        features: Name of a service, or feature references.
        full: Whether an answer will name each feature with its view.

    Raises:
        UnknownNameError, InputError, NotAppliedError: as `service_named` and `check_feature_refs`; and `InputError` if
            two features of the answer would have one name.
    """
    read = store.registry.cached_registry_proto_created
    key = (full, features if isinstance(features, str) else tuple(features))
    known: dict[object, tuple[object, list[str]]] = store.__dict__.setdefault("_crypto_features_resolved", {})
    held = known.get(key)
    if held is not None and held[0] == read:
        return held[1]
    if isinstance(features, str):
        service = service_named(store, features)
        found = [f"{p.name_to_use()}:{field.name}" for p in service.feature_view_projections for field in p.features]
    else:
        check_feature_refs(store, features)
        found = list(features)
    require_one_name_each(found, full=full)
    if len(known) >= _MOST_REQUESTS:
        known.clear()
    known[key] = (store.registry.cached_registry_proto_created, found)
    return found


def _require_applied(found: Sequence[object]) -> None:
    if not found:
        raise NotAppliedError(f"the registry at {session.registry_place()} is empty. {session.APPLY}")
