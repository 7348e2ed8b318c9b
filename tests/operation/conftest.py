"""A world with two symbols of the sample market."""

import gc
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.operation.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")
    gc.collect()  # an instance that an earlier test left open is closed now, and not in the middle of this one.
    with dg.instance_for_test() as instance:
        yield World(tmp_path / "data", monkeypatch, instance)
