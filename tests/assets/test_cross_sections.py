"""A group that compares symbols, from candles to the bot: a row for each symbol of a day, served as it is stored."""

import shutil
from pathlib import Path

import dagster as dg
import pandas as pd
import polars as pl
import pytest
from upath import UPath

import crypto_features as cf
import feature_repo as repo
from crypto_features.catalogs import current_catalog
from crypto_features.cli.run import without_joined
from crypto_features.definitions import build
from crypto_features.explanation import Change, Verdict
from crypto_features.graph.materialize import command_tags, materialize_all
from crypto_features.lake import parquet
from crypto_features.lake.table import stored
from crypto_features.settings import Settings
from crypto_features.store import parity
from tests.assets.cross_market import DAY, DAYS, GONE, HOUR, LIVES, NEW, START, market

pytestmark = pytest.mark.timeout(900)  # three groups are leak-tested before they are published.
MONTHS = ("2024-01", "2024-02")
NOW = START + DAYS * DAY
FEATURES = ("rank_move", "z_beta", "rising", "beta", "to_btc")
REFS = [f"{'strength' if name in FEATURES[:3] else 'beside'}:{name}" for name in FEATURES]


def setting(patch: pytest.MonkeyPatch, folder: Path, symbols: str) -> None:
    given = {"SOURCE": "tests.assets.cross_market:market", "CATALOG": "tests.assets.cross_market:catalog"}
    given |= {"DATA": str(folder), "CLOCK": f"{NOW:%Y-%m-%dT%H:%MZ}", "SYMBOLS": symbols}
    for name, value in given.items():
        patch.setenv(f"CRYPTO_FEATURES_{name}", value)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after one run of everything."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch, dg.instance_for_test() as instance:
        setting(patch, folder, ",".join(LIVES))
        done = materialize_all(build(Settings.load()), instance, MONTHS)
    assert {"strength", "online_store/strength"} <= {one.asset for one in done}
    return folder


