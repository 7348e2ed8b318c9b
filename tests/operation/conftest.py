"""A world with two symbols of the sample market."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.operation.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")
    with dg.instance_for_test() as instance:
        yield World(tmp_path / "data", monkeypatch, instance)
