"""A flipped bit in any file that the platform writes is an error, or without effect: never another value.

Partitions are in `tests/market/test_parquet.py`, online rows in `test_damage.py`. Locks are empty, and of the files
that remember a passed leak test the names alone are read.
"""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from feast import FeatureService
from google.protobuf.json_format import MessageToDict
from upath import UPath

from crypto_features.errors import CryptoFeaturesError
from crypto_features.ingest.missing import Planner
from crypto_features.lake.history import models_of
from crypto_features.lake.models import load_model, publish_model
from crypto_features.lake.owners import claim, owner
from crypto_features.lake.pins import announce_pin, pin, readers, set_pin
from crypto_features.shipped import catalog
from crypto_features.sources.remembered import Remembered, recall, remember
from crypto_features.sources.vendor import Choices
from crypto_features.store.online.switch_file import SwitchFile
from crypto_features.store.online.switches import RegistryCopy
from crypto_features.store.reach import typed_errors
from crypto_features.tables.artefact import opened, written
from crypto_features.versions import measured
from crypto_features.versions.provenance import PUBLISHED_AT
from tests.market.market import HOUR, START, Resuming, candles
from tests.market.test_ingest import Lake
from tests.store import factory

PLUGIN = {"sqlalchemy_config_kwargs": {"plugins": ["crypto_features"]}, "enable_online_feature_view_versioning": True}

Reading = tuple[Path, Callable[[], Any], tuple[Any, ...]]
"""A file, what is read of it, and what may be read in its place: where it counts as never written."""


def registry(folder: Path) -> Reading:
    path = folder / "registry.db"
    given: dict[str, Any] = {"registry": PLUGIN}
    view = factory.view(folder, "prices", {"price": pl.Float64}, ttl=timedelta(hours=1))
    feast = factory.store(folder, [view], FeatureService(name="all", features=[view]), **given)
    feast.apply([factory.view(folder, "prices", {"price": pl.Float64, "volume": pl.Float64}, ttl=timedelta(hours=2))])
    config = feast.config.registry
    RegistryCopy(config.path, config.sqlalchemy_config_kwargs).note({"BTC": "halted", "prices": "wrong"})
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found: Any = feast.registry

    def read() -> Any:
        found.write_engine.dispose()
        copy = RegistryCopy(config.path, config.sqlalchemy_config_kwargs)
        try:
            with typed_errors():
                message = MessageToDict(found.proto())
                message.pop("versionId")
                older = MessageToDict(found.get_feature_view_by_version("prices", "shop", 0).to_proto())
                return message, found.list_feature_view_versions("prices", "shop"), older, copy.read()
        finally:
            found.write_engine.dispose()
            if copy._engine is not None:
                copy._engine[1].dispose()

    return path, read, ()


def switch_file(folder: Path) -> Reading:
    switches = SwitchFile(folder / "online.db")
    for name in ("BTC", "prices", ""):
        switches.off(name, "halted")
    return switches.path, switches.read, ()


MODEL = {"means": [0.25, -1.5], "states": 2, "roots": np.arange(6)}


def model_json(folder: Path) -> Reading:
    publish_model(UPath(folder), "trees", "2024-05", opened(written(MODEL, {"labels": ["BULL", "BEAR"]})), NOTES)
    return folder / "trees" / "2024-05.json", lambda: load_model(UPath(folder), "trees", "2024-05"), ()


NOTES = {PUBLISHED_AT: "2024-06-01T00:00:00+00:00"}


def model_array(folder: Path) -> Reading:
    _, read, _ = model_json(folder)
    (path,) = (folder / "trees").glob("*.npy")
    return path, read, ()


def replaced_model(folder: Path) -> Reading:
    model_json(folder)
    publish_model(UPath(folder), "trees", "2024-05", opened(written({"states": 3}, {})), NOTES)
    (path,) = (folder / "trees" / "superseded").rglob("*.json")
    return path, lambda: models_of(UPath(folder), "trees"), ()


