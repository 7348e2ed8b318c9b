"""A version of a view is joined from the months that were computed as it describes, and from no others.

These are the months that were kept when the owner computed them otherwise, and those that the table still holds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from feast import FeatureView, RepoConfig

from crypto_features.lake.parquet import ParquetFile
from crypto_features.store.errors import OtherVersionError
from crypto_features.store.offline import source as files
from crypto_features.store.tags import BEHAVIOUR, fingerprints, origin
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.measured import feature_versions, versions
from crypto_features.versions.provenance import FINGERPRINTS

Span = tuple[datetime | None, datetime | None]
"""First and last time of the rows to be read."""


def is_pinned(view: FeatureView) -> bool:
    """Whether a view is one version of several: an old one that was asked for, or one of another project."""
    return view.projection.version_tag is not None or origin(view) is not None


def behaviour_of(view: FeatureView) -> str:
    """The behaviour of all features of a view, which names its months; empty if it has no fingerprints."""
    if origin(view) is not None:
        return str(view.tags.get(BEHAVIOUR, ""))
    found = fingerprints(view)
    return combined(found) if found else ""


def its_files(config: RepoConfig, view: FeatureView, features: Sequence[str]) -> list[ParquetFile] | None:
    """The files in which some features are those of a version; `None`, for all, of a view that is not pinned."""
    if not is_pinned(view):
        return None
    return [file for file in _files(config, view) if _is_of(file, view, features)]


def require_its_table(
    config: RepoConfig, view: FeatureView, features: Sequence[str], current: FeatureView, span: Span
) -> None:
    """Check that the months of a span were computed as the version of a view describes.

    A month without notes was computed as `current` says, the view as it is declared now.

    Raises:
        OtherVersionError: naming the features that differ. Fields without fingerprints, of another project, pass.
    """
    wanted = _wanted(view, features)
    if not wanted:
        return
    declared = fingerprints(current)
    for held in _held(config, view, span):
        found = declared if held is None else held
        other = sorted(name for name, fingerprint in wanted.items() if found.get(name) != fingerprint)
        if other:
            raise OtherVersionError(_why(view, other))


def _why(view: FeatureView, other: Sequence[str]) -> str:
    copied, name = origin(view), view.projection.name_to_use()
    if copied is not None:
        return (
            f"{copied.project} computes {', '.join(other)} of {view.name} otherwise than its version {copied.version}, "
            "which is read here, and no table of that version has these months. Apply this project again, or read a "
            f"newer one: Borrowed({view.name!r}, version=...)."
        )
    return (
        f"{name} describes {', '.join(other)} otherwise than the table of {view.name} was computed; its values "
        f"would not be those that {name} serves online. Ask for {view.name} without a version, or compute the "
        "table as that version declares it."
    )


def require_present_code(config: RepoConfig, view: FeatureView, features: Sequence[str], span: Span) -> None:
    """Check that features and their table are as the present code computes them, so that it can compute their past.

    Raises:
        OtherVersionError: naming the features that differ. A view that is not declared here passes.
    """
    if view.name not in versions():
        return
    present = {name: version for name, version in feature_versions(view.name).items() if name in features}
    held = [fingerprints(view), *(held for held in _held(config, view, span) if held is not None)]
    other = sorted({name for found in held for name, version in present.items() if found.get(name) != version})
    if other:
        raise OtherVersionError(
            f"the present code, which would compute the past, computes {', '.join(other)} of "
            f"{view.projection.name_to_use()} otherwise than its table was. Run `crypto-features plan --run`, or ask "
            "without as_of."
        )


def _files(config: RepoConfig, view: FeatureView) -> list[ParquetFile]:
    return files.of_version(files.resolve(view.batch_source, config.repo_path), behaviour_of(view))


def _held(config: RepoConfig, view: FeatureView, span: Span) -> Iterator[Mapping[str, str] | None]:
    """The fingerprints in the notes of each month that is read; none of a month without notes."""
    time = files.on_disk_name(view.batch_source, view.batch_source.timestamp_field)
    for file in _files(config, view):
        if files.touches(file, time, *span):
            yield _noted(file)


def _wanted(view: FeatureView, features: Sequence[str]) -> Mapping[str, str]:
    """The fingerprints of some features of a version; none of another project's, which tells that of all together."""
    return {name: fingerprint for name, fingerprint in fingerprints(view).items() if name in features}


def _is_of(file: ParquetFile, view: FeatureView, features: Sequence[str]) -> bool:
    """Whether some features of a month are those of a version; a month without notes says nothing against it."""
    found, behaviour, wanted = _noted(file), behaviour_of(view), _wanted(view, features)
    if found is None or not behaviour:
        return True
    return wanted.items() <= found.items() if wanted else combined(found) == behaviour


def _noted(file: ParquetFile) -> Mapping[str, str] | None:
    notes = file.notes()
    found: Mapping[str, str] | None = json.loads(notes[FINGERPRINTS]) if FINGERPRINTS in notes else None
    return found
