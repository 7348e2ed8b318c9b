"""Checks the names that a user hands in against the registry, before Feast meets them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.store.errors import NotAppliedError

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView

APPLY = "Run `feast apply` in feature_repo/ if it was declared just now."


def view_named(store: "FeatureStore", name: str) -> "FeatureView":
    """The feature view of that name.

    Raises:
        UnknownNameError: naming those that exist.
        NotAppliedError: if the registry is empty.
    """
    views = {view.name: view for view in store.registry.list_feature_views(store.project, allow_cache=True)}
    if name not in views:
        _require_applied(views)
        raise UnknownNameError("feature view", name, views, APPLY)
    return views[name]


def service_named(store: "FeatureStore", name: str) -> "FeatureService":
    """The feature service of that name.

    Raises:
        UnknownNameError: naming those that exist.
        NotAppliedError: if the registry is empty.
    """
    services = {one.name: one for one in store.registry.list_feature_services(store.project, allow_cache=True)}
    if name not in services:
        _require_applied(services)
        raise UnknownNameError("feature service", name, services, APPLY)
    return services[name]


def check_feature_refs(store: "FeatureStore", refs: Sequence[str]) -> None:
    """Check that each reference, such as `price_features:rsi_14` or `price_features@v1:rsi_14`, names a feature.

    Raises:
        InputError: if there is none, or one has another form.
        UnknownNameError: if a view or a feature does not exist.
        NotAppliedError: if the registry is empty.
    """
    if isinstance(refs, str) or not refs:
        raise InputError(f"feature_refs must be a list such as ['price_features:rsi_14'], not {refs!r}.")
    views = {view.name: view for view in store.registry.list_all_feature_views(store.project, allow_cache=True)}
    for ref in refs:
        view, colon, feature = str(ref).partition(":")
        if not (view and colon and feature):
            raise InputError(f"feature reference {ref!r} must have the form view:feature, as price_features:rsi_14.")
        name, at, version = view.partition("@")
        if name not in views:
            _require_applied(views)
            raise UnknownNameError("feature view", name, views, APPLY)
        chosen = _version(store, views[name], version) if at else views[name]
        known = [field.name for field in chosen.features]
        if feature not in known:
            raise UnknownNameError("feature", feature, known, f"It was looked for in {view}.")


def _version(store: "FeatureStore", view: "FeatureView", pinned: str) -> "FeatureView":
    if pinned.lower() == "latest":
        return view
    known = {f"v{one['version_number']}" for one in store.registry.list_feature_view_versions(view.name, store.project)}
    if pinned not in known:
        raise UnknownNameError(f"version of {view.name}", pinned, known)
    found: FeatureView = store.registry.get_feature_view_by_version(view.name, store.project, int(pinned[1:]))
    return found


def all_views(store: "FeatureStore") -> list["FeatureView"]:
    """Every feature view.

    Raises:
        NotAppliedError: if the registry is empty.
    """
    views: list[FeatureView] = store.registry.list_feature_views(store.project, allow_cache=True)
    _require_applied(views)
    return views


def resolved(store: "FeatureStore", features: Sequence[str] | str) -> list[str]:
    """The features of a service by its name, or checked feature references; remembered until the registry is read anew.

    Raises:
        UnknownNameError, InputError, NotAppliedError: as `service_named` and `check_feature_refs`.
    """
    read = store.registry.cached_registry_proto_created
    key = features if isinstance(features, str) else tuple(features)
    known: dict[object, tuple[object, list[str]]] = store.__dict__.setdefault("_crypto_features_resolved", {})
    if key not in known or known[key][0] != read:
        if isinstance(key, str):
            service = service_named(store, key)
            found = [
                f"{p.name_to_use()}:{field.name}" for p in service.feature_view_projections for field in p.features
            ]
        else:
            check_feature_refs(store, features)
            found = list(key)
        known[key] = (store.registry.cached_registry_proto_created, found)
    return known[key][1]


def _require_applied(found: Iterable[object]) -> None:
    if not list(found):
        raise NotAppliedError("the registry is empty; run `feast apply` in feature_repo/, or `make run`.")
