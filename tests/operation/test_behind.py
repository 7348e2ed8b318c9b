"""What is behind is asked for, most upstream first, at growing intervals, and nothing is forgotten or starved."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from crypto_features.automation.lagging import Lag, lagging
from crypto_features.automation.market_now import MarketNow
from crypto_features.graph.recompute import plan_of
from crypto_features.settings import Settings
from crypto_features.shipped import regime_model
from crypto_features.shipped.regime_model import prior_model
from crypto_features.tables.artefact import written
from crypto_features.versions.measured import current_definitions, feature_versions
from crypto_features.versions.provenance import partition_metadata
from tests.market.market import HOUR
from tests.operation.world import NOW, World, span


def test_an_empty_folder_is_filled_from_the_first_month(world: World) -> None:
    ((request,), _, _) = world.tick("behind")
    assert span(request) == ("2024-01", "2024-03")
    assert request.asset_selection == [dg.AssetKey("candles")]


def test_a_table_that_is_behind_is_asked_for_at_the_second_look(world: World) -> None:
    world.store_candles(NOW)
    requests, reason, cursor = world.tick("behind")
    assert not requests
    assert reason.split("; ")[:2] == [
        "daily_candles is behind: 3 months from 2024-01 to 2024-03",
        "its rule has until the next look",
    ]
    ((request,), _, _) = world.tick("behind", cursor)
    assert request.asset_selection == [dg.AssetKey("daily_candles")]
    assert span(request) == ("2024-01", "2024-03")


def looks(world: World, *times: datetime) -> list[list[str]]:
    """The assets that the sensor `behind` asks for at these times, each run failing."""
    cursor, asked = None, []
    for time in times:
        world.at(time)
        requests, _, cursor = world.tick("behind", cursor)
        asked.append([key.to_user_string() for request in requests for key in request.asset_selection or ()])
    return asked


def test_what_stays_behind_is_asked_for_at_growing_intervals_and_starves_nobody(world: World) -> None:
    world.store_candles(NOW - 3 * HOUR)
    minutes = [0, 1, 2, 3, 9, 10, 11, 12, 20, 21, 22, 29, 30, 31, 32, 49, 50, 51, 52, 89, 90, 91]
    found = looks(world, *(NOW + timedelta(minutes=minute) for minute in minutes))
    asked = [(minute, name) for minute, names in zip(minutes, found, strict=True) for name in names]
    assert [minute for minute, name in asked if name == "candles"] == [0, 10, 20, 30, 50, 90]
    assert [minute for minute, name in asked if name == "daily_candles"] == [1, 11, 21, 31, 51, 91]
    assert {name for _, name in asked} == {"candles", "daily_candles", "feast_registry"}


def test_a_symbol_that_is_late_is_asked_for_while_the_others_have_every_candle(world: World) -> None:
    world.store_candles(NOW - 5 * HOUR)
    world.store_candles(NOW, ("BTC",))
    at = MarketNow(Settings.load(), world.lake)
    assert at.months_to_fetch == ()
    assert at.months_of_late == ("2024-03",)
    ((request,), _, _) = world.tick("behind")
    assert (request.asset_selection, span(request)) == ([dg.AssetKey("candles")], ("2024-03", "2024-03"))
    world.store_candles(NOW)
    assert MarketNow(Settings.load(), world.lake).months_of_late == ()


def test_on_the_first_of_a_month_only_days_that_are_over_are_expected(world: World) -> None:
    midnight = datetime(2024, 3, 1, tzinfo=UTC)
    world.store_candles(midnight + 5 * HOUR)
    world.store_days("2024-01", "2024-02")
    world.at(midnight + 5 * HOUR)
    assert stale("daily_candles") == []
    assert stale("price_features") == ["2024-01", "2024-02"]
    world.store_candles(midnight + 24 * HOUR)
    world.at(midnight + 24 * HOUR)
    assert stale("daily_candles") == ["2024-03"]


def test_the_last_day_of_a_month_is_asked_for_in_its_own_month(world: World) -> None:
    midnight = datetime(2024, 3, 1, tzinfo=UTC)
    world.at(midnight - HOUR)
    world.store_candles(midnight - HOUR)
    world.store_days("2024-01", "2024-02")
    world.store_candles(midnight + HOUR)
    world.at(midnight + HOUR)
    assert stale("daily_candles") == ["2024-02"]


def test_a_failed_publication_is_asked_for_again(world: World) -> None:
    world.store_candles(NOW)
    at = MarketNow(Settings.load(), world.lake)
    world.store_signals("2024-03")
    world.record("feast_registry", None)
    world.record("online_store/trading_signals", "2024-03")
    world.record("trading_signals", "2024-03")
    assert ("online_store/trading_signals", ("2024-03",)) in [(what, months) for what, _, months in behind(at, world)]
    world.record("online_store/trading_signals", "2024-03")
    assert "online_store/trading_signals" not in [what for what, _, _ in behind(at, world)]


def stale(asset: str) -> list[str]:
    return [item.partition for item in plan_of(Settings.load()).stale if item.asset == asset]


def behind(at: MarketNow, world: World) -> list[Lag]:
    return list(lagging(at, world.instance))


def test_a_month_that_was_lost_by_an_interrupted_backfill_is_asked_for(world: World) -> None:
    world.store_candles(NOW)
    at = MarketNow(Settings.load(), world.lake)
    assert at.neglected == ()
    world.lake.table("candles").path("2024-01").unlink()
    (world.folder / ".marks/candles/2024-01.json").unlink()
    ((request,), _, _) = world.tick("behind")
    assert (request.asset_selection, span(request)) == ([dg.AssetKey("candles")], ("2024-01", "2024-01"))


def test_a_regime_model_that_is_not_whole_is_stale(world: World) -> None:
    world.store_candles(NOW)
    folder = world.folder / "regime_model"
    folder.mkdir()
    code = feature_versions("regime_model"), current_definitions()["regime_model"]
    notes = partition_metadata(pl.DataFrame(), code[0], {"price_features": {}}, code[1])
    (folder / "2024-01.json").write_text(written(prior_model().parameters, regime_model.about, notes))
    (folder / "2024-02.json").touch()
    assert stale("regime_model") == ["2024-02", "2024-03"]


def test_nothing_is_made_from_a_table_whose_blocking_check_fails(world: World) -> None:
    world.store_candles(NOW)
    asked = []
    for passed in (False, True):
        check = dg.AssetCheckEvaluation(dg.AssetKey("candles"), "contract", passed, {}, blocking=True)
        world.instance.report_runless_asset_event(check)
        found = looks(world, *(NOW + timedelta(minutes=minute) for minute in range(5)))
        asked.append({name for names in found for name in names})
    assert asked == [{"feast_registry"}, {"daily_candles", "feast_registry"}]
