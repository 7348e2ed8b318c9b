"""Versions are measured once for each state of the code and its libraries, and read back while neither changes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from crypto_features.compute.indicators import CLOSE
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.shipped import catalog, price_features
from crypto_features.tables.catalog import Catalog
from crypto_features.versions import measured as versions
from crypto_features.versions.definition import reader
from tests.redeclared import redeclared

MEASURED = {"price_features": {"ma_5": "1"}}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; what is measured is `MEASURED`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(versions, "table_fingerprints", lambda _: MEASURED)
    return tmp_path / "cache" / "crypto-features"


def measured(scaled: Callable[[], float], _: Catalog) -> object:
    return scaled() and MEASURED


def again(declared: Catalog = catalog) -> object:
    """The versions as another process would get them."""
    return versions.measured.__wrapped__(declared)


def test_what_was_measured_is_read_back(cache: Path) -> None:
    assert again() == MEASURED
    (kept,) = cache.iterdir()
    kept.write_text(sealed({"versions": {"price_features": {"ma_5": "kept"}}}))
    assert again() == {"price_features": {"ma_5": "kept"}}


def test_another_library_is_measured_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again()
    monkeypatch.setattr(reader, "versions_of", lambda _: ["polars of tomorrow"])
    assert again() == MEASURED
    assert len(list(cache.iterdir())) == 2


def test_another_catalog_is_measured_anew(cache: Path) -> None:
    first, *rest = price_features.features
    for expression in (CLOSE, CLOSE * 2, CLOSE):
        assert again(redeclared(replace(price_features, features=(replace(first, expression=expression), *rest))))
    assert len(list(cache.iterdir())) == 2


def test_other_code_is_measured_anew_wherever_it_is_stored(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for factor in (1.0, 1.5, 1.0):
        desk = ModuleType("my_desk")
        exec(f"FACTOR = {factor}\ndef scaled(): return FACTOR", vars(desk))  # noqa: S102 - another module.
        monkeypatch.setattr(versions, "table_fingerprints", partial(measured, desk.scaled))
        again()
    assert len(list(cache.iterdir())) == 2


def test_every_column_that_has_a_version_has_a_definition() -> None:
    columns = {table: {*found} for table, found in versions.versions().items()}
    assert {table: {*found} for table, found in versions.current_definitions().items()} == columns


@pytest.mark.parametrize("content", ["", "{", "\0"])
def test_a_spoiled_file_is_measured_anew(cache: Path, content: str) -> None:
    again()
    (kept,) = cache.iterdir()
    kept.write_text(content)
    assert again() == MEASURED
    assert unsealed(kept.read_bytes()) == {"versions": MEASURED}


def test_without_a_writable_folder_each_process_measures(cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    assert again() == MEASURED


def test_another_least_completeness_is_another_version_of_every_group_that_declares_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = versions.versions()
    monkeypatch.setenv("CRYPTO_FEATURES_MIN_COMPLETENESS", "0.5")
    after = versions.versions()
    assert {table for table in before if before[table] != after[table]} == set(catalog.groups)
