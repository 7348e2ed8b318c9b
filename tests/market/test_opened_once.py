"""A source is opened once by a command, however many steps look at it: opening one may cost minutes or rate limit."""

from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from crypto_features import cli, code_location
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.sources.sample import SampleSource
from crypto_features.sources.source import Source

OPENED: list[SampleSource] = []


def counted(settings: Settings) -> SampleSource:
    """A source that counts how often it is opened; the setting `source` names it."""
    OPENED.append(SampleSource(settings.interval))
    return OPENED[-1]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    OPENED.clear()
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path))
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", f"{__name__}:counted")
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    return Settings.load()


def test_fetch_opens_its_source_once(settings: Settings) -> None:
    done = CliRunner().invoke(cli.app, ["fetch", "--first", "2024-01", "--last", "2024-01"])
    assert done.exit_code == 0, done.output
    assert len(OPENED) == 1


def run_candles(settings: Settings, market: Source | None) -> None:
    job = code_location.build(settings, market).resolve_implicit_global_asset_job_def()
    chosen = [dg.AssetKey("candles")]
    assert job.execute_in_process(asset_selection=chosen, partition_key="2024-01").success


def test_the_graph_that_is_given_an_open_source_opens_no_other_for_its_name_its_candles_and_their_checks(
    settings: Settings,
) -> None:
    market = source(settings)
    run_candles(settings, market)
    assert [market] == OPENED


def test_the_graph_of_a_code_location_opens_it_anew_in_each_run_as_files_may_have_changed(settings: Settings) -> None:
    run_candles(settings, None)
    assert len(OPENED) > 1
