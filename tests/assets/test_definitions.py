"""The graph reads as documentation: every asset says what it holds, in which units, and where that comes from."""

from itertools import pairwise

import dagster as dg
import pytest

from crypto_features.definitions import defs
from crypto_features.shipped import catalog

SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
TABLES = [*catalog.groups, *(f"online_store/{name}" for name in catalog.groups), "training/ml_training_features"]


@pytest.mark.parametrize("asset", sorted(SPECS))
def test_every_asset_has_description_group_kinds_and_owners(asset: str) -> None:
    spec = SPECS[asset]
    assert spec.description
    assert spec.group_name in {"market", "features", "models", "serving", "training", "documentation"}
    assert spec.kinds
    assert spec.owners


@pytest.mark.parametrize("asset", TABLES)
def test_every_column_of_a_feature_has_a_unit_and_a_source(asset: str) -> None:
    metadata = SPECS[asset].metadata
    schema, lineage = metadata["dagster/column_schema"], metadata["dagster/column_lineage"]
    assert isinstance(schema, dg.TableSchema)
    assert isinstance(lineage, dg.TableColumnLineage)
    features = [c for c in schema.columns if c.name not in {"symbol", "event_timestamp", "created_timestamp"}]
    assert features
    for column in features:
        assert column.description is not None
        assert "Unit: " in column.description
        assert lineage.deps_by_column[column.name]


def test_the_lineage_leads_from_raw_candles_to_the_online_store() -> None:
    path = ["candles", "daily_candles", "price_features", "trading_signals", "online_store/trading_signals"]
    for upstream, downstream in pairwise(path):
        assert upstream in {dep.asset_key.to_user_string() for dep in SPECS[downstream].deps}


def test_a_code_server_loads_everything() -> None:
    defs.get_repository_def().load_all_definitions()
