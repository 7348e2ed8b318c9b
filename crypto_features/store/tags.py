"""What the tags of a view say: the fingerprints of its features, the view it is a copy of, what else its rows carry."""

from typing import NamedTuple

from feast import FeatureView

from crypto_features.errors import InputError
from crypto_features.tables.completeness import COMPLETENESS

BEHAVIOUR = "behaviour"
"""Tag of a field, and of a view: the fingerprint of what it computes."""

DEFINITION = "definition"
"""Tag of a field: the digest of its definition and of all that it is computed from; a change makes no new version."""

OWNER, VERSION, PLACE = "borrowed_from", "borrowed_version", "online_table"
"""Tags of a borrowed view: the project that owns it, the version that was copied, and where its online rows are."""

LEAST = "min_completeness"
"""Tag of a view: the completeness that a row's bar needs for its values to be served."""


class Origin(NamedTuple):
    """What a borrowed view is a copy of: the project that owns it, its version there, and its table online."""

    project: str
    version: int
    place: str


def origin(view: FeatureView) -> Origin | None:
    """What a view is a copy of; `None` if it is the project's own."""
    tags = view.tags or {}
    return Origin(tags[OWNER], int(tags[VERSION]), tags[PLACE]) if OWNER in tags else None


def require_own_view(view: FeatureView) -> None:
    """Check that a view is the project's own, and so published by it.

    Raises:
        InputError: naming the project that it is one of.
    """
    copied = origin(view)
    if copied is not None:
        raise InputError(f"{view.name} belongs to {copied.project}, which publishes it; materialize it there.")


def fingerprints(view: FeatureView) -> dict[str, str]:
    """The fingerprint of each feature that has one."""
    return {field.name: field.tags[BEHAVIOUR] for field in view.features if BEHAVIOUR in field.tags}


def definitions(view: FeatureView) -> dict[str, str]:
    """The digest of what defines each feature, of those that have one."""
    return {field.name: field.tags[DEFINITION] for field in view.features if DEFINITION in field.tags}


def carried(view: FeatureView) -> tuple[str, ...]:
    """The columns of `completeness` in a view's rows; none of a view that declares no limit."""
    if LEAST not in view.tags:
        return ()
    return tuple(dict.fromkeys([COMPLETENESS, *lowest_columns(view).values()]))


def least(view: FeatureView) -> float:
    """The completeness that a row's bar needs."""
    return float(view.tags.get(LEAST, 0))


def lowest_columns(view: FeatureView) -> dict[str, str]:
    """For each feature the column with the lowest completeness in its window; empty if the view carries none."""
    if LEAST not in view.tags:
        return {}
    return {field.name: field.tags.get(COMPLETENESS, COMPLETENESS) for field in view.features}
