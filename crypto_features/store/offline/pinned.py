"""An old version of a view has no table of its own: it may be joined only where the table holds what it describes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow.parquet as pq
from feast import FeatureView, RepoConfig
from upath import UPath

from crypto_features.store.errors import OtherVersionError
from crypto_features.store.offline import source as files
from crypto_features.store.shared_registry import BEHAVIOUR
from crypto_features.versions.measured import feature_versions, versions
from crypto_features.versions.provenance import FINGERPRINTS

_NOTES = b"crypto_features"
"""Under which key of its Parquet metadata a month keeps its notes."""


def require_its_table(
    config: RepoConfig,
    view: FeatureView,
    features: Sequence[str],
    current: FeatureView,
    *,
    time: str,
    span: tuple[datetime | None, datetime | None],
) -> None:
    """Check that the months of a span were computed as the version of a view describes.

    Args:
        config: Of the Feast repository.
        view: The version that is asked for.
        features: Which of its features.
        current: The view as it is declared now; a month without notes was computed so.
        time: Event time column of its files.
        span: First and last time of the rows to be read.

    Raises:
        OtherVersionError: naming the features that differ. Fields without fingerprints, of another project, pass.
    """
    wanted = _behaviour(view, features)
    if not wanted:
        return
    declared = _behaviour(current, features)
    for held in _held(config, view, time, span):
        found = declared if held is None else held
        other = sorted(name for name, fingerprint in wanted.items() if found.get(name) != fingerprint)
        if other:
            name = view.projection.name_to_use()
            raise OtherVersionError(
                f"{name} describes {', '.join(other)} otherwise than the table of {view.name} was computed; its values "
                f"would not be those that {name} serves online. Ask for {view.name} without a version, or compute the "
                "table as that version declares it."
            )


def require_present_code(
    config: RepoConfig,
    view: FeatureView,
    features: Sequence[str],
    *,
    time: str,
    span: tuple[datetime | None, datetime | None],
) -> None:
    """Check that a view and its table are as the present code computes them, so that their past can be computed, too.

    Args:
        config: Of the Feast repository.
        view: The view.
        features: Which of its features.
        time: Event time column of its files.
        span: First and last time of the rows to be read.

    Raises:
        OtherVersionError: naming the features that differ. A view that is not declared here passes.
    """
    if view.name not in versions():
        return
    present = {name: version for name, version in feature_versions(view.name).items() if name in features}
    held = [_behaviour(view, features), *(held for held in _held(config, view, time, span) if held is not None)]
    other = sorted({name for found in held for name, version in present.items() if found.get(name) != version})
    if other:
        raise OtherVersionError(
            f"the present code, which would compute the past, computes {', '.join(other)} of "
            f"{view.projection.name_to_use()} otherwise than its table was. Run `crypto-features plan --run`, or ask "
            "without as_of."
        )


def _behaviour(view: FeatureView, features: Sequence[str]) -> dict[str, str]:
    return {f.name: f.tags[BEHAVIOUR] for f in view.features if f.name in features and BEHAVIOUR in f.tags}


def _held(
    config: RepoConfig, view: FeatureView, time: str, span: tuple[datetime | None, datetime | None]
) -> Iterator[Mapping[str, str] | None]:
    """The fingerprints in the notes of each month that is read; none of a month without notes."""
    for file in files.touched(view.batch_source, config.repo_path, time, *span):
        notes = _notes(file)
        yield json.loads(notes[FINGERPRINTS]) if FINGERPRINTS in notes else None


def _notes(file: UPath) -> Mapping[str, Any]:
    with file.open("rb") as opened:
        stored = pq.read_metadata(opened).metadata or {}
    notes: Mapping[str, Any] = json.loads(stored.get(_NOTES, b"{}"))
    return notes
