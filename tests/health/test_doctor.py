"""`crypto-features doctor`: each part that is broken for real is named, with what puts it right."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner
from upath import UPath

from crypto_features.cli import app
from crypto_features.health.environment import unlocked, unmet
from crypto_features.health.finding import Level
from crypto_features.health.folder import data_folder
from crypto_features.host.instance import dagster_home
from crypto_features.lake.table import stored
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from crypto_features.store import FeastResource, session
from tests.feature_repo.conftest import NOW, build
from tests.health.conftest import PROGRAM, listing
from tests.market.exchanges import Exchange, binance
from tests.market.market import START, candles

PARTS = ["data folder", "file system", "disk", "Dagster's home", "catalog", "online store", "registry", "online rows"]
SECRET = "geheim"  # noqa: S105 - looked for in what is shown.


def found(level: str, code: int) -> dict[str, str]:
    """By part, what `--json` says of one level: all of it in one text."""
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == code, result.output
    told: dict[str, str] = {}
    for one in json.loads(result.stdout):
        if one["level"] == level:
            told[one["about"]] = " ".join(filter(None, [told.get(one["about"]), one["text"], one["todo"]]))
    return told


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@dg.asset
def made() -> None:
    """Nothing, so that Dagster writes its databases."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was applied and published, with Dagster's home in it, and a copy beside it."""
    folder = tmp_path_factory.mktemp("platform") / "data"
    with pytest.MonkeyPatch.context() as patch:
        build(folder, patch, apply=True, publish=True)
        patch.setenv("DAGSTER_HOME", str(dagster_home(Settings.load())))
        with dg.DagsterInstance.get() as instance:
            dg.materialize([made], instance=instance)
    for path in folder.rglob("*.db"):
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(folder, folder.with_name("copy"), ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    return folder


@pytest.fixture
def platform(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as it was, at the path for which it was applied."""
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(whole))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    shutil.rmtree(whole)
    shutil.copytree(whole.with_name("copy"), whole)
    session._stores.clear()
    return whole


def test_a_platform_that_is_well_is_examined_part_by_part(platform: Path) -> None:
    assert found("wrong", 0) == {}
    good = found("ok", 0)
    assert [part for part in PARTS if part not in good] == []
    assert "8 rows of 4 views" in good["online rows"]
    assert "the last candle closed at 2024-03-01 00:00 UTC, 30 min ago" in good["source"]


def test_nothing_is_written_and_the_screen_has_eighty_columns(platform: Path) -> None:
    before = listing(platform)
    done = subprocess.run([PROGRAM, "doctor"], env=os.environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert listing(platform) == before
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert " 0 wrong, " in done.stdout
    assert "stands still at 2024-03-01 00:30 UTC" in done.stdout


def test_before_the_first_run_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    told = found("warn", 0)
    assert f"{tmp_path}/data" in told["data folder"]
    assert "crypto-features run" in told["data folder"]
    assert f"no registry at {tmp_path}/data/registry.db" in told["registry"]
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBLOS", "BTC")
    assert "did you mean CRYPTO_FEATURES_SYMBOLS?" in found("wrong", 1)["settings"]


# Data folder


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of the superuser, who may write everywhere."""
    if os.getuid():
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_folder_that_may_not_be_written_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own shut out nobody.
        Path(folder).chmod(0o755 if not os.getuid() else 0o555)
        for data in (folder, f"{folder}/below"):
            monkeypatch.setenv("CRYPTO_FEATURES_DATA", data)
            with as_nobody():
                (told,) = (one for one in data_folder(Settings.load()) if one.level is Level.WRONG)
            assert "may not be written" in told.text
            assert told.todo.startswith(f"sudo chown -R $(id -un) {folder}")


def test_files_of_another_user_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        Path(folder, "candles").mkdir(mode=0o555)
        monkeypatch.setenv("CRYPTO_FEATURES_DATA", folder)
        with as_nobody():
            (told,) = (one for one in data_folder(Settings.load()) if one.level is Level.WRONG)
        assert told.text == f"{folder}/candles may not be written by this user."


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory of 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]
    if subprocess.run([*mount, folder], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)  # noqa: S607 - the system's own.


def test_a_full_disk_in_memory_is_both(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (small_disk / "other").write_bytes(bytes(40 << 10))
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(small_disk))
    told = found("wrong", 1)
    assert f"the disk of {small_disk} is full" in told["data folder"]
    assert "no run begins below 268 MB" in told["disk"]
    assert "gone once this machine" in found("warn", 1)["file system"]


# Clock


def test_rows_of_a_clock_that_was_ahead_are_found_in_tables_and_online(
    platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = NOW + timedelta(days=366)
    table = stored(UPath(platform), catalog, "volume_features")
    late = table.read(["2024-02"]).with_columns(created_timestamp=pl.lit(ahead).dt.cast_time_unit("us"))
    table.publish("2024-02", late, table.metadata("2024-02"))
    row = late.tail(1).with_columns(event_timestamp=pl.lit(ahead).dt.cast_time_unit("us"))
    with monkeypatch.context() as wrong_clock:
        wrong_clock.setenv("CRYPTO_FEATURES_CLOCK", ahead.isoformat())
        session.feature_store().write_to_online_store("volume_features", row.to_pandas())
    told = found("wrong", 1)
    assert "volume_features has rows that count as known from 2025-03-02 00:30 UTC on" in told["clock"]
    assert "crypto-features withdraw" in told["clock"]
    assert "volume_features: 1 online rows are stamped later than the clock" in told["online rows"]
    assert CliRunner().invoke(app, ["withdraw"]).exit_code == 0
    assert "clock" not in found("wrong", 0)


# Store


def test_half_a_registry_is_named_with_the_command(platform: Path) -> None:
    os.truncate(platform / "registry.db", 30000)
    session._stores.clear()
    told = found("wrong", 1)
    assert list(told) == ["registry"]
    assert f"rm -f {platform}/registry.db" in told["registry"]
    assert "answers" in found("ok", 1)["online store"]


def test_half_an_online_store_is_named_with_the_command(platform: Path) -> None:
    os.truncate(platform / "online.db", 3000)
    assert f"rm -f {platform}/online.db" in found("wrong", 1)["online store"]


def test_an_online_store_that_was_emptied_is_no_healthy_one(platform: Path) -> None:
    for path in platform.glob("online.db*"):
        path.unlink()
    told = found("wrong", 1)["online rows"]
    assert told.count("which was published to it: it was flushed") == 4
    assert "crypto-features run" in told


def test_a_copied_data_folder_needs_a_registry_of_its_own(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(platform, tmp_path / "copy")
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "copy"))
    assert f"reads price_features from {platform}" in found("wrong", 1)["registry"].replace("volume", "price").replace(
        "regime", "price"
    ).replace("trading_signals", "price_features")


def test_a_registry_without_a_declared_view_differs_from_the_code(platform: Path) -> None:
    session.feature_store().delete_feature_view("volume_features")
    assert found("wrong", 1)["registry"] == (
        "3 views are registered; volume_features differ from the code. crypto-features run"
    )


def test_what_is_switched_off_is_told_with_its_reason(platform: Path) -> None:
    FeastResource()
    assert CliRunner().invoke(app, ["disable", "ETH", "--why", "a test"]).exit_code == 0
    assert found("warn", 0)["switches"] == "ETH is switched off: a test. crypto-features enable ETH"


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_a_server_that_is_away_is_told_without_its_password(
    platform: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_STORE", store)
    monkeypatch.setenv("CRYPTO_FEATURES_REDIS_URL", f"redis://:{SECRET}@127.0.0.1:1/0")
    monkeypatch.setenv("CRYPTO_FEATURES_POSTGRES_URL", f"postgresql://me:{SECRET}@127.0.0.1:1/features")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert SECRET not in result.output
    told = found("wrong", 1)
    assert {"online store", "registry"} <= told.keys()
    assert "127.0.0.1:1" in told["online store"]
    assert f"extra {store}" in found("ok", 1)


# Source


def test_an_exchange_that_is_away_is_told_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "ccxt")
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-01")
    monkeypatch.setenv("CRYPTO_FEATURES_EXCHANGE_URL", "http://127.0.0.1:1")
    assert "asked again for" in found("wrong", 1)["source"]


def test_the_last_candle_of_an_exchange_that_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START + timedelta(hours=100, minutes=20)
    with binance(Exchange(candles("BTC", count=100), now)) as url:
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", now.isoformat())
        monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "ccxt")
        monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
        monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-01")
        monkeypatch.setenv("CRYPTO_FEATURES_EXCHANGE_URL", url)
        assert "UTC, 20 min ago" in found("ok", 0)["source"]


