"""Stored rows that are damaged, of version 0.1, of another type or of an extreme size: right or refused by name."""

import asyncio
import random
import sqlite3
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import psycopg
import pytest
import redis
from feast import FeatureStore, FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from psycopg import sql

from crypto_features.errors import CryptoFeaturesError, InputError
from crypto_features.store.errors import DamagedRowError, OutdatedTableError
from crypto_features.store.online.answer import summary
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.connect import connect
from crypto_features.store.online.packing import packer
from crypto_features.store.online.request import serialized
from crypto_features.store.online.unpack_frame import online_frame
from crypto_features_reader.seal import sealed, unsealed
from crypto_features_reader.unpacking import unpack_columns
from tests.services.rows import read, row
from tests.store import factory

NOW = datetime(2024, 1, 2, tzinfo=UTC)
FEATURES = {"price": pl.Float64, "count": pl.Int64, "label": pl.String, "up": pl.Boolean}
SYMBOLS = [f"S{number}" for number in range(20)]
SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())


@pytest.fixture
def feast(tmp_path: Path, url: str) -> Iterator[FeatureStore]:
    store = opened(tmp_path, url, factory.view(tmp_path, "prices", FEATURES))
    yield store
    close(store)


def opened(folder: Path, url: str, view: FeatureView) -> FeatureStore:
    return factory.store(folder, [view], online={"type": factory.ONLINE, "url": url, "grace_seconds": 0})


def close(feast: FeatureStore) -> None:
    asyncio.run(feast._get_provider().online_store.close())


def rows(*symbols: str | None, **values: object) -> pd.DataFrame:
    """A row for each symbol, of now."""
    stamps = {"event_timestamp": NOW, "created_timestamp": NOW}
    found = [
        {
            "symbol": symbol,
            **stamps,
            "price": 1.5 + number,
            "count": number,
            "label": f"L{number}",
            "up": True,
            **values,
        }
        for number, symbol in enumerate(symbols)
    ]
    return pd.DataFrame(found)


def answer(feast: FeatureStore, *symbols: str, feature: str = "price") -> list[tuple[Any, str]]:
    response: Any = feast.get_online_features([f"prices:{feature}"], {"symbol": list(symbols)})
    values, statuses, _ = summary(response, {"symbol"})
    return list(zip(values[feature], statuses[feature], strict=True))


