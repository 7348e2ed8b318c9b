"""The reader gives what the platform gives, of every store, in every case; and refuses where it can't."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from feast import FeatureStore

from crypto_features import errors as platform_errors
from crypto_features.store import errors as store_errors
from crypto_features.store.online.pack_frame import packed_rows
from crypto_features.store.online.place import table_name
from crypto_features_reader import AsyncReader, Reader
from crypto_features_reader import errors as reader_errors
from crypto_features_reader.budget import Heard, packed
from crypto_features_reader.errors import (
    DamagedRowError,
    EmptyStoreError,
    InputError,
    OutdatedTableError,
    UnknownNameError,
)
from tests.servers import lose_everything
from tests.services import alike
from tests.services.alike import EVERY, MIXED, NOW, by_platform, by_reader, content, publish
from tests.store import factory

Read = Callable[[], object]
SYMBOLS = ["BTC", "OLD", "EDGE", "NULL", "NAN", "THIN", "LATE", "NEW", "OFF"]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())


@pytest.fixture
def feast(tmp_path: Path, url: str) -> Iterator[FeatureStore]:
    """A store with a row of every kind."""
    store = alike.opened(tmp_path, url)
    minutes = timedelta(minutes=1)
    publish(store, "prices", {"BTC": timedelta(0), "OFF": minutes, "OLD": 65 * minutes + timedelta.resolution})
    publish(store, "prices", {"EDGE": 65 * minutes})
    publish(store, "prices", {"NULL": minutes}, price=None, label=None)
    publish(store, "prices", {"NAN": minutes}, price=float("nan"))
    publish(store, "prices", {"THIN": minutes}, completeness=0.5)
    heard = packed(Heard(NOW - minutes, NOW - minutes / 2, NOW - minutes / 3), NOW - minutes / 4)
    publish(store, "prices", {"LATE": timedelta(seconds=-4)}, heard)
    publish(store, "volumes", dict.fromkeys(SYMBOLS[:3], 900 * minutes))
    alike.online(store).switched(store.config).off("OFF", "halted")
    time.sleep(0.6)
    yield store
    asyncio.run(alike.online(store).close())


def test_each_kind_of_row_is_answered_as_declared(feast: FeatureStore, url: str) -> None:
    found = by_reader(url, SYMBOLS, EVERY)
    assert found.statuses["price"] == [
        "PRESENT",
        "EXPIRED",
        "PRESENT",
        "NULL_VALUE",
        "NULL_VALUE",
        "INCOMPLETE",
        "PRESENT",
        "NOT_FOUND",
        "DISABLED",
    ]
    assert found["price"] == [1.5, None, 1.5, None, None, None, 1.5, None, None]
    assert found["label"][:4] == ["BULL", None, "BULL", None]
    assert found.ages["prices"][:3] == [timedelta(0), timedelta(minutes=65, microseconds=1), timedelta(minutes=65)]
    spent = found.budgets["prices"][6]
    assert spent is not None
    assert spent.publish == timedelta(seconds=15)


@pytest.mark.parametrize(
    ("features", "options"),
    [
        (EVERY, {}),
        (EVERY, {"full": True}),
        (EVERY, {"max_age": timedelta(seconds=30)}),
        (MIXED, {}),
        (MIXED, {"full": True}),
        ("both", {}),
        (["prices@v0:price", "volumes@latest:size"], {}),
        (["prices@v0:price", "prices:price"], {"full": True}),
    ],
)
def test_both_answer_alike(feast: FeatureStore, url: str, features: list[str] | str, options: dict[str, Any]) -> None:
    assert content(by_reader(url, SYMBOLS, features, **options)) == content(
        by_platform(feast, SYMBOLS, features, **options)
    )


def test_both_answer_alike_when_time_has_passed_or_gone_back(
    feast: FeatureStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in (-20, 1, 24 * 400):
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + timedelta(hours=hours)).isoformat())
        expected = by_platform(feast, SYMBOLS, MIXED)
        assert content(by_reader(url, SYMBOLS, MIXED)) == content(expected)
        assert expected["size"][0] == (None if hours < 0 else 7.0), "a view without a TTL"


def raised(read: Read) -> tuple[type[Exception], str]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - both are compared.
        read()
    return type(caught.value), str(caught.value)


REFUSED: list[Any] = [
    [],
    "none",
    "price",
    ["price"],
    ["prices:cost"],
    ["pric:price"],
    ["prices@v7:price"],
    ["prices:price", "prices:price"],
    ["prices:price", "prices@v0:price"],
]


def test_both_refuse_alike(feast: FeatureStore, url: str) -> None:
    for features in REFUSED:
        kind, said = raised(partial(by_reader, url, ["BTC"], features))
        other, says = raised(partial(by_platform, feast, ["BTC"], features))
        assert kind is other, features
        assert issubclass(kind, InputError | UnknownNameError)
        assert says.startswith(said), "the platform adds what to apply"


def test_a_view_switched_off_while_a_reader_is_open_is_withheld_within_a_second(feast: FeatureStore, url: str) -> None:
    switched = alike.online(feast).switched(feast.config)
    with Reader(url, project=alike.PROJECT) as reader:
        assert reader.get_online_features(["BTC"], EVERY)["price"] == [1.5]
        switched.off("prices", "wrong")
        time.sleep(0.6)
        found = reader.get_online_features(["BTC"], MIXED)
        assert (found.statuses["price"], found.statuses["size"]) == (["DISABLED"], ["PRESENT"])
        assert content(found) == content(by_platform(feast, ["BTC"], MIXED))
        switched.on("prices")
        time.sleep(0.6)
        assert reader.get_online_features(["BTC"], EVERY)["price"] == [1.5]


def test_what_is_published_is_in_the_next_read_and_never_goes_back(feast: FeatureStore, url: str) -> None:
    with Reader(url, project=alike.PROJECT) as reader:
        assert reader.get_online_features(["BTC", "NEW"], ["prices:price"])["price"] == [1.5, None]
        publish(feast, "prices", {"NEW": timedelta(0)}, price=2.5)
        publish(feast, "prices", {"BTC": timedelta(minutes=9)}, price=0.5)
        assert reader.get_online_features(["BTC", "NEW"], ["prices:price"])["price"] == [1.5, 2.5]


def test_a_view_that_changes_is_read_from_its_new_version_and_the_old_one_by_its_number(
    tmp_path: Path, feast: FeatureStore, url: str
) -> None:
    with Reader(url, project=alike.PROJECT) as reader:
        assert reader.get_online_features(["BTC"], ["volumes:size"])["size"] == [7.0]
        volumes = factory.view(tmp_path, "volumes", {"size": pl.Float64, "part": pl.Float64})
        feast.apply([volumes])
        feast.refresh_registry()
        assert reader.get_online_features(["BTC"], ["volumes:part"]).statuses == {"part": ["NOT_FOUND"]}
        publish(feast, "volumes", {"BTC": timedelta(0)}, size=8.0, part=0.1)
        refs = ["volumes@v0:size", "volumes:size", "volumes@v1:part"]
        found = reader.get_online_features(["BTC"], refs, full_feature_names=True)
        assert [column[0] for column in found.values()] == ["BTC", 7.0, 8.0, 0.1]
        assert content(found) == content(by_platform(feast, ["BTC"], refs, full=True))


def test_a_damaged_row_is_refused_and_the_others_are_served(feast: FeatureStore, url: str, tmp_path: Path) -> None:
    alike.damage(feast, url, tmp_path, "prices", "OLD")
    asyncio.run(alike.online(feast).close())
    alike.online(feast).__init__()  # type: ignore[misc] # as another process finds it.
    reads: list[Read] = [lambda: by_reader(url, ["OLD"], EVERY), lambda: by_platform(feast, ["OLD"], EVERY)]
    for read in reads:
        with pytest.raises(DamagedRowError, match=r"OLD.* is damaged\. Delete this row"):
            read()
    assert by_reader(url, ["BTC"], EVERY)["price"] == [1.5]


def test_a_row_of_another_type_is_refused(feast: FeatureStore, url: str) -> None:
    online, declared = alike.online(feast), feast.get_feature_view("volumes")
    field = declared.features[0]
    declared.features[0] = type(field)(name="size", dtype=factory.DTYPES[pl.String])
    row = {"symbol": ["BTC"], "event_timestamp": [NOW], "created_timestamp": [NOW], "size": ["large"]}
    online.write_rows(feast.config, declared, packed_rows(pl.DataFrame(row), declared, 3))
    reads: list[Read] = [lambda: by_reader(url, ["BTC"], MIXED), lambda: by_platform(feast, ["BTC"], MIXED)]
    for read in reads:
        with pytest.raises(OutdatedTableError, match="stored online as string_val"):
            read()


def test_a_store_that_lost_everything_is_refused_until_it_is_published_again(
    feast: FeatureStore, url: str, tmp_path: Path
) -> None:
    with Reader(url, project=alike.PROJECT) as reader:
        assert reader.get_online_features(["BTC"], EVERY)["price"] == [1.5]
        asyncio.run(alike.online(feast).close())
        lose_everything(url, tmp_path)
        with pytest.raises(EmptyStoreError, match=r"has no manifest of the project shop.*crypto-features run"):
            reader.get_online_features(["BTC"], EVERY)
        alike.online(feast).__init__()  # type: ignore[misc] # as another process finds it.
        publish(feast, "prices", {"BTC": timedelta(0)})
        assert reader.get_online_features(["BTC"], EVERY)["price"] == [1.5]
        time.sleep(0.6)
        assert reader.get_online_features(["OFF"], EVERY).statuses["price"] == ["DISABLED"], "the registry knew"


def test_a_store_that_lost_its_switches_serves_nothing(feast: FeatureStore, url: str, tmp_path: Path) -> None:
    backend = alike.online(feast).backend(feast.config)
    for name in backend.switches():
        backend.switch_off(name, "noted anew")
    backend.switch_on("")
    for symbols in (["BTC"], ["OFF"]):
        with pytest.raises(EmptyStoreError, match="lost what is switched off"):
            by_reader(url, symbols, EVERY)
    alike.online(feast).switched(feast.config).agree()
    assert by_reader(url, ["BTC", "OFF"], EVERY).statuses["price"] == ["PRESENT", "DISABLED"]


def test_a_view_that_lost_its_rows_is_not_one_without_rows(feast: FeatureStore, url: str) -> None:
    backend = alike.online(feast).backend(feast.config)
    backend.drop(table_name(feast.config, feast.get_feature_view("volumes")))
    reads: list[Read] = [lambda: by_reader(url, ["BTC"], MIXED), lambda: by_platform(feast, ["BTC"], MIXED)]
    for read in reads:
        with pytest.raises(EmptyStoreError, match="has nothing of volumes, which was published to it"):
            read()


def test_another_project_has_a_manifest_of_its_own(feast: FeatureStore, url: str) -> None:
    with pytest.raises(EmptyStoreError, match="no manifest of the project desk"):
        by_reader(url, ["BTC"], EVERY, project="desk")


def test_a_watcher_is_told_of_each_change_and_of_what_expires(
    feast: FeatureStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch() -> list[tuple[object, str]]:
        seen: list[tuple[object, str]] = []
        async with AsyncReader(url, project=alike.PROJECT) as reader:
            async for found in reader.watch_online_features(["BTC"], EVERY):
                seen.append((found["price"][0], found.statuses["price"][0]))
                if len(seen) == 1:
                    await asyncio.to_thread(publish, feast, "prices", {"BTC": timedelta(0)}, price=2.5)
                elif len(seen) == 2:
                    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + timedelta(hours=2)).isoformat())
                else:
                    return seen
        raise AssertionError

    assert asyncio.run(asyncio.wait_for(watch(), 60)) == [(1.5, "PRESENT"), (2.5, "PRESENT"), (None, "EXPIRED")]


def test_errors_are_the_same_classes() -> None:
    for name, kind in vars(reader_errors).items():
        if isinstance(kind, type) and issubclass(kind, reader_errors.CryptoFeaturesError):
            there = getattr(platform_errors, name, None) or getattr(store_errors, name, kind)
            assert there is kind, name
