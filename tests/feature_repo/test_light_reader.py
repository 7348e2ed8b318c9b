"""What the shipped catalog publishes is read alike by the platform, from its database and over HTTP."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import uvicorn

import feature_repo as repo
from crypto_features.errors import CryptoFeaturesError, SettingsError
from crypto_features.shipped import catalog
from crypto_features.store import FeastResource, Passport, StoreUnreachableError, server, server_guard
from crypto_features_reader import AsyncReader, OnlineFeatures, Reader
from tests.services.alike import content

SYMBOLS = ["BTC", "NEW", "ETH"]
REFS = [f"{name}:{group.features[0].name}" for name, group in catalog.groups.items()]


@pytest.fixture(params=["sqlite", "http"])
def url(request: pytest.FixtureRequest, published: FeastResource, shared: Path) -> Iterator[str]:
    """Address of the store's file, and of a server over it."""
    if request.param == "sqlite":
        yield f"sqlite:///{shared}/online.db"
        return
    served = uvicorn.Server(uvicorn.Config(server.app(), port=0, log_level="error", lifespan="on"))
    thread = threading.Thread(target=served.run)
    thread.start()
    while not served.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}"
    served.should_exit = True
    thread.join()


@pytest.fixture
def reader(url: str) -> Iterator[Reader]:
    with Reader(url) as opened:
        yield opened


def awaited(url: str, features: Sequence[str]) -> OnlineFeatures:
    async def read() -> OnlineFeatures:
        async with AsyncReader(url) as reader:
            return await reader.get_online_features(SYMBOLS, features)

    return asyncio.run(read())


def test_every_service_and_view_is_answered_alike(reader: Reader, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for time_of_read in ("2024-03-01T00:30Z", "2024-03-02T03:00Z"):
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", time_of_read)
        for features in (*catalog.services, REFS):
            expected = content(repo.get_online_features(SYMBOLS, features))
            assert content(reader.get_online_features(SYMBOLS, features)) == expected
            assert content(awaited(url, features)) == expected


def test_errors_are_of_the_same_class(reader: Reader) -> None:
    for features in ("none", ["price_features:none"], ["rsi_14"], ["price_features:rsi_14"] * 2):
        with pytest.raises(CryptoFeaturesError) as caught:
            repo.get_online_features(["BTC"], features)
        with pytest.raises(type(caught.value)):
            reader.get_online_features(["BTC"], features)


def test_a_passport_is_held_to(reader: Reader) -> None:
    passport = Passport.of_service("trading_features")
    found = reader.get_online_features(SYMBOLS, passport.refs, passport=passport)
    assert content(found) == content(repo.get_online_features(SYMBOLS, passport.refs, passport=passport))
    other = Passport(passport.project, (*passport.features[:-1], type(passport.features[0])(passport.refs[-1], "else")))
    with pytest.raises(CryptoFeaturesError) as caught:
        repo.get_online_features(SYMBOLS, passport.refs, passport=other)
    with pytest.raises(type(caught.value)) as raised:
        reader.get_online_features(SYMBOLS, passport.refs, passport=other)
    assert str(raised.value) == str(caught.value)


@pytest.mark.parametrize("url", ["http"], indirect=True)
def test_a_server_that_asks_for_a_token_is_given_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(server_guard.TOKEN, "s3cret")
    with Reader(url) as reader, pytest.raises(SettingsError, match=r"answers 401: .*give its token"):
        reader.get_online_features(["BTC"], "trading_features")
    with Reader(url, token="s3cret") as reader:  # noqa: S106 - of this test.
        assert reader.get_online_features(["BTC"], "trading_features")["symbol"] == ["BTC"]


def test_a_server_that_is_away_or_something_else_is_named() -> None:
    with Reader("http://127.0.0.1:1") as reader, pytest.raises(StoreUnreachableError, match=r"127\.0\.0\.1:1 does not"):
        reader.get_online_features(["BTC"], "trading_features")

    async def read() -> None:
        await AsyncReader("http://127.0.0.1:1").get_online_features(["BTC"], "trading_features")

    with pytest.raises(StoreUnreachableError, match=r"127\.0\.0\.1:1 does not"):
        asyncio.run(read())
    for address in ("http://user:word@host", "http://", "ftp://host", "https://host?x=1"):
        with pytest.raises(SettingsError) as caught:
            Reader(address)
        assert "word" not in str(caught.value)
