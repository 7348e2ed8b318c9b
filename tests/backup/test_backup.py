"""A backup is a state that the platform was in, whole or refused, and comes back with the same digests."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto_features.backup import databases
from crypto_features.backup.folder import FILES, read_manifest
from crypto_features.backup.order import stages
from crypto_features.backup.restore import restore
from crypto_features.backup.take import take
from crypto_features.catalogs import current_catalog
from crypto_features.cli import app
from crypto_features.errors import SettingsError, TransientError
from crypto_features.lake import journal
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.settings import Settings
from crypto_features.shipped import catalog as shipped
from crypto_features.store import FeastResource, NotAppliedError
from crypto_features.store.switch import disable
from feature_repo import create_entity_df, get_training_features
from tests.backup.world import ROOT, SETTINGS, build_all, found, settings, table
from tests.backup.writer import COLUMNS, MONTH


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that is only read."""
    folder = tmp_path_factory.mktemp("backup") / "data"
    build_all(folder)
    with settings(folder):
        disable("ETH", "halted")
    return folder


@pytest.fixture
def data(built: Path, tmp_path: Path) -> Path:
    """A copy of it, whose registry names its own tables."""
    folder = shutil.copytree(built, tmp_path / "data")
    with settings(folder):
        FeastResource().apply()
    return folder


@pytest.fixture
def backup(data: Path, tmp_path: Path) -> Path:
    with settings(data):
        take(Settings.load(), current_catalog(), tmp_path / "backup")
    return tmp_path / "backup"


def command(folder: Path, *arguments: str | Path) -> str:
    with settings(folder):
        done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    return done.output


def refused(folder: Path, *arguments: str | Path) -> str:
    with settings(folder):
        done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "250"})
    assert done.exit_code == 1, done.output
    return done.output


