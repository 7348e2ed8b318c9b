"""The published regime models: one JSON file per month, and those that were replaced, in the data folder."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from upath import UPath

from crypto_features.errors import InputError
from crypto_features.shipped.regime_model import RegimeModel
from crypto_features.versions.provenance import FINGERPRINTS, PUBLISHED_AT
from crypto_features.whole_file import whole_file

NAME = "regime_model"


def model_path(root: UPath, month: str) -> UPath:
    """Where the parameters of a month are kept."""
    return root / NAME / f"{month}.json"


def load_model(root: UPath, month: str) -> tuple[str, RegimeModel]:
    """The artefact of a month, and the model in it.

    Raises:
        InputError: if it is not there, or is not whole.
    """
    path = model_path(root, month)
    again = f"materialize {NAME!r} for {month} again."
    try:
        text = path.read_text(encoding="utf-8")
        return text, RegimeModel.from_json(text)
    except OSError as error:
        raise InputError(f"the regime model {path} cannot be read ({error.strerror}); {again}") from None
    except (UnicodeDecodeError, InputError) as error:
        raise InputError(f"{path} is no whole regime model ({error}); {again}") from None


def published_model(root: UPath, month: str, fingerprints: Mapping[str, str]) -> RegimeModel | None:
    """The model of a month, if it is whole and was fitted by code that behaves as the present one does."""
    try:
        text, model = load_model(root, month)
    except InputError:
        return None
    noted = json.loads(json.loads(text).get("notes", {}).get(FINGERPRINTS, "{}"))
    return model if noted == fingerprints else None


def whole_models(root: UPath) -> dict[str, dict[str, Any]]:
    """What the models in force hold, by month; one that is not whole counts as missing."""
    folder, found = root / NAME, dict[str, dict[str, Any]]()
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        with suppress(InputError):
            found[path.stem] = json.loads(load_model(root, path.stem)[0])
    return found


def renote_model(root: UPath, month: str, notes: Mapping[str, str]) -> None:
    """Publish a model as it is, with other notes."""
    text, model = load_model(root, month)
    _write(model_path(root, month), model.to_json({**json.loads(text).get("notes", {}), **notes}))


def publish_model(root: UPath, month: str, model: RegimeModel, notes: Mapping[str, str]) -> None:
    """Replace the model of a month, and keep the one that is replaced if it is another."""
    path = model_path(root, month)
    with suppress(InputError):
        text, before = load_model(root, month)
        if before.version == model.version:
            notes = {**notes, PUBLISHED_AT: json.loads(text)["notes"].get(PUBLISHED_AT, notes[PUBLISHED_AT])}
        else:
            _write(superseded_path(root, month, before.version), text)
    _write(path, model.to_json(notes))


def superseded_path(root: UPath, month: str, version: str) -> UPath:
    """Where a model is kept after another one of its month was published."""
    return root / NAME / "superseded" / month / f"{version}.json"


def _write(path: UPath, text: str) -> None:
    """Write whole or not at all: beside the file and then over it; an upload to a bucket is atomic by itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol not in ("", "file"):
        path.write_text(text)
        return
    with whole_file(Path(path.path)) as file:
        file.write(text.encode())
