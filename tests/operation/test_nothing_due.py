"""`crypto-features run` with nothing new writes nothing; what is new, lost or declared otherwise is seen."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from crypto_features.automation import lagging
from crypto_features.automation.lagging import nothing_due
from crypto_features.automation.market_now import MarketNow
from crypto_features.cli import app
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.recompute import plan_of
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, session

CLOCK = datetime(2024, 2, 10, 5, 30, tzinfo=UTC)
MONTH = "2024-02.parquet"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a data folder after one run."""
    folder = tmp_path_factory.mktemp("once")
    found = {
        "CRYPTO_FEATURES_DATA": str(folder / "data"),
        "CRYPTO_FEATURES_CLOCK": CLOCK.isoformat(),
        "CRYPTO_FEATURES_SYMBOLS": "BTC",
        "CRYPTO_FEATURES_START": "2024-01",
        "DAGSTER_HOME": str(folder / "home"),
    }
    assert "15 assets in" in run(found)
    return found


def run(settings: dict[str, str]) -> str:
    command = [str(Path(sys.executable).with_name("crypto-features")), "run"]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


@pytest.fixture
def folder(once: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder, to spoil."""
    shutil.copytree(once["CRYPTO_FEATURES_DATA"], tmp_path / "data")
    for name, value in (once | {"CRYPTO_FEATURES_DATA": str(tmp_path / "data")}).items():
        monkeypatch.setenv(name, value)
    yield tmp_path / "data"
    session._stores.clear()


def is_idle(folder: Path) -> bool:
    settings, lake = Settings.load(), LakeResource(root=str(folder), interval_minutes=60)
    with dg.DagsterInstance.get() as instance:
        return nothing_due(MarketNow(settings, lake), instance, plan_of(settings), FeastResource())


def written(*folders: str) -> dict[Path, tuple[int, int]]:
    files = (path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def test_a_second_run_writes_nothing_and_shows_what_is_served(once: dict[str, str]) -> None:
    before = written(once["CRYPTO_FEATURES_DATA"])
    said = run(once)
    assert written(once["CRYPTO_FEATURES_DATA"]) == before
    assert "Nothing is new: every candle until 2024-02-10 05:00 UTC is stored, and all made of it." in said
    assert "rsi_14" in said
    assert "Looked in" in said


def test_every_file_of_a_run_is_of_a_kind_whose_bits_are_looked_after(once: dict[str, str]) -> None:
    """`tests/services/test_rot.py`, `test_damage.py` and `tests/market/test_parquet.py` flip bits of each.

    Nothing reads the catalog's page.
    """
    root = Path(once["CRYPTO_FEATURES_DATA"])
    databases, page = r"(online|online_switches|registry)\.db", r"catalog\.html"
    kinds = rf"[\w/]+/\d{{4}}-\d{{2}}\.(parquet|json)|\.(marks|owners)/[\w/-]+\.json|{databases}|{page}"
    for path in (path for path in root.rglob("*") if path.is_file()):
        name = str(path.relative_to(root))
        assert re.fullmatch(kinds, name) or not path.stat().st_size, name


def test_a_candle_that_closes_while_a_run_goes_on_is_not_late(
    once: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = tmp_path / "time"
    time.write_text("2024-02-10T05:59:55Z")
    for name, value in (once | {"CRYPTO_FEATURES_CLOCK": f"@{time}"}).items():
        monkeypatch.setenv(name, value)

    def looked(*_: object) -> bool:
        time.write_text("2024-02-10T06:00:05Z")
        return True

    monkeypatch.setattr(lagging, "nothing_due", looked)
    said = CliRunner().invoke(app, ["run"])
    assert said.exit_code == 0, said.output
    assert "06:00 UTC" in said.output
    assert "late" not in said.output
    session._stores.clear()


def remove(*parts: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        for path in folder.glob("/".join(parts)):
            path.unlink()

    return do


@pytest.mark.parametrize(
    "spoil",
    [
        remove("candles", MONTH),
        remove("daily_candles", MONTH),
        remove("price_features", "2024-01.parquet"),
        remove("trading_signals", MONTH),
        remove("regime_model", "2024-02.json"),
        remove("training", "*", "2024-01.parquet"),
        remove("online.db*"),
        remove("registry.db*"),
    ],
    ids=["candles", "bars", "features of before", "signals", "model", "training", "online rows", "registry"],
)
def test_what_was_lost_is_seen(folder: Path, spoil: Callable[[Path], None]) -> None:
    assert is_idle(folder)
    session._stores.clear()
    spoil(folder)
    assert not is_idle(folder)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("CLOCK", (CLOCK + timedelta(hours=1)).isoformat()),
        ("SYMBOLS", "BTC,ETH"),
        ("MIN_COMPLETENESS", "0.9"),
    ],
)
def test_what_is_new_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> None:
    monkeypatch.setenv(f"CRYPTO_FEATURES_{setting}", value)
    assert not is_idle(folder)
