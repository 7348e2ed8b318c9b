"""A model's passport: the features that it was trained on, each with its version, so that it is served no others.

A version has two parts. By its behaviour a value is another one: what behaves otherwise is refused. By its definition
it may be another one where no probe looks: that is a warning, as `crypto-features plan` compares such values.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from upath import UPath

from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.store import registered, session
from crypto_features.store.errors import PassportError
from crypto_features.tables.table import SHIPPED
from crypto_features.versions.provenance import DEFINITIONS, FINGERPRINTS, SERVICE
from crypto_features.whole_file import whole_file
from crypto_features_reader import passport as passports
from crypto_features_reader.passport import Trained

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

MANIFEST, OWN = "manifest.json", "cf:training"
"""The file that describes a training set in its folder, and where that file says what Croissant has no word for."""
T = TypeVar("T")


class Passport(passports.Passport):
    """What a model was trained on.

    Args:
        project: The project whose features they are read as.
        features: Each feature, in the order in which the model takes them.
        manifest: The digest of the training set, if it has one.
    """

    @classmethod
    def of_service(cls, service: str) -> "Passport":
        """The passport of a model that is trained on a service as it is registered now.

        Raises:
            UnknownNameError: if there is no such service.
        """
        store = session.applied_store()
        refs = registered.resolved(store, service, full=True)
        return cls(store.project, tuple(_registered(store, ref) for ref in refs))

    @classmethod
    def of_training(cls, service: str, *, project: str = SHIPPED) -> "Passport":
        """The passport of a model that is trained on the stored rows of a training set.

        Args:
            service: The service whose features were joined.
            project: The project that joined them.

        Raises:
            UnknownNameError: if nothing of it is stored.
            PassportError: if its months were computed by several versions of a feature.
        """
        name = "/".join(["training", *([] if project == SHIPPED else [project]), service])
        table = Table(Settings.load().root, name)
        months = table.months()
        if not months:
            table.metadata("2000-01")  # says which tables there are.
        notes = {month: table.metadata(month) for month in months}
        found = {month: _of_notes(noted) for month, noted in notes.items()}
        newest = {one.name: one.behaviour for one in found[months[-1]]}
        mixed = sorted({one.name for month in found.values() for one in month if newest.get(one.name) != one.behaviour})
        if mixed:
            raise PassportError(
                f"the months of {name} hold several versions of {', '.join(mixed)}: a model that is trained on them "
                "has no one version. Run `crypto-features plan --run`, and train on what it computes."
            )
        return cls(project, _completed(found[months[-1]]))

    @classmethod
    def of_manifest(cls, manifest: str | PathLike[str] | Mapping[str, Any]) -> "Passport":
        """The passport of a model that is trained on a training set that was built into a folder.

        Args:
            manifest: The folder, its `manifest.json`, or what that says.

        Raises:
            PassportError: if it is not one.
        """
        content = manifest if isinstance(manifest, Mapping) else _manifest(UPath(manifest))
        own = content.get(OWN, content)
        try:
            said = own["declaration"]
            features = _trained(said["features"], said["versions"], own["fingerprints"], own["definitions"])
            project, digest = own["project"], own["digest"]
        except (KeyError, TypeError, AttributeError) as error:
            raise PassportError(f"this is not the manifest of a training set: {error!r} is missing in it.") from None
        return cls(project, _completed(features), digest)

    def write(self, path: str | PathLike[str]) -> None:
        """Keep the passport beside its model, as JSON."""
        with whole_file(UPath(path)) as file:
            file.write((json.dumps(self.content, indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "Passport":
        """The passport that was kept in a file.

        Raises:
            PassportError: if the file is not one.
        """
        try:
            content = json.loads(UPath(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PassportError(f"{path} is not a passport of a model: {error}.") from None
        return cls.of(content)


def read_permitted(store: "FeatureStore", passport: Passport, refs: Sequence[str], read: Callable[[list[str]], T]) -> T:
    """What `read` gives of some features by the references that a passport permits.

    The registry that was checked is the one that was read: if another thread refreshes it meanwhile, all is done again.

    Raises:
        PassportError: as `permitted`.
    """
    while True:
        held = store.registry.cached_registry_proto_created
        found = read(permitted(store, passport, refs))
        if held == store.registry.cached_registry_proto_created:
            return found


def permitted(store: "FeatureStore", passport: Passport, refs: Sequence[str]) -> list[str]:
    """The references by which a model is served what it was trained on; remembered until the registry is read anew.

    A feature whose view computes it otherwise by now is read from the version that the model was trained on, where a
    declared group still computes that one.

    Raises:
        PassportError: naming each feature that is published in another version, or that the model was not trained on.
    """
    read = store.registry.cached_registry_proto_created
    known: dict[object, tuple[object, list[str]]] = store.__dict__.setdefault("_crypto_features_permitted", {})
    key = (passport, *refs)
    held = known.get(key)
    if held is None or held[0] != read:
        known.clear()
        held = known[key] = (read, passports.permitted(_Registered(store), passport, refs))
    return held[1]


class _Registered:
    """What the registry says of the versions of features."""

    def __init__(self, store: "FeatureStore") -> None:
        self._store, self.project = store, store.project

    def registered(self, ref: str) -> Trained:
        """A feature as it is registered."""
        return _registered(self._store, ref)

    def former(self, one: Trained) -> int | None:
        """The newest version of a feature's view in which it behaved so."""
        view, _, feature = one.name.partition(":")
        versions = _versions(self._store, view)
        return next((number for number, held in versions if _behaviour(held, feature) == one.behaviour), None)

    def kept_up(self, one: Trained) -> str | None:
        """The feature in the newest version of its view in which it behaves so and that a group still computes."""
        return _kept_up(self._store, one)


