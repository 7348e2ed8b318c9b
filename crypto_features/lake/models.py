"""The published models: a JSON file per month with its arrays, and those that were replaced, in the data folder."""

import json
from collections.abc import Mapping
from contextlib import suppress

from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake.model_files import read_model, write_model
from crypto_features.tables.artefact import Artefact, opened, written
from crypto_features.versions.provenance import DEFINITIONS, FINGERPRINTS, PUBLISHED_AT

SUPERSEDED = "superseded"
"""Folder below that of a model with what was replaced: `<month>/<version>.json`."""


def model_path(root: UPath, name: str, month: str) -> UPath:
    return root / name / f"{month}.json"


def load_model(root: UPath, name: str, month: str) -> str:
    """The artefact of a month.

    Raises:
        InputError: if it is not there, or is not whole.
    """
    return read_model(model_path(root, name, month), root / name, month)


def published_model(root: UPath, name: str, month: str, fingerprints: Mapping[str, str]) -> Artefact | None:
    """The model of a month, if it is whole and was fitted by code that behaves as the present one does."""
    try:
        model = opened(load_model(root, name, month))
    except InputError:
        return None
    older = DEFINITIONS not in model.notes  # version 0.1 measured behaviour otherwise; its models stay.
    return model if older or json.loads(model.notes.get(FINGERPRINTS, "{}")) == fingerprints else None


def model_months(root: UPath, name: str) -> list[str]:
    """The months of a model that are published, whole or not, oldest first."""
    folder = root / name
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


def whole_models(root: UPath, name: str) -> dict[str, str]:
    """The artefacts in force, by month; one that is not whole counts as missing."""
    folder, found = root / name, dict[str, str]()
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        with suppress(InputError):
            found[path.stem] = load_model(root, name, path.stem)
    return found


def renote_model(root: UPath, name: str, month: str, notes: Mapping[str, str]) -> None:
    model = opened(load_model(root, name, month))
    text = written(model.parameters, model.about, {**model.notes, **notes})
    write_model(model_path(root, name, month), root / name, month, text)


def publish_model(root: UPath, name: str, month: str, model: Artefact, notes: Mapping[str, str]) -> None:
    """Replace the model of a month, and keep the one that is replaced if it is another."""
    path = model_path(root, name, month)
    with suppress(InputError):
        before = opened(text := load_model(root, name, month))
        if before.version == model.version:
            notes = {**notes, PUBLISHED_AT: before.notes.get(PUBLISHED_AT, notes[PUBLISHED_AT])}
        else:
            write_model(superseded_path(root, name, month, before.version), root / name, month, text)
    write_model(path, root / name, month, written(model.parameters, model.about, notes))


def superseded_path(root: UPath, name: str, month: str, version: str) -> UPath:
    """Where a model is kept after another one of its month was published."""
    return root / name / SUPERSEDED / month / f"{version}.json"
