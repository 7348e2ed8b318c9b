"""Every setting is read from the environment, and a bad one is refused by name."""

from datetime import UTC, datetime, timedelta

import pytest

from crypto_features import clock
from crypto_features.errors import SettingsError
from crypto_features.settings import Settings


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("interval", "15m", timedelta(minutes=15)),
        ("online_grace", "90s", timedelta(seconds=90)),
        ("recheck", "12h", timedelta(hours=12)),
        ("patience", "5m", timedelta(minutes=5)),
        ("look_every", "30s", timedelta(seconds=30)),
        ("alert_repeat", "1d", timedelta(days=1)),
        ("symbols", "btc, ETH,", ("BTC", "ETH")),
        ("start", "2024-02", datetime(2024, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_setting_is_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    monkeypatch.setenv(f"CRYPTO_FEATURES_{name.upper()}", text)
    assert getattr(Settings.load(), name) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("INTERVAL", "7h", "divide a day"),
        ("INTERVAL", "30s", "whole minutes"),
        ("INTERVAL", "0m", "whole minutes"),
        ("INTERVAL", "hourly", "such as 1h"),
        ("START", "2024-13", "YYYY-MM"),
        ("STORE", "oracle", "embedded"),
    ],
)
def test_a_bad_setting_names_variable_and_expectation(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: str
) -> None:
    monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", text)
    with pytest.raises(SettingsError, match=f"CRYPTO_FEATURES_{name}.*{expected}"):
        Settings.load()


def test_a_variable_that_is_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOL", "BTC")
    with pytest.raises(
        SettingsError, match="CRYPTO_FEATURES_SYMBOL is no setting; did you mean CRYPTO_FEATURES_SYMBOLS"
    ):
        Settings.load()


def test_the_clock_stands_still_at_the_time_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2022-10-11T13:00+02:00")
    assert clock.now() == datetime(2022, 10, 11, 11, tzinfo=UTC)
    assert clock.is_stopped()


def test_a_clock_that_is_no_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "yesterday")
    with pytest.raises(SettingsError, match="CRYPTO_FEATURES_CLOCK='yesterday'"):
        clock.now()