def _kept_up(store: "FeatureStore", one: Trained) -> str | None:
    """The feature in the newest old version of its view that a registered group still computes."""
    from crypto_features.store.kept_up import twin

    view, _, feature = one.name.partition(":")
    for number, held in _versions(store, view):
        if _behaviour(held, feature) == one.behaviour and twin(store.registry, store.project, held) is not None:
            return f"{view}@v{number}:{feature}"
    return None


def _versions(store: "FeatureStore", view: str) -> list[tuple[int, "FeatureView"]]:
    """The versions of a view, newest first."""
    registry, project = store.registry, store.project
    numbers = [one["version_number"] for one in registry.list_feature_view_versions(view, project)]
    return [(n, registry.get_feature_view_by_version(view, project, n)) for n in sorted(numbers, reverse=True)]


def _registered(store: "FeatureStore", ref: str) -> Trained:
    """A feature as it is registered."""
    from crypto_features.store.tags import definitions

    view, _, feature = ref.partition(":")
    found = registered.view_of(store, view)
    return Trained(ref, _behaviour(found, feature), definitions(found).get(feature, ""))


def _behaviour(view: "FeatureView", feature: str) -> str:
    from crypto_features.store.tags import fingerprints

    return fingerprints(view).get(feature, "")


def _completed(features: Sequence[Trained]) -> tuple[Trained, ...]:
    """Features of which a set notes no version of its own: pinned ones and those of other projects, as registered."""
    known = [bool(one.behaviour) and "@" not in one.ref for one in features]
    if all(known):
        return tuple(features)
    store = session.applied_store()
    return tuple(one if own else _registered(store, one.ref) for one, own in zip(features, known, strict=True))


def _of_notes(notes: Mapping[str, str]) -> tuple[Trained, ...]:
    """What a month of a training set was joined from."""
    service = json.loads(notes.get(SERVICE, '{"features": {}}'))
    versions, defined = (json.loads(notes.get(key, "{}")) for key in (FINGERPRINTS, DEFINITIONS))
    return _trained(service["features"], service.get("versions", {}), versions, defined)


def _trained(
    features: Mapping[str, Sequence[str]],
    pinned: Mapping[str, int],
    versions: Mapping[str, str],
    defined: Mapping[str, str],
) -> tuple[Trained, ...]:
    """The features of a training set, in their order."""
    return tuple(
        Trained(
            f"{view}@v{pinned[view]}:{name}" if view in pinned else f"{view}:{name}",
            versions.get(f"{view}:{name}", ""),
            defined.get(f"{view}:{name}", ""),
        )
        for view, names in features.items()
        for name in names
    )


def _manifest(path: UPath) -> Mapping[str, Any]:
    file = path / MANIFEST if path.is_dir() else path
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PassportError(f"{path} is not a training set, and not the manifest of one: {error}.") from None
    if not isinstance(found, Mapping):
        raise PassportError(f"{path} is not the manifest of a training set; expected what was written beside its rows.")
    return found