def started(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, **SETTINGS, "CRYPTO_FEATURES_DATA": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_tables_online_values_and_switches_are_those_of_the_folder_that_was_backed_up(
    built: Path, tmp_path: Path
) -> None:
    said = command(built, "backup", tmp_path / "backup")
    assert f"of {built} are in {tmp_path / 'backup'}." in said
    again = tmp_path / "restored"
    assert "each with the digest that the backup noted" in command(again, "restore", tmp_path / "backup")
    assert found(again) == found(built)
    assert found(again).off == {"ETH": "halted"}
    assert set(found(again).online[1]["rsi_14"]) == {"PRESENT", "DISABLED"}
    assert "0 damaged" in command(again, "scrub")


def test_training_sets_are_read_from_the_restored_folder_once_it_is_applied(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    again, rows = tmp_path / "restored", create_entity_df(["BTC"], "2024-02-01", "2024-02-10")
    assert f"The registry names the tables in {data}." in command(again, "restore", backup)
    with settings(data):
        before = get_training_features(rows, ["price_features:rsi_14"])
    with settings(again):
        with pytest.raises(NotAppliedError, match="A data folder that was copied or moved needs its own"):
            get_training_features(rows, ["price_features:rsi_14"])
        FeastResource().apply()
        assert get_training_features(rows, ["price_features:rsi_14"]).equals(before)


def numbers(folder: Path) -> dict[str, int]:
    """The rounds of the writer whose traces a data folder has."""
    read = {name: table(folder, name).read([MONTH])[column].max() for name, column in COLUMNS.items()}
    read["online"] = found(folder).online[0]["rsi_14"][0]
    entries = [entry for entry, _, _ in journal.read(folder / journal.FOLDER)]
    read["journal"] = entries[-1].values["close"]
    for name, query in (("online_switches.db", "switches"), ("registry.db", "crypto_features_switches")):
        with closing(sqlite3.connect(folder / name)) as file:
            ((read[name],),) = file.execute(f"SELECT why FROM {query} WHERE name = 'ETH'").fetchall()  # noqa: S608 - a constant.
    return {name: int(number) for name, number in read.items()}  # type: ignore[arg-type] # they are numbers.


@pytest.mark.proof
def test_a_backup_of_a_folder_that_changes_is_a_state_that_it_was_in(
    data: Path, tmp_path: Path, count: Callable[..., int]
) -> None:
    writer = started(data, "tests.backup.writer")
    assert writer.stdout is not None
    try:
        assert [writer.stdout.readline() for _ in range(2)] == ["1\n", "2\n"]
        seen = []
        for number in range(count(ci=3, proof=60)):
            kept, again = tmp_path / f"backup {number}", tmp_path / f"restored {number}"
            with settings(data):  # a folder takes long, so that rounds go by between two of them.
                take(Settings.load(), current_catalog(), kept, progress=lambda _: time.sleep(0.1))
            restore(kept, again)
            assert "0 damaged" in command(again, "scrub")
            seen.append(numbers(again))
    finally:
        writer.kill()
        writer.communicate()
    for one in seen:
        at_once = [one[name] for name in ("registry.db", "online_switches.db", "online")]
        assert at_once == sorted(at_once), one
        assert at_once[-1] - at_once[0] <= 1, one
        chain = [one[name] for name in ("online", "price_features", "daily_candles", "candles")]
        assert chain == sorted(chain), one
        assert one["online"] <= one["journal"] <= one["candles"], one
    assert any(one["online"] < one["candles"] for one in seen), "nothing was written meanwhile"


def said_until_killed(running: "subprocess.Popen[str]", steps: int) -> list[str]:
    assert running.stdin is not None
    assert running.stdout is not None
    said = []
    for step in range(steps + 1):
        said.append(running.stdout.readline().strip())
        if step < steps:
            running.stdin.write("\n")
            running.stdin.flush()
    running.kill()
    running.communicate()
    return said


@pytest.mark.proof
def test_a_killed_backup_never_looks_whole_and_a_killed_restore_goes_on(
    data: Path, backup: Path, tmp_path: Path, count: Callable[..., int]
) -> None:
    with settings(data):
        steps = len(stages(current_catalog())) + 2
    for step in range(0, steps, steps // count(ci=2, proof=steps)):
        killed = tmp_path / f"killed {step}"
        said = said_until_killed(started(data, "tests.backup.killed", "backup", str(killed)), step)
        assert len(said) == step + 1
        assert all(said)
        assert "was interrupted before manifest.json" in refused(tmp_path / "new", "restore", killed)
        assert not (tmp_path / "new").exists()
        assert f"an interrupted backup (remove it with: rm -r {killed})" in refused(data, "backup", killed)
    for step in (0, 4, 9):
        again = tmp_path / f"restored {step}"
        said_until_killed(started(again, "tests.backup.killed", "restore", str(backup)), step)
        command(again, "restore", backup)
        assert found(again) == found(data)


@pytest.mark.parametrize("name", ["files/candles/2024-01.parquet", "files/registry.db", "files/online_switches.db"])
def test_a_file_of_a_backup_that_rotted_is_named_and_nothing_is_written(
    backup: Path, tmp_path: Path, name: str
) -> None:
    flip(backup / name)
    said = refused(tmp_path / "restored", "restore", backup)
    assert f"{name.removeprefix('files/')} is missing or is not what was copied. Nothing was written" in said
    assert not (tmp_path / "restored").exists()


def test_a_manifest_that_rotted_or_reaches_out_is_refused(backup: Path, tmp_path: Path) -> None:
    path = backup / "manifest.json"
    text = path.read_text()
    path.write_text(text.replace("candles/2024-01", "candles/2024-03"))
    assert "manifest.json is damaged (its content is not what was written)" in refused(tmp_path, "restore", backup)
    outside = unsealed(text)
    outside["files"]["../outside"] = [0, ""]
    path.write_text(sealed(outside))
    assert "'../outside', which is outside a data folder" in refused(tmp_path, "restore", backup)


def test_a_folder_that_holds_anything_else_is_left_alone(backup: Path, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "used"
    (target / "candles").mkdir(parents=True)
    (target / "candles/2024-01.parquet").write_bytes(b"mine")
    said = refused(target, "restore", backup)
    assert f"{target} is not empty: it holds candles/2024-01.parquet, which the backup does not have" in said
    assert [path.read_bytes() for path in target.rglob("*.*")] == [b"mine"]
    assert f"{backup} holds a backup already" in refused(data, "backup", backup)
    assert "is within the data folder" in refused(data, "backup", data / "backup")
    assert "there is no data folder" in refused(tmp_path / "none", "backup", tmp_path / "other")
    assert "is not a backup" in refused(tmp_path / "none", "restore", target)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").touch()
    assert "mine holds something already" in refused(data, "backup", tmp_path / "mine")


def test_what_is_equal_in_an_earlier_backup_is_linked_and_what_rotted_there_is_copied(
    backup: Path, data: Path, tmp_path: Path
) -> None:
    one = table(data, "candles")
    one.publish(MONTH, one.read([MONTH]).head(-1), one.metadata(MONTH))
    flip(backup / FILES / "price_features/2024-01.parquet")
    command(data, "backup", tmp_path / "later", "--since", backup)
    linked = {
        path.relative_to(tmp_path / "later" / FILES).as_posix()
        for path in (tmp_path / "later" / FILES).rglob("*.parquet")
        if path.stat().st_nlink == 2
    }
    assert linked == {
        "candles/2024-01.parquet",
        "daily_candles/2024-01.parquet",
        "daily_candles/2024-02.parquet",
        "price_features/2024-02.parquet",
    }
    command(tmp_path / "restored", "restore", tmp_path / "later")
    assert found(tmp_path / "restored") == found(data)


def test_dagsters_home_locks_and_what_killed_writers_left_stay_behind(data: Path, tmp_path: Path) -> None:
    (data / "dagster").mkdir()
    (data / "dagster/dagster.yaml").touch()
    (data / "dagster/runs.db").touch()
    (data / "candles/.2024-01.parquet.0a.tmp").touch()
    (data / "inbox").mkdir()
    (data / "inbox/BTC.csv").write_text("mine")
    with settings(data):
        taken = take(Settings.load(), current_catalog(), tmp_path / "backup")
    there = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    assert there - {*taken.files} == {
        "dagster/dagster.yaml",
        "dagster/runs.db",
        "candles/.2024-01.parquet.0a.tmp",
        "registry.db.lock",
        *(name for name in there if name.startswith(".locks/") or name.endswith(("-wal", "-shm"))),
    }
    assert read_manifest(tmp_path / "backup") == taken


def test_a_copied_database_is_checked(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / "online_switches.db")) as file, file:
        file.execute("UPDATE switches SET why = 'another one'")  # past the seal.
    assert "online_switches.db is damaged: its rows are not those that were written" in refused(
        data, "backup", tmp_path / "backup"
    )
    (data / "online_switches.db").write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    assert "a database in" in refused(data, "backup", tmp_path / "second")


def test_databases_that_are_locked_or_never_rest_are_tried_again_later(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_WAIT_SECONDS", 0.05)
    with closing(sqlite3.connect(data / "online_switches.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TransientError, match="does not answer: database is locked"), databases.at_one_moment(data):
            pass
    versions = iter(range(10_000))
    monkeypatch.setattr(databases, "_TRIES", 5)
    monkeypatch.setattr(databases, "_version", lambda _: next(versions))
    with pytest.raises(TransientError, match="changed 5 times"), databases.at_one_moment(data):
        pass


def test_what_is_on_a_server_is_said_to_be_elsewhere(data: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_FEATURES_STORE", "redis")
        said = command(data, "backup", tmp_path / "rows elsewhere")
        assert "online rows in Valkey or Redis are not in it: `crypto-features run` publishes them again" in said
        assert "What is switched off is in it" in said
        patch.setenv("CRYPTO_FEATURES_POSTGRES_URL", "postgresql://nobody@127.0.0.1:9/none")
        assert "Neither is the registry in PostgreSQL" in command(data, "backup", tmp_path / "both elsewhere")
        patch.setenv("CRYPTO_FEATURES_DATA", "memory://bucket")
        with pytest.raises(SettingsError, match="is a bucket"):
            take(Settings.load(), shipped, tmp_path / "none")


def test_every_table_is_copied_before_what_it_is_made_from() -> None:
    order = stages(shipped)
    for one in shipped.tables.values():
        assert all(order.index(one.name) < order.index(i.table.name) for i in getattr(one, "inputs", ())), one
    assert order.index("training/ml_training_features") == 0
    assert order.index(".marks") < order.index(journal.FOLDER) < order.index("candles") < order.index("quarantine")
    assert order[-1] == ".owners"