@pytest.fixture
def desk(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, whose settings hold for this test."""
    setting(monkeypatch, built, ",".join(LIVES))
    return built


def rows(folder: Path, table: str) -> pl.DataFrame:
    return stored(UPath(folder), current_catalog(), table).read().sort("symbol", "event_timestamp")


def closes() -> pd.DataFrame:
    """Closes by day and symbol."""
    frame = market(Settings.load()).frame.sort("symbol", "open_time").to_pandas()
    frame["day"] = frame["open_time"].dt.floor("D") + pd.Timedelta(days=1)
    return frame.pivot_table(index="day", columns="symbol", values="close", aggfunc="last")


def test_each_symbol_of_a_day_has_a_row_and_a_delisted_one_keeps_its_own(desk: Path) -> None:
    found = rows(desk, "strength")
    spans = {
        symbol: (part["event_timestamp"].min(), part["event_timestamp"].max(), part.height)
        for (symbol,), part in found.partition_by("symbol", as_dict=True).items()
    }
    expected = {s: (START + (first + 1) * DAY, START + last * DAY, last - first) for s, (first, last) in LIVES.items()}
    assert spans == expected


def test_ranks_are_those_of_pandas_over_who_was_in_the_universe_then(desk: Path) -> None:
    prices = closes()
    moves = prices.pct_change(fill_method=None).where(prices.notna().cumsum() > 3)
    count = moves.count(axis=1)
    expected = (moves.rank(axis=1).sub(1).div(count - 1, axis=0)).where(count > 1, axis=0)
    found = rows(desk, "strength").to_pandas()
    got = found.pivot_table(index="event_timestamp", columns="symbol", values="rank_move", dropna=False)
    pd.testing.assert_frame_equal(
        got, expected, check_names=False, check_freq=False, check_index_type=False, atol=1e-12, rtol=0
    )
    assert {*count[4:]} == {3, 4}


def test_the_bot_gets_what_is_stored_to_the_bit(desk: Path) -> None:
    alive = [symbol for symbol, (_, last) in LIVES.items() if last == DAYS]
    online = repo.get_online_features(alive, REFS)
    entities = pd.DataFrame({"symbol": alive, "event_timestamp": [NOW] * len(alive)})
    offline = repo.get_training_features(entities, "desk")
    for name in FEATURES:
        assert [*online[name]] == [None if pd.isna(value) else value for value in offline[name]], name
    assert all(online["rank_move"][alive.index(symbol)] is not None for symbol in ("BTC", "ETH", "NEW", "SOL"))
    assert [parity(view).equal for view in ("strength", "beside", "there")] == [True] * 3


def test_a_delisted_symbol_is_served_no_more_and_stays_in_the_past(desk: Path) -> None:
    online = repo.get_online_features(["GONE"], REFS)
    assert {*online.statuses["rank_move"]} == {"EXPIRED"}
    entities = pd.DataFrame(
        {"symbol": ["GONE", "NEW"] * 2, "event_timestamp": [GONE, GONE, NEW + 2 * DAY, NEW + 5 * DAY]}
    )
    offline = repo.get_training_features(entities, "desk")
    assert [bool(value) for value in offline["rank_move"].notna()] == [True, False, False, True]


def test_what_is_missing_where_btc_is_not_in_the_lake_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, tmp_path, "ETH,SOL")
    job = build(Settings.load()).resolve_implicit_global_asset_job_def()
    with dg.instance_for_test() as instance:
        chosen = [dg.AssetKey(name) for name in ("candles", "days", "beside")]
        run = job.execute_in_process(asset_selection=chosen, instance=instance, tags=command_tags(*MONTHS))
    (evaluation,) = (one for one in run.get_asset_check_evaluations() if one.check_name == "joined_symbols")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == (
        "0 of 1 symbols that are joined to all have rows; there is no BTC in days, so what is computed from it is null."
        " What to do: add BTC to CRYPTO_FEATURES_SYMBOLS and run `crypto-features run`, or correct symbol= of the "
        "joins of beside."
    )
    ((group, said),) = without_joined(Settings.load(), current_catalog())
    assert (group, f"{said.text} What to do: {said.todo}") == ("beside", evaluation.description)
    found = rows(tmp_path, "beside")
    assert (found.height, found["to_btc"].null_count(), found["move"].null_count()) == (2 * DAYS, 2 * DAYS, 2)


def test_values_beside_btc_and_among_all_symbols_come_out_of_their_candles(desk: Path) -> None:
    for ref, symbols in (("beside:beta", {"BTC", "ETH"}), ("strength:z_beta", {*LIVES})):
        found = cf.explain("ETH", ref)
        assert (found.verdict, repr(found.recomputed)) == (Verdict.HOLDS, repr(found.value))
        assert {*found.candles["symbol"]} == symbols
    day = START + 30 * DAY
    found = cf.explain("GONE", "strength:rank_move", at=day)
    expected = rows(desk, "strength").filter(symbol="GONE", event_timestamp=day)["rank_move"].item()
    assert repr(found.value) == repr(found.recomputed) == repr(expected)


def test_a_symbol_that_was_loaded_since_is_the_cause_of_another_rank(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NEW counts as loaded an hour after the others."""
    root = UPath(shutil.copytree(desk, tmp_path / "later"))
    setting(monkeypatch, Path(str(root)), ",".join(LIVES))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", f"{NOW + 2 * HOUR:%Y-%m-%dT%H:%MZ}")
    candles = stored(root, current_catalog(), "candles")
    for month in candles.months():
        frame, notes = candles.read([month]), candles.metadata(month)
        known = pl.when(pl.col("symbol") == "NEW").then(pl.lit(NOW + HOUR)).otherwise("known_at")
        parquet.write(
            candles.path(month), frame.with_columns(known_at=known.cast(frame.schema["known_at"])), notes=notes
        )
    moves = rows(desk, "beside").filter(pl.col("symbol") != "NEW", event_timestamp=NOW).sort("move")
    middle = moves["symbol"][1]
    found = cf.explain(middle, "strength:rank_move", since=NOW + HOUR / 2)
    (cause,) = found.causes
    assert moves.height == 3, "the three that were there: it is the second of them, and of four it is not in the middle"
    assert (cause.change, cause.what, cause.before, cause.after) == (Change.UNIVERSE, ("NEW",), 0.5, found.value)
    assert found.value in (1 / 3, 2 / 3)
