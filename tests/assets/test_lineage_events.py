"""OpenLineage events of the whole graph, with column lineage, from Dagster's default storage into a file."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crypto_features.definitions import build
from crypto_features.graph.materialize import Built
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from crypto_features.tables.completeness import completeness_columns
from crypto_features.tables.lineage import lineage


@pytest.fixture
def events(built: list[Built], lineage_events: Path) -> list[dict[str, Any]]:
    assert built
    return [json.loads(line) for line in lineage_events.read_text().splitlines()]


@pytest.fixture
def outputs(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The newest event of each table that was written."""
    return {output["name"]: event for event in events for output in event["outputs"]}


def test_the_run_and_every_asset_of_it_is_told(
    events: list[dict[str, Any]], outputs: dict[str, dict[str, Any]], built: list[Built], platform: Path
) -> None:
    assert [event["eventType"] for event in events if event["job"]["name"] == "__ASSET_JOB"] == ["START", "COMPLETE"]
    assert set(outputs) == {asset.asset for asset in built}
    graph = build(Settings.load()).resolve_asset_graph()
    for name, event in outputs.items():
        parents = graph.get(dg.AssetKey(name.split("/"))).parent_keys
        assert {one["name"] for one in event["inputs"]} == {key.to_user_string() for key in parents}


@pytest.mark.parametrize("group", catalog.groups.values(), ids=catalog.groups)
def test_every_feature_is_told_with_the_columns_that_it_comes_from(outputs: dict[str, Any], group: Any) -> None:
    (table,) = outputs[group.name]["outputs"]
    fields = table["facets"]["columnLineage"]["fields"]
    found = {name: {(one["name"], one["field"]) for one in field["inputFields"]} for name, field in fields.items()}
    shares = {name: {(group.bars.name, "completeness")} for name in completeness_columns(group)}
    assert found == shares | {feature: set(sources) for feature, sources in lineage(group).items()}


def test_daily_candles_and_online_views_are_told_column_by_column(outputs: dict[str, Any]) -> None:
    (daily,) = outputs["daily_candles"]["outputs"]
    (close,) = daily["facets"]["columnLineage"]["fields"]["close"]["inputFields"]
    assert (close["name"], close["field"]) == ("candles", "close")
    (view,) = outputs["online_store/price_features"]["outputs"]
    (rsi,) = view["facets"]["columnLineage"]["fields"]["rsi_14"]["inputFields"]
    assert (rsi["name"], rsi["field"]) == ("price_features", "rsi_14")
