"""The example of a bot loop does what its documentation says."""

from datetime import timedelta
from typing import Any

import pytest

from crypto_features.store import FeastResource, StoreUnreachableError
from examples import bot

from .conftest import NOW


def actions(*symbols: str) -> list[str]:
    return [action for _, action, _ in bot.step(symbols)]


def test_fresh_features_lead_to_a_decision(published: FeastResource) -> None:
    assert all("PRESENT" not in why for _, _, why in bot.step(["BTC", "ETH"]))


def test_expired_features_lead_to_waiting(published: FeastResource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + timedelta(hours=3)).isoformat())
    assert actions("BTC") == ["wait"]
    assert "target_price is EXPIRED" in bot.step(["BTC"])[0][2]


def test_the_loop_survives_a_store_that_is_away_for_a_while(
    published: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise StoreUnreachableError("the online store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr("crypto_features.store.online.sqlite.SqliteBackend.read", away)
        assert bot.step(["BTC"]) == [("BTC", "wait", "the online store does not answer")]
    assert "does not answer" not in bot.step(["BTC"])[0][2]
