"""What a request reads, by the manifest of the store. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from crypto_features_reader import arguments
from crypto_features_reader.answer import Asked
from crypto_features_reader.errors import InputError, OtherFormatError, UnknownNameError
from crypto_features_reader.keys import entity_key, key_prefix
from crypto_features_reader.manifest import KNOWN_NEEDS, Manifest, View
from crypto_features_reader.refs import as_asked, parsed, require_one_name_each, result_name

if TYPE_CHECKING:
    from crypto_features_reader.passport import Passport

SYMBOL = "symbol"
_PLATFORM = "read it through the platform, or over `crypto-features serve`."


class Request(NamedTuple):
    """What a bot asks for.

    Args:
        symbols: Its symbols.
        features: References, or the name of a service.
        max_age: What is older is withheld.
        full: Whether features are named with their view.
        passport: What the model was trained on that is given them.
    """

    symbols: Sequence[str]
    features: tuple[str, ...] | str
    max_age: timedelta | None = None
    full: bool = False
    passport: "Passport | None" = None

    @classmethod
    def of(
        cls,
        symbols: Sequence[str],
        feature_refs: Sequence[str] | str,
        max_age: timedelta | None,
        *,
        full: bool,
        passport: "Passport | None",
    ) -> "Request":
        """A request that was checked as far as it can be without the store.

        Raises:
            InputError: if there is no symbol or no feature, or `max_age` is not a duration.
        """
        chosen = arguments.symbol_list(symbols)
        arguments.check_duration("max_age", max_age)
        if not isinstance(feature_refs, str):
            arguments.check_refs(feature_refs)
            feature_refs = tuple(feature_refs)
        return cls(chosen, feature_refs, max_age, full, passport)


class Part(NamedTuple):
    """What is read of one view: all but the symbols."""

    view: View
    label: str
    names: tuple[str, ...]
    features: tuple[str, ...]
    switches: tuple[str, ...]
    prefix: bytes

    def asked(self, symbols: Sequence[str]) -> Asked:
        """The question about some symbols."""
        view = self.view
        return Asked(
            self.label,
            self.names,
            self.features,
            [view.kinds[name] for name in self.features],
            [entity_key(self.prefix, symbol) for symbol in symbols],
            [(symbol,) for symbol in symbols],
            self.switches,
            [view.lowest.get(name) for name in self.features],
            view.least,
        )


class Plan(NamedTuple):
    """What a request reads of each view, and in which order its features come."""

    parts: tuple[Part, ...]
    order: tuple[str, ...]


def planned(manifest: Manifest, features: tuple[str, ...] | str, *, full: bool, passport: "Passport | None") -> Plan:
    """What some features are read from.

    Raises:
        UnknownNameError: if a service, view, version or feature does not exist.
        InputError: if two features of the answer would have one name, or this reader can't read one.
        PassportError: as `permitted`.
        OtherFormatError: if a view needs what this reader does not know.
    """
    refs = _resolved(manifest, features)
    for ref in refs:
        _require_feature(manifest, ref)
    require_one_name_each(refs, full=full)
    if passport is not None:
        from crypto_features_reader.published import permitted_refs

        refs = permitted_refs(manifest, passport, refs)
    groups, _ = as_asked(tuple(refs))
    parts = tuple(_part(manifest, label, names, full=full) for label, names in groups.items())
    return Plan(parts, tuple(result_name(ref, full=full) for ref in refs))


def _resolved(manifest: Manifest, features: tuple[str, ...] | str) -> Sequence[str]:
    if not isinstance(features, str):
        return features
    if features not in manifest.services:
        raise UnknownNameError("feature service", features, manifest.services)
    return manifest.services[features]


def _require_feature(manifest: Manifest, ref: str) -> None:
    name, _, feature = parsed(ref)
    if name in manifest.on_demand:
        raise InputError(f"{name} is computed while it is read; {_PLATFORM}")
    view, label = view_of(manifest, ref), ref.partition(":")[0]
    if feature not in view.kinds:
        raise UnknownNameError("feature", feature, view.kinds, f"It was looked for in {label}.")
    if unknown := sorted({*view.needs} - KNOWN_NEEDS):
        raise OtherFormatError(
            f"{label} needs {', '.join(unknown)}, which this reader does not know: update crypto-features-reader, or "
            f"{_PLATFORM}"
        )
    if view.kinds[feature] == "value":
        raise InputError(f"{ref} is a list, a time or bytes, which this reader does not decode; {_PLATFORM}")
    for key in view.join_keys:
        if key != SYMBOL:
            raise UnknownNameError("entity", key, [SYMBOL], f"{name} is read by it: {_PLATFORM}")
    if not view.join_keys:
        raise InputError(f"{name} has no entity; {_PLATFORM}")


def view_of(manifest: Manifest, ref: str) -> View:
    """The view that a reference names, in the version that it names.

    Raises:
        UnknownNameError: if there is none.
    """
    name, number, _ = parsed(ref)
    if name not in manifest.views:
        raise UnknownNameError("feature view", name, {*manifest.views, *manifest.on_demand})
    if number is None:
        return manifest.views[name]
    versions = manifest.versions[name]
    if number not in versions:
        raise UnknownNameError(f"version of {name}", f"v{number}", [f"v{one}" for one in versions])
    return versions[number]


def _part(manifest: Manifest, label: str, features: tuple[str, ...], *, full: bool) -> Part:
    name, _, _ = label.partition("@")
    view = view_of(manifest, f"{label}:{features[0]}")
    names = tuple(f"{label}__{feature}" if full else feature for feature in features)
    return Part(view, label, names, features, (name,), key_prefix(SYMBOL))