def test_a_folder_of_files_is_read_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(tmp_path / "files"))
    assert f"{tmp_path}/files" in found("wrong", 1)["source"]
    (tmp_path / "files").mkdir()
    candles("BTC", count=100).drop("symbol").write_parquet(tmp_path / "files" / "BTC.parquet")
    assert f"files in {tmp_path}/files: 1 symbols; the last candle closed at" in found("ok", 0)["source"]
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


# Dagster's home


@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_a_database_of_dagster_that_rotted_inside_is_named_with_the_command(platform: Path, name: str) -> None:
    path = platform / "dagster" / name
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = file.execute("PRAGMA page_size").fetchone()
        ((page,),) = file.execute("SELECT max(rootpage) FROM sqlite_master").fetchall()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert f"mv {path} {path}.damaged" in found("wrong", 1)["Dagster's home"]


# Packages


def package(folder: Path, name: str, version: str, *needs: str) -> None:
    """What an installer writes beside a package."""
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Requires-Python: >=3.11"]
    extras = [f"Provides-Extra: {need.partition('extra == ')[2].strip(chr(34))}" for need in needs if "extra" in need]
    (place / "METADATA").write_text("\n".join([*lines, *extras, *(f"Requires-Dist: {need}" for need in needs)]))


def test_a_package_out_of_its_bounds_is_found_through_those_that_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "one_root", "1.0", "one_part>=2", 'one_driver; extra == "server"', 'never; python_version < "3"')
    package(tmp_path, "one_part", "2.1", "one_leaf[fast]<3")
    package(tmp_path, "one_leaf", "3.0", 'one_wheel; extra == "fast"')
    monkeypatch.syspath_prepend(tmp_path)
    assert unmet("one_root") == ["one_part needs one_leaf<3; 3.0 is installed."]
    assert unmet("one_root", ["server"]) == [
        "one_part needs one_leaf<3; 3.0 is installed.",
        "one_root needs one_driver, which is not installed.",
    ]
    shutil.rmtree(tmp_path / "one_leaf-3.0.dist-info")
    package(tmp_path, "one_leaf", "2.9", 'one_wheel; extra == "fast"')
    assert unmet("one_root") == ["one_leaf needs one_wheel, which is not installed."]


def test_what_is_too_old_for_the_platform_is_named(tmp_path: Path) -> None:
    package(tmp_path, "polars", "0.20.0")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    done = subprocess.run([PROGRAM, "doctor", "--json"], env=environment, capture_output=True, text=True, check=False)
    told = {one["about"]: one["text"] for one in json.loads(done.stdout) if one["level"] == "wrong"}
    assert done.returncode == 1
    assert "crypto-features needs polars<3,>=2.1; 0.20.0 is installed." in told["packages"]


def test_what_differs_from_the_lock_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "ta==0.11.0 \\\n    --hash=sha256:aa\nfilelock==0.1 \\\n    --hash=sha256:bb\n"
        "polars==0.2 ; python_full_version < '3.11' \\\n    --hash=sha256:cc\nnever-installed==1.0\n"
    )
    (line,) = unlocked(lock)
    assert line.startswith("filelock is ")
    assert line.endswith(", and 0.1 in requirements.lock.")
