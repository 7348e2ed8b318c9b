"""A data folder that version 0.1 wrote is read on: nothing that only it knows is lost, and the rest becomes as new."""

import tarfile
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from crypto_features.cli import app
from crypto_features.lake.models import whole_models
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.tables.artefact import opened
from feature_repo import create_entity_df, get_online_features, get_training_features

ARCHIVE = Path(__file__).with_name("data") / "version_0_1.tar.xz"
"""What version 0.1.0 wrote of BTC and ETH of the sample market from 2024-01 to 2024-03-11 11:20."""
MONTHS = ("2024-01", "2024-02", "2024-03")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-03-11T11:20Z")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "data"


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    return done.output


def rows(folder: Path, table: str) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(folder / table / f"{month}.parquet") for month in MONTHS)


@pytest.mark.timeout(600)
def test_a_folder_of_version_0_1_becomes_as_new_and_loses_nothing_that_only_it_knows(old: Path) -> None:
    candles, prices = rows(old, "candles"), rows(old, "price_features")
    models = {month: opened(text) for month, text in whole_models(Settings.load().root, "regime_model").items()}

    table = Table(Settings.load().root, "candles", "open_time", raw=True)
    digests = {month: table.digest(month) for month in MONTHS}
    assert {len(digest) for digest in digests.values()} == {32}

    listed = said("plan")
    assert "written by version 0.1, values to be confirmed" in listed
    assert "regime_model" not in listed
    said("plan", "--run")
    assert said("plan").strip() == "Nothing is stale."

    assert_frame_equal(rows(old, "candles"), candles)
    assert {month: table.digest(month) for month in MONTHS} == digests
    after = {month: opened(text) for month, text in whole_models(Settings.load().root, "regime_model").items()}
    assert {m: (one.version, one.parameters) for m, one in after.items()} == {
        m: (one.version, one.parameters) for m, one in models.items()
    }
    again, lost = rows(old, "price_features"), pl.col("completeness") < 0.75
    kept = again.with_columns(pl.when(~lost).then("rsi_14"))
    assert again.filter(lost).height == 2  # a day of an outage, of which version 0.1 made values.
    assert_frame_equal(
        kept.filter(~lost).select("symbol", "event_timestamp", "rsi_14"),
        prices.join(kept.filter(~lost), on=["symbol", "event_timestamp"], how="semi").select(
            "symbol", "event_timestamp", "rsi_14"
        ),
        rel_tol=1e-9,
    )
    newest = prices.filter(symbol="BTC")["rsi_14"][-1]
    assert get_online_features(["BTC"], ["price_features:rsi_14"])["rsi_14"] == pytest.approx([newest], rel=1e-9)
    joined = get_training_features(create_entity_df(["BTC"], "2024-03-01", "2024-03-02"), ["price_features:rsi_14"])
    then = pl.col("event_timestamp").dt.strftime("%Y-%m-%d").is_in(["2024-03-01", "2024-03-02"])
    expected = prices.filter(then, symbol="BTC")["rsi_14"].to_list()
    assert joined["rsi_14"].tolist() == pytest.approx(expected, rel=1e-9)
