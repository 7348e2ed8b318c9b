"""What a manifest says of the versions of features, for a passport."""

from collections.abc import Mapping, Sequence

from crypto_features_reader.manifest import Manifest, View
from crypto_features_reader.passport import Passport, Trained, permitted
from crypto_features_reader.plan import view_of
from crypto_features_reader.refs import parsed


def permitted_refs(manifest: Manifest, passport: Passport, refs: Sequence[str]) -> list[str]:
    """The references by which a model is served what it was trained on.

    Raises:
        PassportError: as `permitted`.
    """
    return permitted(_Published(manifest), passport, refs)


class _Published:
    def __init__(self, manifest: Manifest) -> None:
        self._manifest, self.project = manifest, manifest.project

    def registered(self, ref: str) -> Trained:
        """A feature as it is registered."""
        view, (_, _, feature) = view_of(self._manifest, ref), parsed(ref)
        return Trained(ref, view.behaviours.get(feature, ""), view.definitions.get(feature, ""))

    def former(self, one: Trained) -> int | None:
        """The newest version of a feature's view in which it behaved so."""
        return next((number for number, _ in self._like(one)), None)

    def kept_up(self, one: Trained) -> str | None:
        """The feature in the newest version of its view in which it behaves so and that a group still computes."""
        name, _, feature = one.name.partition(":")
        return next((f"{name}@v{number}:{feature}" for number, view in self._like(one) if view.is_kept), None)

    def _like(self, one: Trained) -> list[tuple[int, View]]:
        name, _, feature = one.name.partition(":")
        versions: Mapping[int, View] = self._manifest.versions.get(name, {})
        newest = sorted(versions.items(), reverse=True)
        return [(number, view) for number, view in newest if view.behaviours.get(feature, "") == one.behaviour]
