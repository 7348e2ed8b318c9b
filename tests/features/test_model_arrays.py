"""Arrays of a fitted model are `.npy` files without pickle, published with its JSON whole or not at all."""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake.history import models_of
from crypto_features.lake.models import load_model, model_months, publish_model, renote_model, whole_models
from crypto_features.tables.artefact import opened, version_of, written
from crypto_features.tables.model import Parameters
from crypto_features.versions.provenance import PUBLISHED_AT
from crypto_features.whole_file import whole_file

NOTES = {PUBLISHED_AT: "2024-05-01T00:00:00+00:00"}
LATER = {PUBLISHED_AT: "2024-06-01T00:00:00+00:00"}
NODES = np.array([(0, 0.5), (2, -1.25)], dtype=[("feature", "<i2"), ("threshold", "<f8")])
PARAMETERS = {"rows": 7, "nodes": NODES, "roots": np.array([0, 1])}
OTHER = {**PARAMETERS, "roots": np.array([1, 0])}


def published(root: Path, parameters: Parameters = PARAMETERS, notes: dict[str, str] = NOTES) -> UPath:
    lake = UPath(root)
    publish_model(lake, "trees", "2024-05", opened(written(parameters, {})), notes)
    return lake


def test_a_person_reads_the_json_and_numpy_reads_the_arrays_beside_it(tmp_path: Path) -> None:
    published(tmp_path)
    content = json.loads((tmp_path / "trees" / "2024-05.json").read_text())
    assert (content["rows"], [*content["arrays"]], content["notes"]) == (7, ["nodes", "roots"], NOTES)
    path = tmp_path / "trees" / f"2024-05.nodes.{content['arrays']['nodes']}.npy"
    assert np.load(path, allow_pickle=False).tolist() == [(0, 0.5), (2, -1.25)]


def test_a_model_comes_back_as_it_was_fitted_and_cannot_be_changed(tmp_path: Path) -> None:
    found = opened(load_model(published(tmp_path), "trees", "2024-05"))
    assert found.version == version_of(PARAMETERS)
    assert found.parameters["rows"] == 7
    assert (found.parameters["nodes"].dtype, found.parameters["nodes"].tolist()) == (NODES.dtype, NODES.tolist())
    with pytest.raises(ValueError, match="read-only"):
        found.parameters["roots"][0] = 1


def test_a_version_is_one_of_the_numbers_and_of_the_arrays() -> None:
    others = [OTHER, {**PARAMETERS, "rows": 8}, {**PARAMETERS, "roots": np.array([0.0, 1.0])}]
    assert len({version_of(one) for one in (PARAMETERS, *others)}) == 4
    assert version_of({**PARAMETERS, "roots": np.array([9, 0, 9, 1])[1::2].astype(">i8")}) == version_of(PARAMETERS)


@pytest.mark.parametrize("harm", ["flipped", "short", "gone", "pickled"])
def test_an_array_that_is_not_what_was_fitted_is_refused(tmp_path: Path, harm: str) -> None:
    lake = published(tmp_path)
    (path,) = (tmp_path / "trees").glob("*.nodes.*.npy")
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "pickled":
        np.save(path, np.array([object]), allow_pickle=True)
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if harm == "flipped" else content[:-9])
    with pytest.raises(InputError, match="materialize 'trees' for 2024-05 again"):
        load_model(lake, "trees", "2024-05")
    assert whole_models(lake, "trees") == {}
    with pytest.raises(InputError, match="materialize 'trees' for 2024-05 again"):
        models_of(lake, "trees")


@pytest.mark.parametrize("written_before", range(6))  # two arrays and their JSON, superseded and new.
def test_a_run_that_fails_between_the_files_leaves_the_old_model_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_before: int
) -> None:
    lake, begun = published(tmp_path), list[Path]()

    def fails(path: Path | UPath) -> AbstractContextManager[BinaryIO]:
        begun.append(Path(str(path)))
        if len(begun) > written_before:
            raise OSError(28, "No space left on device")
        return whole_file(path)

    monkeypatch.setattr("crypto_features.lake.model_files.whole_file", fails)
    with pytest.raises(OSError, match="No space"):
        published(tmp_path, OTHER, LATER)
    assert opened(load_model(lake, "trees", "2024-05")).version == version_of(PARAMETERS)
    monkeypatch.undo()
    published(tmp_path, OTHER, LATER)
    assert opened(load_model(lake, "trees", "2024-05")).version == version_of(OTHER)


def test_a_model_that_was_replaced_is_kept_with_its_arrays(tmp_path: Path) -> None:
    lake = published(tmp_path)
    published(tmp_path, OTHER, LATER)
    assert model_months(lake, "trees") == ["2024-05"]
    before, now = models_of(lake, "trees")["2024-05"]
    assert opened(before.parameters).parameters["roots"].tolist() == [0, 1]
    assert opened(now.parameters).parameters["roots"].tolist() == [1, 0]


def test_other_notes_leave_the_arrays_as_they_are(tmp_path: Path) -> None:
    lake = published(tmp_path)
    renote_model(lake, "trees", "2024-05", {"more": "notes"})
    found = opened(load_model(lake, "trees", "2024-05"))
    assert (found.version, found.notes) == (version_of(PARAMETERS), {**NOTES, "more": "notes"})


def test_a_model_without_arrays_is_one_file_and_of_version_0_1_it_has_no_checksum(tmp_path: Path) -> None:
    lake, text = published(tmp_path, {"mean": 0.5}), written({"mean": 0.5}, {}, NOTES)
    (path,) = (tmp_path / "trees").iterdir()
    assert load_model(lake, "trees", "2024-05") == text
    content = json.loads(path.read_text())
    assert len(content.pop("checksum")) == 16
    assert content == json.loads(text)
    path.write_text(text)
    assert load_model(lake, "trees", "2024-05") == text


def test_what_only_a_pickle_could_keep_is_refused() -> None:
    with pytest.raises(InputError, match="array 'nodes' holds Python objects"):
        written({"nodes": np.array([object()])}, {})


@pytest.mark.parametrize("name", ["../nodes", "no.des", ""])
def test_an_array_has_a_name_that_a_file_can_have(name: str) -> None:
    with pytest.raises(InputError, match="cannot name an array"):
        written({name: NODES}, {})


@pytest.mark.parametrize("name", ["version", "arrays", "notes", "labels"])
def test_a_name_that_the_artefact_needs_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"parameters named {name}, which the artefact needs"):
        written({name: 1.0}, {})
