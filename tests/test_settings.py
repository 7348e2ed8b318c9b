"""Every setting is read from the environment, and a bad one is refused by name."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto_features import clock
from crypto_features.errors import SettingsError
from crypto_features.settings import Settings


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("interval", "15m", timedelta(minutes=15)),
        ("online_grace", "90s", timedelta(seconds=90)),
        ("late_wait", "90m", timedelta(minutes=90)),
        ("min_completeness", "0.5", 0.5),
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
        ("START", "9999-12", "not a month of 1970 to 2200"),
        ("MIN_COMPLETENESS", "75", "less than or equal to 1"),
        ("STORE", "oracle", "embedded"),
        ("PATIENCE", "99999999999d", "too long; expected at most 36500d"),
        ("PATIENCE", "36501d", "too long; expected at most 36500d"),
        ("DATA", "", "it is empty; name a folder"),
        ("DATA", "foo://x", "'foo://x' begins with no protocol that is known"),
        ("DATA", "~nobody-of-that-name/data", "a user who does not exist"),
    ],
)
def test_a_bad_setting_names_variable_and_expectation(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: str
) -> None:
    monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", text)
    with pytest.raises(SettingsError, match=f"CRYPTO_FEATURES_{name}.*{expected}"):
        Settings.load()


def test_a_bucket_whose_package_is_missing_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", "s3://bucket")
    with pytest.raises(SettingsError, match=r"CRYPTO_FEATURES_DATA: 's3://bucket' needs another package: .*s3fs"):
        Settings.load()


def test_a_file_is_no_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match=r"CRYPTO_FEATURES_DATA: .*/file is a file; expected a folder"):
        Settings.load()


def test_a_data_folder_may_begin_at_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", "~/features")
    assert str(Settings.load().root) == str(tmp_path / "features")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CRYPTO_FEATURES_SYMBOL", "CRYPTO_FEATURES_SYMBOLS"),
        ("CRYPTO_FEATURE_DATA", "CRYPTO_FEATURES_DATA"),
        ("CRYPTO_FEATURESS_DATA", "CRYPTO_FEATURES_DATA"),
        ("CRYPTO_FAETURES_DATA", "CRYPTO_FEATURES_DATA"),
        ("CRYPTO_FEATURES-START", "CRYPTO_FEATURES_START"),
        ("CRYPTOFEATURES_START", "CRYPTO_FEATURES_START"),
        ("crypto_feature_store", "CRYPTO_FEATURES_STORE"),
    ],
)
def test_a_variable_that_is_not_a_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setenv(name, "BTC")
    with pytest.raises(SettingsError, match=f"{name} is not a setting; did you mean {meant}"):
        Settings.load()


@pytest.mark.parametrize("name", ["CRYPTO_FUTURES_DATA", "CRYPTO_DATA", "FEATURES_DATA", "CRYPTOGRAPHY_FEATURES"])
def test_a_variable_of_another_program_is_none_of_ours(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "elsewhere")
    Settings.load()


def test_the_clock_stands_still_at_the_time_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2022-10-11T13:00+02:00")
    assert clock.now() == datetime(2022, 10, 11, 11, tzinfo=UTC)
    assert clock.is_stopped()


@pytest.mark.parametrize("text", ["yesterday", "9999-12-31", "1969-12-31", "0001-01-01T00:00+05:00", "2201-01-01"])
def test_a_clock_that_is_no_time_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", text)
    with pytest.raises(SettingsError, match=f"CRYPTO_FEATURES_CLOCK='{re.escape(text)}' is not a time"):
        clock.now()


def test_a_clock_in_a_file_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "time").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", f"@{tmp_path / 'time'}")
    with pytest.raises(SettingsError, match=r"CRYPTO_FEATURES_CLOCK=@.*time: the file is not text"):
        clock.now()
