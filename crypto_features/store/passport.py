"""A model's passport: the features that it was trained on, each with its version, so that it is served no others.

A version has two parts. By its behaviour a value is another one: what behaves otherwise is refused. By its definition
it may be another one where no probe looks: that is a warning, as `crypto-features plan` compares such values.
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from upath import UPath

from crypto_features.errors import UnknownNameError
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.store import registered, session
from crypto_features.store.errors import PassportError, RedefinedWarning
from crypto_features.tables.table import SHIPPED
from crypto_features.versions.provenance import DEFINITIONS, FINGERPRINTS, SERVICE
from crypto_features.whole_file import whole_file

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

MANIFEST, OWN = "manifest.json", "cf:training"
"""The file that describes a training set in its folder, and where that file says what Croissant has no word for."""
T = TypeVar("T")
TRAIN_AGAIN = "Train the model again on a new set"


@dataclass(frozen=True)
class Trained:
    """A feature as a model was trained on it.

    Args:
        ref: The feature, such as `price_features:rsi_14`, or `price_features@v0:rsi_14` where a version was pinned.
        behaviour: The fingerprint of its values on the probe market.
        definition: The digest of its definition and of all that it is computed from; empty if it is not known.
    """

    ref: str
    behaviour: str
    definition: str = ""

    @property
    def name(self) -> str:
        """The feature without a version."""
        return _unversioned(self.ref)


@dataclass(frozen=True)
class Passport:
    """What a model was trained on.

    Args:
        project: The project whose features they are read as.
        features: Each feature, in the order in which the model takes them.
        manifest: The digest of the training set, if it has one.
    """

    project: str
    features: tuple[Trained, ...]
    manifest: str = ""

    @property
    def refs(self) -> list[str]:
        """The features, as `get_online_features` takes them."""
        return [one.ref for one in self.features]

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

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Passport":
        """The passport of what `content` gave.

        Raises:
            PassportError: if it is not one.
        """
        try:
            features = tuple(
                Trained(ref, version["behaviour"], version.get("definition", ""))
                for ref, version in content["features"].items()
            )
            passport = cls(content["project"], features, content.get("manifest", ""))
            texts = [passport.project, passport.manifest, *(t for f in features for t in (f.behaviour, f.definition))]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a version that is not a text")  # noqa: TRY301 - the same error as any other form.
        except (KeyError, TypeError, AttributeError) as error:
            raise PassportError(f"not the passport of a model: {error!r}. Expected what its write() gave.") from None
        return passport

    @property
    def content(self) -> dict[str, Any]:
        """The passport as JSON has it."""
        versions = {one.ref: {"behaviour": one.behaviour, "definition": one.definition} for one in self.features}
        return {"project": self.project, "manifest": self.manifest, "features": versions}

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
        held = known[key] = (read, _permitted(store, passport, refs))
    return held[1]


def _permitted(store: "FeatureStore", passport: Passport, refs: Sequence[str]) -> list[str]:
    if passport.project != store.project:
        raise PassportError(
            f"the passport is one of the project {passport.project}, and {store.project} is read here: its features of "
            f"these names are others. Read from the project {passport.project}, or train on a set of {store.project}."
        )
    trained = {one.name: one for one in passport.features}
    found, other, redefined = [], [], []
    for ref in refs:
        name = _unversioned(ref)
        if name not in trained:
            wrong = UnknownNameError("feature", name, trained)
            raise PassportError(f"the model was not trained on {ref}: {wrong}.")
        one, now = trained[name], _registered(store, ref)
        if one.behaviour == now.behaviour:
            found.append(ref)
            redefined += [ref] if "" != one.definition != now.definition != "" else []
        elif (kept := _kept_up(store, one)) is not None:
            found.append(kept)
        else:
            other.append(_difference(store, one, now))
    if other:
        raise PassportError(
            f"the model was trained on other versions than are published: {'; '.join(other)}. {TRAIN_AGAIN}, or "
            "declare the former definition as a group of its own beside the new one, which keeps its version published "
            "(docs/store.md, Passports)."
        )
    if redefined:
        warnings.warn(
            f"{', '.join(redefined)}: defined otherwise than when the model was trained, and the same on the probe "
            "market. `crypto-features plan` compares their values on the lake's own rows.",
            RedefinedWarning,
            stacklevel=2,
        )
    return found


def _difference(store: "FeatureStore", one: Trained, now: Trained) -> str:
    view, _, feature = one.name.partition(":")
    old = next((number for number, held in _versions(store, view) if _behaviour(held, feature) == one.behaviour), None)
    said = f"{now.ref} (trained on {one.behaviour}, published {now.behaviour or 'without a version'})"
    until = "which is served until its rows expire"
    return said if old is None else f"{said}, of which {view}@v{old}:{feature} is the former, {until}"


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


def _unversioned(ref: str) -> str:
    view, _, feature = ref.partition(":")
    return f"{view.partition('@')[0]}:{feature}"
