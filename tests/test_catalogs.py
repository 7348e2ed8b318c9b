"""Which catalog a process works on: that of the setting, else of the one package that offers one, else the shipped."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from crypto_features import catalogs
from crypto_features.catalogs import GROUP, current_catalog
from crypto_features.durations import duration
from crypto_features.errors import InputError, SettingsError
from crypto_features.shipped import candles
from crypto_features.shipped import catalog as shipped
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from tests.features.other_catalog import catalog as other

OTHER = "tests.features.other_catalog:catalog"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing that an earlier test found is remembered, and the current folder is empty."""
    catalogs._load.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    yield
    catalogs._load.cache_clear()


def offered(monkeypatch: pytest.MonkeyPatch, **entries: str) -> None:
    """These packages are installed, and no others."""
    found = tuple(EntryPoint(name, value, GROUP) for name, value in entries.items())
    monkeypatch.setattr(catalogs, "_entries", lambda: found)


def test_without_any_other_it_is_the_shipped_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_catalog() is shipped
    offered(monkeypatch, shipped="crypto_features.shipped:catalog")
    assert current_catalog() is shipped


def test_the_one_package_that_offers_a_catalog_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, shipped="crypto_features.shipped:catalog", desk=OTHER)
    assert current_catalog() is other


def test_the_setting_is_taken_before_any_package(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, shipped="crypto_features.shipped:catalog", desk="nowhere:catalog")
    monkeypatch.setenv("CRYPTO_FEATURES_CATALOG", OTHER)
    assert current_catalog() is other


def test_several_packages_need_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, shipped="crypto_features.shipped:catalog", desk=OTHER, bot="bot:catalog")
    with pytest.raises(
        SettingsError,
        match=r"several catalogs are offered \(bot, desk\).*CRYPTO_FEATURES_CATALOG.*",
    ):
        current_catalog()


def test_without_any_package_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch)
    with pytest.raises(SettingsError, match=r"no installed package offers a catalog.*CRYPTO_FEATURES_CATALOG, such as"):
        current_catalog()


def test_a_module_of_the_current_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "desk_of_a_test.py").write_text("from tests.features.other_catalog import catalog as mine\n")
    monkeypatch.setenv("CRYPTO_FEATURES_CATALOG", "desk_of_a_test:mine")
    assert current_catalog() is other


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("my_desk", "CRYPTO_FEATURES_CATALOG='my_desk'; expected module:name, such as my_desk:catalog"),
        ("my_desk:", "CRYPTO_FEATURES_CATALOG='my_desk:'; expected module:name"),
        (".my_desk:catalog", r"CRYPTO_FEATURES_CATALOG='\.my_desk:catalog'; expected module:name"),
        ("my/desk.py:catalog", "CRYPTO_FEATURES_CATALOG='my/desk.py:catalog'; expected module:name"),
        (":catalog", "CRYPTO_FEATURES_CATALOG=':catalog'; expected module:name"),
        (
            "no_such_desk:catalog",
            r"no_such_desk:catalog cannot be loaded \(No module named 'no_such_desk'\)",
        ),
        ("crypto_features.shipped:catalogue", "cannot be loaded .*catalogue.*with a Catalog of that name"),
        ("crypto_features.shipped:candles", "crypto_features.shipped:candles is a RawTable; expected a .*Catalog"),
        ("crypto_features.shipped:market", "crypto_features.shipped:market is a module; expected a .*Catalog"),
    ],
)
def test_a_setting_that_names_no_catalog_is_refused(monkeypatch: pytest.MonkeyPatch, where: str, why: str) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CATALOG", where)
    with pytest.raises(SettingsError, match=why):
        current_catalog()


def test_a_wrong_declaration_is_reported_as_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "from crypto_features.tables.catalog import Catalog\ncatalog = Catalog()\n"
    (tmp_path / "empty_desk_of_a_test.py").write_text(text)
    monkeypatch.setenv("CRYPTO_FEATURES_CATALOG", "empty_desk_of_a_test:catalog")
    with pytest.raises(InputError, match="a catalog has exactly one raw table"):
        current_catalog()


@pytest.mark.parametrize(
    ("every", "base", "why"),
    [
        (
            "4h",
            timedelta(days=1),
            "bars of 4h, which candles of 1d do not divide; .*INTERVAL to such as 4h",
        ),
        (
            "6h",
            timedelta(hours=4),
            "bars of 6h, which candles of 4h do not divide; .*INTERVAL to such as 2h",
        ),
    ],
)
def test_bars_that_base_candles_do_not_divide_are_refused_by_name(every: str, base: timedelta, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        catalogs.require_base(Catalog(Bars("four", of=candles, every=every)), base)


@pytest.mark.parametrize("base", ["1m", "15m", "1h", "4h"])
def test_bars_that_base_candles_divide_are_taken(base: str) -> None:
    declared = [Bars(f"bars_{every}", of=candles, every=every) for every in ("4h", "12h", "1d", "1w")]
    if base in {"1m", "15m"}:
        declared += [Bars(f"bars_{every}", of=candles, every=every) for every in ("15m", "30m", "90m")]
    catalogs.require_base(Catalog(*declared), duration(base))
