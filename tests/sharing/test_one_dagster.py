"""Two code locations in one Dagster: each has assets of its own, and the graph runs across both."""

import sys
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest

from crypto_features.definitions import build
from crypto_features.errors import SettingsError
from crypto_features.settings import Settings

from .conftest import DESK, MONTHS, ROOT, desk, environment, owner

PRICE, MOMENTUM = dg.AssetKey("price_features"), dg.AssetKey("momentum")


@pytest.fixture
def locations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dg.Definitions, dg.Definitions]:
    environment(monkeypatch, tmp_path)
    monkeypatch.setenv("CRYPTO_FEATURES_START", MONTHS[0])
    with owner():
        first = build(Settings.load())
    with desk():
        return first, build(Settings.load())


def test_no_asset_is_executable_in_both(locations: tuple[dg.Definitions, dg.Definitions]) -> None:
    owners, desks = ({*d.resolve_asset_graph().executable_asset_keys} for d in locations)
    assert not owners & desks
    assert {key.to_user_string() for key in desks} == {
        "momentum",
        "online_store/momentum",
        "training/my_desk/momentum_features",
        "my_desk/feast_registry",
        "my_desk/recompute_plan",
        "my_desk/catalog",
    }


def test_what_is_borrowed_is_upstream_of_what_reads_it(locations: tuple[dg.Definitions, dg.Definitions]) -> None:
    graph = locations[1].resolve_asset_graph()
    training = graph.get(dg.AssetKey(["training", "my_desk", "momentum_features"]))
    assert PRICE in graph.get(MOMENTUM).parent_keys
    assert PRICE in training.parent_keys
    assert dg.AssetKey("feast_registry") in graph.get(dg.AssetKey(["my_desk", "feast_registry"])).parent_keys
    lineage = graph.get(MOMENTUM).metadata["dagster/column_lineage"].deps_by_column
    assert dg.TableColumnDep(PRICE, "return_20d") in lineage["daily_trend"]


def test_a_borrower_fetches_nothing(locations: tuple[dg.Definitions, dg.Definitions]) -> None:
    repository = locations[1].get_repository_def()
    assert [one.name for one in repository.schedule_defs] == ["forget_old_runs_each_day"]
    assert {sensor.name for sensor in repository.sensor_defs} == {"follow_inputs", "behind", "alerts"}


def test_a_borrower_waits_for_the_blocking_checks_of_what_it_borrows(
    locations: tuple[dg.Definitions, dg.Definitions],
) -> None:
    first, second = locations
    both = dg.Definitions(
        assets=[*(first.assets or ()), *(second.assets or ())],
        asset_checks=[*(first.asset_checks or ()), *(second.asset_checks or ())],
        resources=first.resources,
    )
    graph, month = both.resolve_asset_graph(), MONTHS[0]
    upstream = graph.get(MOMENTUM).parent_keys
    blocking = {key: graph.get(key).blocking for key in graph.get_check_keys_for_assets(upstream)}

    with dg.instance_for_test() as instance:

        def report(*, passed: bool) -> None:
            """What the blocking checks of the owner found; those of others pass."""
            for key in (key for key, blocks in blocking.items() if blocks):
                right = passed or key.asset_key != PRICE
                evaluation = dg.AssetCheckEvaluation(key.asset_key, key.name, passed=right, metadata={})
                instance.report_runless_asset_event(evaluation)

        for key in upstream:
            partition = month if graph.get(key).is_partitioned else None
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))
        seen = {}
        for passed in (False, True):
            report(passed=passed)
            asked = dg.evaluate_automation_conditions(both, instance, dg.AssetSelection.assets(MOMENTUM))
            seen[passed] = asked.get_requested_partitions(MOMENTUM)
    assert seen == {False: set(), True: {month}}


def test_a_location_whose_process_would_work_for_another_project_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, tmp_path)
    monkeypatch.syspath_prepend(DESK)
    monkeypatch.delitem(sys.modules, "crypto_features.definitions")
    with (
        owner(),
        pytest.raises(SettingsError, match=f"working directory {DESK}, and .* started in the project {ROOT}, for"),
    ):
        import_module("crypto_features.definitions")
