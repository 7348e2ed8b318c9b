"""`dagster asset materialize` for each asset, alone and together, with the right exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOME = {"CRYPTO_FEATURES_CLOCK": "2024-03-10T05:30Z", "CRYPTO_FEATURES_SYMBOLS": "BTC,ETH"}


def materialize(select: str, month: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("dagster")),
        "asset",
        "materialize",
        "-m",
        "crypto_features.definitions",
    ]
    partition = [] if month is None else ["--partition", month]
    return subprocess.run(
        [*command, "--select", select, *partition],
        env=os.environ | HOME | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_asset_can_be_materialized_after_its_upstream() -> None:
    market = materialize("candles,daily_candles", "2024-02")
    assert market.returncode == 0, market.stderr
    rest = materialize("price_features,feast_registry,online_store/price_features", "2024-02")
    assert rest.returncode == 0, rest.stderr


def test_an_asset_whose_upstream_is_missing_fails_and_says_what_to_do() -> None:
    result = materialize("price_features", "2024-02")
    assert result.returncode == 1
    assert "table 'daily_candles' is empty" in result.stderr


@pytest.mark.parametrize(("select", "month"), [("candels", "2024-02"), ("candles", "2031-02")])
def test_an_unknown_asset_or_month_fails(select: str, month: str) -> None:
    assert materialize(select, month).returncode != 0


def test_a_bad_setting_fails_and_names_the_variable() -> None:
    result = materialize("candles", "2024-02", CRYPTO_FEATURES_INTERVAL="7h")
    assert result.returncode == 1
    assert "CRYPTO_FEATURES_INTERVAL" in result.stderr
