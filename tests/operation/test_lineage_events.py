"""OpenLineage events of runs that failed, and of a receiver that is away."""

import json
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crypto_features.errors import TransientError
from crypto_features.graph.materialize import RunFailedError, materialize_all
from tests.operation.world import World


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRYPTO_FEATURES_OPENLINEAGE", str(tmp_path / "lineage.ndjson"))
    return tmp_path / "lineage.ndjson"


def events(target: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_a_run_that_failed_is_told(world: World, target: Path) -> None:
    world.at(datetime(2024, 1, 20, 0, 30, tzinfo=UTC))
    with pytest.raises(RunFailedError):
        materialize_all(definitions_with_a_bad_market(), world.instance, ["2024-01", "2024-01"])
    world.tick("openlineage")
    assert [event["eventType"] for event in events(target)] == ["START", "FAIL"]


def definitions_with_a_bad_market() -> dg.Definitions:
    @dg.asset(name="candles")
    def broken() -> None:
        raise ValueError

    return dg.Definitions(assets=[broken], executor=dg.in_process_executor)


def test_what_could_not_be_sent_is_sent_again_and_the_address_stays_secret(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_OPENLINEAGE", "http://user:s3cret@127.0.0.1:9")
    with pytest.raises(RunFailedError):
        materialize_all(definitions_with_a_bad_market(), world.instance, ["2024-01", "2024-01"])
    with pytest.raises(TransientError, match="could not be sent") as caught:
        world.tick("openlineage")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
