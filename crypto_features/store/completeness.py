"""What the rows of a view carry beside its features: how complete their bars are, under columns that its tags name."""

from collections.abc import Mapping

from feast import FeatureView

from crypto_features.tables.completeness import COMPLETENESS

LEAST = "min_completeness"
"""Tag of a view: the completeness that a row's bar needs for its values to be served."""


def carried(view: FeatureView) -> tuple[str, ...]:
    """The columns of `completeness` in a view's rows; none of a view that declares no limit."""
    if LEAST not in view.tags:
        return ()
    return tuple(
        dict.fromkeys([COMPLETENESS, *(field.tags.get(COMPLETENESS, COMPLETENESS) for field in view.features)])
    )


def least(view: FeatureView) -> float:
    """The completeness that a row's bar needs."""
    return float(view.tags.get(LEAST, 0))


def lowest(view: FeatureView, feature: str) -> str | None:
    """The column with the lowest completeness in the window of a feature; `None` if the view carries none."""
    if LEAST not in view.tags:
        return None
    tags: Mapping[str, Mapping[str, str]] = {field.name: field.tags for field in view.features}
    return tags.get(feature, {}).get(COMPLETENESS, COMPLETENESS)
