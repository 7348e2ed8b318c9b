"""Rows that a clock ahead of time published: not served, not replaced, and taken back by a command."""

from datetime import timedelta

import polars as pl
import pytest
from typer.testing import CliRunner

from crypto_features.cli import app as command_line
from crypto_features.shipped import price_features
from crypto_features.store import FeastResource, session
from feature_repo import get_online_features
from tests.feature_repo.conftest import NOW, rows


def status(symbol: str) -> str:
    return get_online_features([symbol], ["price_features:rsi_14"]).statuses["rsi_14"][0]


def test_a_row_of_next_year_is_withdrawn_and_the_right_one_published(
    own: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = NOW + timedelta(days=366)
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", ahead.isoformat())
    late = rows(price_features).filter(symbol="BTC").tail(1).with_columns(event_timestamp=pl.lit(ahead))
    session.feature_store().write_to_online_store("price_features", late.to_pandas())
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    own.materialize("price_features", NOW, NOW)
    assert (status("BTC"), status("ETH")) == ("EXPIRED", "PRESENT")
    (damage,) = own.damage()
    assert damage.startswith("price_features: 1 online rows are stamped later")
    said = CliRunner().invoke(command_line, ["withdraw"])
    assert "price_features: 1 rows" in said.stdout
    assert "trading_signals: 0 rows" in said.stdout
    assert (status("BTC"), own.damage()) == ("NOT_FOUND", [])
    own.materialize("price_features", NOW, NOW)
    assert status("BTC") == "PRESENT"
