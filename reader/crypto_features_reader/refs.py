"""References to features, as `price_features:rsi_14` or, of one version of a view, `price_features@v1:rsi_14`."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from crypto_features_reader.errors import InputError

_VERSION = re.compile(r"v(?:ersion)?(\d+)", re.IGNORECASE)


def parsed(ref: str) -> tuple[str, int | None, str]:
    """View, version and feature of a reference; no version is the current one.

    >>> parsed("price_features@v2:rsi_14"), parsed("price_features@latest:rsi_14")
    (('price_features', 2, 'rsi_14'), ('price_features', None, 'rsi_14'))

    Raises:
        InputError: if it has another form.
    """
    view, colon, feature = str(ref).partition(":")
    if not (view and colon and feature):
        raise InputError(f"feature reference {ref!r} must have the form view:feature, as price_features:rsi_14.")
    name, at, version = view.partition("@")
    if not at or version.lower() == "latest":
        return name, None, feature
    number = _VERSION.fullmatch(version)
    if number is None:
        raise InputError(f"feature reference {ref!r}: {version!r} is not a version; expected such as @v1.")
    return name, int(number[1]), feature


def named_view(ref: str) -> tuple[str, str]:
    """The view, with the version that is asked for, and the feature of a reference."""
    view, version, feature = parsed(ref)
    return view if version is None else f"{view}@v{version}", feature


def unversioned(ref: str) -> str:
    """A reference without a version."""
    view, _, feature = ref.partition(":")
    return f"{view.partition('@')[0]}:{feature}"


@lru_cache(maxsize=256)
def as_asked(refs: tuple[str, ...]) -> tuple[Mapping[str, tuple[str, ...]], bool]:
    """The features of each view in the order of a request; and whether views alternate in it."""
    groups: dict[str, dict[str, None]] = {}
    for view, feature in map(named_view, refs):
        groups.setdefault(view, {})[feature] = None
    grouped = [(view, feature) for view, features in groups.items() for feature in features]
    mixed = list(dict.fromkeys(map(named_view, refs))) != grouped
    return {view: tuple(features) for view, features in groups.items()}, mixed


def result_name(ref: str, *, full: bool) -> str:
    """The name of a feature in an answer."""
    view, feature = named_view(ref)
    return f"{view}__{feature}" if full else feature


def require_one_name_each(refs: Sequence[str], *, full: bool) -> None:
    """Check that no two features of an answer would have one name.

    Raises:
        InputError: naming the two.
    """
    held: dict[str, str] = {}
    for ref in map(str, refs):
        view, _, feature = ref.partition(":")
        name = f"{view}__{feature}" if full else feature
        if name in held:
            once = full or held[name] == ref
            hint = "name each once" if once else "ask with full_feature_names=True"
            raise InputError(f"{held[name]!r} and {ref!r} would both be named {name!r}; {hint}.")
        held[name] = ref