def pin_note(folder: Path) -> Reading:
    root = UPath(folder)
    set_pin(root, "desk", "prices", "0a1b2c")
    announce_pin(root, "desk", "prices", "3d4e5f")
    asked = ("0a1b2c", "3d4e5f", "0a1b2d")
    return (
        folder / ".pins" / "desk" / "prices.json",
        lambda: (pin(root, "desk", "prices"), [readers(root, "prices", behaviour) for behaviour in asked]),
        (),
    )


def owner_note(folder: Path) -> Reading:
    claim(UPath(folder), "prices", "desk")
    return folder / ".owners" / "prices.json", lambda: owner(UPath(folder), "prices"), ()


def mark(folder: Path) -> Reading:
    lake, frame = Lake(folder), candles("BTC", count=744)
    gap = pl.col("open_time").is_between(START + 300 * HOUR, START + 319 * HOUR)
    source = Resuming(frame.filter(~gap))
    lake.take(source, now=START + 744 * HOUR)
    path = folder / ".marks" / "candles" / "2024-01.json"

    def read() -> Any:
        planner = Planner(source, lake.candles, HOUR, START + 744 * HOUR, timedelta(days=1))
        return planner.stored(["2024-01"])

    content = path.read_bytes()
    path.unlink()
    never = read()
    path.write_bytes(content)
    assert read() != never
    return path, read, (never,)


def remembered(folder: Path) -> Reading:
    file, cache, choices = folder / "BTC.csv", UPath(folder / "cache"), Choices()
    file.write_text("rows")
    remember(cache, file, choices, Remembered({}, "it is empty", {"ETH": "no rows"}))
    (path,) = (folder / "cache").iterdir()
    return path, lambda: recall(cache, file, choices), (None,)


def measured_behaviour(folder: Path) -> Reading:
    """What was measured of the code, and whether it is measured anew."""
    found = {"prices": {"rsi_14": "0a1b2c", "ma_5": "3d4e5f"}}

    def read() -> Any:
        anew = list[bool]()

        def measure(_: object) -> dict[str, dict[str, str]]:
            anew.append(True)
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder))
            patch.setattr(measured, "_reader", lambda: SimpleNamespace(digest=lambda *_: "0a"))
            patch.setattr(measured, "table_fingerprints", measure)
            measured.measured.cache_clear()
            try:
                return measured.measured(catalog), bool(anew)
            finally:
                measured.measured.cache_clear()

    read()
    (path,) = (folder / "crypto-features").iterdir()
    return path, read, ((found, True),)


def replace(path: Path, content: bytes) -> None:
    """As a backup is restored: another file, without the log of the one before."""
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    new = path.with_name("new")
    new.write_bytes(content)
    new.rename(path)


KINDS = [
    registry,
    switch_file,
    model_json,
    model_array,
    replaced_model,
    pin_note,
    owner_note,
    mark,
    remembered,
    measured_behaviour,
]


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_an_error_or_changes_nothing(
    tmp_path: Path, kind: Callable[[Path], Reading], count: Callable[..., int]
) -> None:
    path, read, never_written = kind(tmp_path)
    right, whole, draw = read(), path.read_bytes(), random.Random(9)
    allowed, refused = [right, *never_written], 0
    used = [place for place, byte in enumerate(whole) if byte]  # a page of SQLite is mostly empty.
    for number in range(count(ci=40, proof=10_000)):
        bit = 8 * (draw.choice(used) if number % 2 else draw.randrange(len(whole))) + draw.randrange(8)
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        replace(path, bytes(content))
        try:
            found = read()
        except CryptoFeaturesError:
            refused += 1
        else:
            assert found in allowed, f"bit {bit}"
            refused += found != right
    assert refused
    replace(path, whole)
    assert read() == right
    print(f"{kind.__name__}: {len(whole)} bytes, {refused} of the flips were refused")
