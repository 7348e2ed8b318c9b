"""A platform that was materialized once, on three months of the sample market."""

import os
from pathlib import Path

import dagster as dg
import pytest

from crypto_features.graph.materialize import Built, materialize_all
from crypto_features.settings import Settings

CLOCK = "2024-03-10T05:30Z"
MONTHS = ("2024-01", "2024-02", "2024-03")
SYMBOLS = ("BTC", "ETH")


@pytest.fixture(scope="session")
def platform_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of the platform that `built` filled."""
    return {
        "CRYPTO_FEATURES_DATA": str(tmp_path_factory.mktemp("platform")),
        "CRYPTO_FEATURES_CLOCK": CLOCK,
        "CRYPTO_FEATURES_SYMBOLS": ",".join(SYMBOLS),
    }


@pytest.fixture(scope="session")
def lineage_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file into which the OpenLineage events of that run went."""
    return tmp_path_factory.mktemp("lineage") / "events.ndjson"


@pytest.fixture(scope="session")
def built(platform_environment: dict[str, str], lineage_events: Path) -> list[Built]:
    """What the run recorded of each asset."""
    from crypto_features.definitions import build

    with pytest.MonkeyPatch.context() as patch, dg.instance_for_test() as instance:
        for name, value in platform_environment.items():
            patch.setenv(name, value)
        patch.setenv("CRYPTO_FEATURES_OPENLINEAGE", str(lineage_events))
        definitions = build(Settings.load())
        found = materialize_all(definitions, instance, MONTHS)
        repository = definitions.get_repository_def()
        sensor = repository.get_sensor_def("openlineage")
        sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=repository))
        return found


@pytest.fixture
def platform(built: list[Built], platform_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the filled platform, whose settings hold for this test."""
    assert built
    for name, value in platform_environment.items():
        monkeypatch.setenv(name, value)
    return Path(os.environ["CRYPTO_FEATURES_DATA"])