@SQLITE
def test_a_flipped_bit_of_the_file_is_never_served_as_another_value(
    tmp_path: Path, feast: FeatureStore, count: Callable[..., int]
) -> None:
    feast.write_to_online_store("prices", rows(*SYMBOLS))
    refs = [f"prices:{name}" for name in FEATURES]
    right = feast.get_online_features(refs, {"symbol": SYMBOLS}).to_dict()
    close(feast)  # the last connection folds the log into the file.
    path = tmp_path / "online.db"
    whole, chance = path.read_bytes(), random.Random(7)
    refused = 0
    for _ in range(count(ci=300, proof=10_000)):
        damaged, bit = bytearray(whole), chance.randrange(len(whole) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        for leftover in tmp_path.glob("online.db-*"):
            leftover.unlink()
        (tmp_path / "new").write_bytes(damaged)
        (tmp_path / "new").rename(path)
        try:
            response: Any = feast.get_online_features(refs, {"symbol": SYMBOLS})
            values, statuses, _ = summary(response, {"symbol"})
        except CryptoFeaturesError:
            refused += 1
            close(feast)
            continue
        for name in FEATURES:
            for value, expected, status in zip(values[name], right[name], statuses[name], strict=True):
                assert (value, status) in {(expected, "PRESENT"), (None, "NOT_FOUND")}, f"bit {bit}"
        close(feast)
    assert refused


def changed(url: str, folder: Path, column: str, value: int | bytes) -> None:
    """Change one column of the only row of the table `t`, past the store."""
    if url.startswith("sqlite"):
        with sqlite3.connect(folder / "online.db") as file:
            file.execute(f"UPDATE t SET {column} = ?", [value])  # noqa: S608 - a name of this test.
        file.close()
    elif url.startswith("redis"):
        client: Any = redis.Redis.from_url(url)
        stored = client.hget("crypto_features:1:t", b"BTC")
        places = {"event": slice(0, 8), "created": slice(8, 16), "payload": slice(16, None)}
        content = bytearray(stored)
        content[places[column]] = value.to_bytes(8, "big") if isinstance(value, int) else value
        client.hset("crypto_features:1:t", b"BTC", bytes(content))
    else:
        with psycopg.connect(url) as connection:
            update = sql.SQL("UPDATE t SET {column} = %s").format(column=sql.Identifier(column))
            connection.execute(update, [value])


@pytest.mark.parametrize("column", ["event", "created", "payload"])
def test_a_row_that_is_not_the_one_that_was_written_is_refused(url: str, tmp_path: Path, column: str) -> None:
    backend = connect(url)
    backend.write("t", [row(5, 4)])
    assert read(backend) == {b"BTC": row(5, 4)}
    backend.close()
    seal = b"\xff\xffrow1\x00\x00\x00\x00"
    changed(url, tmp_path, column, seal + b"5/4" if column == "payload" else 7)
    backend = connect(url)
    for call in (lambda: read(backend), lambda: backend.scan("t")):
        with pytest.raises(DamagedRowError, match=r"b'BTC' of .*t.* is damaged\. Delete this row"):
            call()
    backend.close()


@pytest.mark.parametrize(
    "change", [{"key": b"ETH"}, {"key": b"BTC\x00"}, {"event": 6}, {"created": 5}, {"created": -1}, {"event": "5"}]
)
def test_a_row_that_moved_to_another_key_time_or_table_is_refused(change: dict[str, Any]) -> None:
    stored = sealed("t", row(5, 4))
    assert unsealed("db", "t", stored) == row(5, 4)
    for table, fields in (("t", stored._replace(**change)), ("u", stored)):
        with pytest.raises(DamagedRowError, match=f"^db: .* of {table} is damaged"):
            unsealed("db", table, fields)


@pytest.mark.parametrize("url", ["valkey"], indirect=True)
def test_a_value_of_valkey_that_is_too_short_for_its_stamps_is_refused(url: str) -> None:
    client: Any = redis.Redis.from_url(url)
    client.hset("crypto_features:1:t", b"BTC", b"short")
    backend = connect(url)
    with pytest.raises(DamagedRowError, match="b'BTC' of t is damaged"):
        read(backend)
    backend.close()


@SQLITE
@pytest.mark.parametrize(
    "payload", [b"", b"\x05", b"\x05\x00abc", b"\x0b\x00price:maybe\x00", b"\x03\x00\xff:\xff", b"\xff\xff\x00"]
)
def test_a_payload_without_a_checksum_that_is_no_row_is_refused(
    tmp_path: Path, feast: FeatureStore, payload: bytes
) -> None:
    insert(feast, tmp_path, payload)
    with pytest.raises(DamagedRowError, match="a stored row is damaged"):
        answer(feast, "BTC")
    with pytest.raises(DamagedRowError, match="a stored row is damaged"):
        online_frame(feast, feast.get_feature_view("prices"))


def insert(feast: FeatureStore, folder: Path, payload: bytes) -> None:
    """A row of BTC as version 0.1 stored it."""
    key = EntityKey(join_keys=["symbol"], entity_values=[Value(string_val="BTC")])
    event = int(NOW.timestamp()) * 1_000_000
    with sqlite3.connect(folder / "online.db") as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS shop_prices (key BLOB PRIMARY KEY, event INTEGER NOT NULL, "
            "created INTEGER NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute(
            "INSERT OR REPLACE INTO shop_prices VALUES (?, ?, ?, ?)", StoredRow(serialized(key, 3), event, 0, payload)
        )
    connection.close()


@SQLITE
def test_a_row_of_version_0_1_is_served_until_it_is_published_again(tmp_path: Path, feast: FeatureStore) -> None:
    header = b"price:double_val"
    insert(feast, tmp_path, bytes([len(header), 0]) + header + b"\x00" + struct.pack("<d", 4.5))
    assert answer(feast, "BTC") == [(4.5, "PRESENT")]
    feast.write_to_online_store("prices", rows("BTC"))
    assert answer(feast, "BTC") == [(1.5, "PRESENT")]
    with sqlite3.connect(tmp_path / "online.db") as connection:
        ((payload,),) = connection.execute("SELECT payload FROM shop_prices").fetchall()
    connection.close()
    assert payload.startswith(b"\xff\xffrow1")


@SQLITE
def test_a_feature_whose_type_changed_is_named_until_its_view_is_published_again(
    tmp_path: Path, url: str, feast: FeatureStore
) -> None:
    feast.write_to_online_store("prices", rows("BTC"))
    close(feast)
    feast = opened(tmp_path, url, factory.view(tmp_path, "prices", {**FEATURES, "price": pl.String}))
    for call in (lambda: answer(feast, "BTC"), lambda: online_frame(feast, feast.get_feature_view("prices"))):
        with pytest.raises(OutdatedTableError, match=r"'price' is stored online as double_val .* string_val"):
            call()
    assert answer(feast, "BTC", feature="count") == [(0, "PRESENT")]
    feast.write_to_online_store("prices", rows("BTC", price="high"))
    assert answer(feast, "BTC") == [("high", "PRESENT")]
    close(feast)


@SQLITE
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_finite_number_is_null_however_it_is_published(
    tmp_path: Path, feast: FeatureStore, value: float
) -> None:
    feast.write_to_online_store("prices", rows("BTC", price=value))
    factory.table(tmp_path, "prices", pl.DataFrame(rows("ETH", price=value)))
    feast.materialize(NOW - timedelta(hours=1), NOW)
    assert answer(feast, "BTC", "ETH") == [(None, "NULL_VALUE")] * 2


@SQLITE
def test_rows_without_a_key_are_named_and_all_others_published(tmp_path: Path, feast: FeatureStore) -> None:
    factory.table(tmp_path, "prices", pl.DataFrame(rows("BTC", None, "ETH")))
    with pytest.raises(InputError, match=r"prices: 1 rows of 'prices_source' have no symbol"):
        feast.materialize(NOW - timedelta(hours=1), NOW)
    assert [status for _, status in answer(feast, "BTC", "ETH")] == ["PRESENT", "PRESENT"]


@SQLITE
def test_a_write_or_a_request_without_a_key_is_named(feast: FeatureStore) -> None:
    with pytest.raises(InputError, match="'symbol' is a join key and has no value"):
        feast.write_to_online_store("prices", rows(None))
    with pytest.raises(InputError, match="'symbol' is a join key and has no value"):
        feast.get_online_features(["prices:price"], {"symbol": ["BTC", None]})
    with pytest.raises(InputError, match="symbol: an entity value is not one value"):
        feast.get_online_features(["prices:price"], {"symbol": [["BTC"]]})


@SQLITE
@pytest.mark.parametrize("missing", [None, pd.NaT])
def test_a_row_without_a_time_is_refused_and_one_without_a_creation_time_is_the_oldest(
    feast: FeatureStore, missing: object
) -> None:
    with pytest.raises(InputError, match="prices: a row has no event time"):
        feast.write_to_online_store("prices", rows("BTC", event_timestamp=missing))
    feast.write_to_online_store("prices", rows("BTC", price=2.0))
    feast.write_to_online_store("prices", rows("BTC", created_timestamp=missing))
    assert answer(feast, "BTC") == [(2.0, "PRESENT")]


@SQLITE
def test_a_row_whose_names_take_more_than_64_kb_comes_back(tmp_path: Path, url: str) -> None:
    names = [f"feature_{'x' * 60}_{n}" for n in range(1000)]
    feast = opened(tmp_path, url, factory.view(tmp_path, "wide", dict.fromkeys(names, pl.Float64)))
    frame = pl.DataFrame({"symbol": ["BTC"], "event_timestamp": [NOW], "created_timestamp": [NOW]})
    factory.table(tmp_path, "wide", frame.with_columns(pl.lit(float(n)).alias(name) for n, name in enumerate(names)))
    feast.materialize(NOW - timedelta(hours=1), NOW)
    found = feast.get_online_features([f"wide:{name}" for name in names], {"symbol": ["BTC"]}).to_dict()
    assert [found[name] for name in names] == [[float(n)] for n in range(1000)]
    close(feast)


@SQLITE
@pytest.mark.parametrize("ttl", [timedelta(days=3_000_000), timedelta(days=3_652_500)])  # Feast's own most.
def test_a_ttl_of_millennia_is_no_limit(tmp_path: Path, url: str, ttl: timedelta) -> None:
    feast = opened(tmp_path, url, factory.view(tmp_path, "prices", FEATURES, ttl=ttl))
    factory.table(tmp_path, "prices", pl.DataFrame(rows("BTC", event_timestamp=datetime(1970, 1, 2, tzinfo=UTC))))
    feast.materialize(NOW, NOW)
    assert answer(feast, "BTC") == [(1.5, "PRESENT")]
    asked = pd.DataFrame({"symbol": ["BTC"], "event_timestamp": [NOW]})
    assert feast.get_historical_features(asked, ["prices:price"]).to_df()["price"].tolist() == [1.5]
    everyone = feast.get_historical_features(features=["prices:price"], end_date=NOW).to_df()
    assert everyone["price"].tolist() == [1.5]
    close(feast)


def test_a_header_of_every_length_is_read_back() -> None:
    for length in (1, 65_522, 65_523, 65_524, 65_525, 70_000):
        payload = packer(("n" * length,), ("double_val",))([2.5])
        assert unpack_columns([payload], [("n" * length, "double_val")]) == [[2.5]]
