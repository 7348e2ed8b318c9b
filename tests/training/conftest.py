"""A data folder for training sets, computed once, and the clock that stands at its time."""

import pytest

from tests.training.folder_of_sets import NOW, Folder, market


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder; nothing is written into it by a test."""
    return Folder(tmp_path_factory.mktemp("sets"), market())


@pytest.fixture
def folder(filled: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The folder, at its time."""
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    return filled
