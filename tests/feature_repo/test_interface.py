"""The Python interface: what the training pipeline and the bot call."""

import asyncio
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import feature_repo as repo
from crypto_features import store
from crypto_features.errors import CryptoFeaturesError, InputError, SettingsError, UnknownNameError
from crypto_features.shipped import catalog
from crypto_features.store import (
    FeastResource,
    MissingTableError,
    NotAppliedError,
    OutsideSpanWarning,
    StoreMisusedError,
    UnreadableTableError,
    parity,
    session,
    switch,
)
from crypto_features.store.offline.entities import EntityFrame

from .conftest import NOW, SYMBOLS

CLOSE = datetime(2024, 2, 20)  # noqa: DTZ001 - naive on purpose: it is UTC.
MIDNIGHT = NOW.replace(hour=0, minute=0)


def test_an_entity_frame_is_every_symbol_at_every_time_both_ends_included() -> None:
    frame = repo.create_entity_df(["ETH", "BTC"], CLOSE, CLOSE + timedelta(days=1), freq="12h")
    assert frame["symbol"].tolist() == ["ETH"] * 3 + ["BTC"] * 3
    assert frame["event_timestamp"].tolist()[:3] == [
        pd.Timestamp(CLOSE, tz="UTC") + pd.Timedelta(hours=h) for h in (0, 12, 24)
    ]


def test_a_row_is_known_from_its_close_and_not_a_second_earlier(published: FeastResource) -> None:
    first = catalog.groups["trading_signals"].features[0].name
    times = [CLOSE - timedelta(seconds=1), CLOSE]
    frame = repo.get_training_features(pd.DataFrame({"symbol": "BTC", "event_timestamp": times}), "trading_features")
    day = (CLOSE - datetime(1970, 1, 1)).days  # noqa: DTZ001 - both naive.
    assert frame[first].tolist() == [day - 1, day]


def test_order_duplicates_and_further_columns_of_the_entity_frame_are_kept(published: FeastResource) -> None:
    frame = pd.DataFrame(
        {"symbol": ["ETH", "BTC", "ETH"], "event_timestamp": [CLOSE, CLOSE, CLOSE], "label": [3, 1, 2]}
    )
    joined = repo.get_training_features(frame)
    assert joined["label"].tolist() == [3, 1, 2]
    assert joined["symbol"].tolist() == ["ETH", "BTC", "ETH"]
    names = [name for features in catalog.services["ml_training_features"].features.values() for name in features]
    assert list(joined.columns) == ["symbol", "event_timestamp", "label", *names]


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "text"])
def test_every_kind_of_entity_frame_gives_the_same(published: FeastResource, kind: str) -> None:
    frame = repo.create_entity_df(list(SYMBOLS), CLOSE, CLOSE + timedelta(days=2))
    expected = repo.get_training_features(frame)
    made: Any = {
        "pandas": frame.assign(event_timestamp=frame["event_timestamp"].dt.tz_convert("Asia/Seoul")),
        "polars": pl.from_pandas(frame),
        "arrow": pl.from_pandas(frame).to_arrow(),
        "text": frame.assign(event_timestamp=frame["event_timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S")),
    }[kind]
    got = repo.get_training_features(made)
    pd.testing.assert_frame_equal(got.drop(columns="event_timestamp"), expected.drop(columns="event_timestamp"))


def test_regimes_of_a_span_are_one_row_a_day(published: FeastResource) -> None:
    frame = repo.get_regime_features(["BTC"], CLOSE, CLOSE + timedelta(days=4))
    assert list(frame.columns) == ["symbol", "event_timestamp", "regime_label", "regime_probability", "regime_duration"]
    assert len(frame) == 5


def test_online_features_carry_status_time_and_age(published: FeastResource) -> None:
    refs = ["price_features:rsi_14", "regime_features:regime_label"]
    answer = repo.get_online_features(["BTC", "NEW"], refs)
    assert answer["symbol"] == ["BTC", "NEW"]
    assert answer["regime_label"] == ["19783", None]
    assert answer.statuses["rsi_14"] == ["PRESENT", "NOT_FOUND"]
    assert answer.event_times["price_features"] == [MIDNIGHT, None]
    assert answer.ages["regime_features"] == [timedelta(minutes=30), None]


def test_an_answer_is_withheld_when_it_is_older_than_asked_for(published: FeastResource) -> None:
    answer = repo.get_online_features(["BTC"], "ml_training_features", max_age=timedelta(minutes=29))
    assert set(answer.statuses["rsi_14"]) == {"EXPIRED"}
    assert answer["rsi_14"] == [None]


def test_asynchronous_reads_give_the_same(published: FeastResource) -> None:
    plain = repo.get_online_features(list(SYMBOLS), "trading_features")
    assert asyncio.run(repo.get_online_features_async(list(SYMBOLS), "trading_features")) == plain


def test_threads_share_one_store(published: FeastResource) -> None:
    expected = repo.get_online_features(list(SYMBOLS), "trading_features")
    answers: list[Any] = []

    def read() -> None:
        answers.extend(repo.get_online_features(list(SYMBOLS), "trading_features") for _ in range(50))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 400
    assert session.feature_store() is session.feature_store()


def test_publishing_reports_what_was_written(own: FeastResource) -> None:
    report = repo.materialize_features(["price_features"])["price_features"]
    assert (report.rows, report.symbols) == (2, 2)
    assert report.first_event_time == report.last_event_time == MIDNIGHT


def test_freshness_names_what_expired(published: FeastResource, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(view.fresh for view in repo.validate_feature_freshness().values())
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + timedelta(hours=2)).isoformat())
    report = repo.validate_feature_freshness()
    assert report["trading_signals"].expired == SYMBOLS
    assert report["price_features"].fresh


def test_what_is_switched_off_says_so(own: FeastResource) -> None:
    switch.disable("price_features", "test")
    session._stores.clear()
    answer = repo.get_online_features(["BTC"], "ml_training_features")
    assert answer.statuses["rsi_14"] == ["DISABLED"]
    assert answer["rsi_14"] == [None]
    assert answer.statuses["volume_ratio"] == ["PRESENT"]
    switch.enable("price_features")
    assert switch.disabled() == {}
    with pytest.raises(UnknownNameError, match="price_featurs"):
        switch.disable("price_featurs", "test")


def damage(root: Path, what: str) -> None:
    if what == "registry":
        session._stores.clear()
        for file in root.glob("registry.db*"):
            file.write_bytes(b"no database" * 100)
        return
    for group in catalog.groups:
        for file in (root / group).iterdir():
            if what == "missing":
                file.unlink()
            else:
                file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize("what", ["truncated", "missing"])
def test_the_kill_switch_and_not_found_need_no_table(own: FeastResource, tmp_path: Path, what: str) -> None:
    damage(tmp_path / "data", what)
    assert repo.get_online_features(["NEW"], ["price_features:rsi_14"]).statuses["rsi_14"] == ["NOT_FOUND"]
    assert switch.disable("BTC", "test")
    session._stores.clear()
    assert repo.get_online_features(["BTC"], ["price_features:rsi_14"]).statuses["rsi_14"] == ["DISABLED"]


def test_a_damaged_registry_is_a_permanent_error(own: FeastResource, tmp_path: Path) -> None:
    damage(tmp_path / "data", "registry")
    with pytest.raises(StoreMisusedError, match=r"registry\.db is damaged: file is not a database\. It holds .*rm -f"):
        ask()


def test_a_data_folder_that_is_a_file_is_a_permanent_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SettingsError, match="data is a file; expected a folder"):
        ask()


def test_the_kill_switch_needs_no_registry(own: FeastResource, tmp_path: Path) -> None:
    damage(tmp_path / "data", "registry")
    assert switch.disable("price_features", "test")
    assert not switch.disable("BTC", "test")
    assert set(switch.disabled()) == {"BTC", "price_features"}


def test_what_is_published_equals_the_tables_to_the_bit(published: FeastResource) -> None:
    for name in catalog.groups:
        report = parity(name)
        assert report.equal, report.differences
        assert report.rows == len(SYMBOLS)


def test_applying_twice_is_the_same_registry(own: FeastResource) -> None:
    once = own.apply()
    assert own.apply() == once
    assert {"symbol", *catalog.groups, *catalog.services} <= set(once[1])
    fields = session.feature_store().get_feature_view("price_features").features
    assert all(field.tags["behaviour"] and field.tags["unit"] and field.description for field in fields)


def ask(symbols: Any = ("BTC",), refs: Any = ("price_features:rsi_14",)) -> None:
    repo.get_online_features(
        symbols if isinstance(symbols, str) else list(symbols), refs if isinstance(refs, str) else list(refs)
    )


SIXTY: Any = 60
NAT: Any = pd.NaT
BOTH = ["price_features:rsi_14", "price_features@v0:rsi_14"]
ENTITY = {"symbol": ["BTC"], "event_timestamp": [CLOSE]}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ask(refs=["price_featurs:rsi_14"]), UnknownNameError, "did you mean 'price_features'"),
        (lambda: ask(refs=["price_features:rsi_41"]), UnknownNameError, "did you mean 'rsi_14'"),
        (lambda: ask(refs="trading_featurs"), UnknownNameError, "available: ml_training_features"),
        (lambda: ask(symbols=["BTCC"]), UnknownNameError, "available: BTC, ETH"),
        (lambda: ask(symbols=[]), InputError, "symbols must be a list"),
        (lambda: ask(symbols="BTC"), InputError, "symbols must be a list"),
        (lambda: ask(refs=[]), InputError, "feature_refs must be a list"),
        (lambda: ask(refs=["rsi_14"]), InputError, "view:feature"),
        (lambda: repo.get_training_features(pd.DataFrame(ENTITY), "nope"), UnknownNameError, "unknown feature service"),
        (lambda: repo.get_training_features(pd.DataFrame(ENTITY)[:0]), InputError, "no rows"),
        (lambda: repo.get_training_features(pd.DataFrame({"symbol": ["BTC"]})), InputError, "event_timestamp"),
        (lambda: repo.get_training_features(pd.DataFrame({"event_timestamp": [CLOSE]})), UnknownNameError, "'symbol'"),
        (lambda: repo.get_training_features(pd.DataFrame({**ENTITY, "symbol": [1]})), InputError, "must hold texts"),
        (lambda: repo.get_training_features(pd.DataFrame({**ENTITY, "symbol": ["X"]})), UnknownNameError, "BTC, ETH"),
        (lambda: repo.get_training_features(pd.DataFrame({**ENTITY, "event_timestamp": [1.5]})), InputError, "times"),
        (
            lambda: repo.get_training_features(pd.DataFrame({**ENTITY, "event_timestamp": ["?"]})),
            InputError,
            "ISO 8601",
        ),
        (lambda: repo.get_training_features([1]), InputError, "pandas, Polars or Arrow"),
        (lambda: repo.get_regime_features(["X"], CLOSE, CLOSE), UnknownNameError, "BTC, ETH"),
        (lambda: repo.create_entity_df([], CLOSE, CLOSE), InputError, "symbols must be"),
        (lambda: repo.create_entity_df(["BTC"], NAT, CLOSE), InputError, "start_date=NaT is not a time"),
        (lambda: repo.get_training_features(pd.DataFrame(ENTITY), as_of=NAT), InputError, "neither a time nor 'row'"),
        (lambda: repo.create_entity_df(["BTC"], CLOSE, CLOSE - timedelta(1)), InputError, "is before"),
        (lambda: repo.create_entity_df(["BTC"], CLOSE, CLOSE, freq="?"), InputError, "is not a step"),
        (lambda: repo.materialize_features(["nope"]), UnknownNameError, "unknown feature view"),
        (lambda: ask(refs=["price_features:rsi_14"] * 2), InputError, "'rsi_14'; name each once"),
        (lambda: ask(refs=BOTH), InputError, "'rsi_14'; ask with full_feature_names=True"),
        (lambda: repo.get_training_features(pd.DataFrame(ENTITY), BOTH), InputError, "full_feature_names=True"),
        (lambda: repo.get_training_features(pd.DataFrame(ENTITY), ["x:y"]), UnknownNameError, "feature view 'x'"),
        (
            lambda: repo.get_online_features(["BTC"], BOTH[:1], max_age=SIXTY),
            InputError,
            "max_age=60 is not a duration",
        ),
        (lambda: repo.validate_feature_freshness(max_age=SIXTY), InputError, "max_age=60 is not a duration"),
        (lambda: repo.validate_feature_freshness("price_features"), InputError, "views must be a list"),
        (lambda: repo.materialize_features("price_features"), InputError, "views must be a list"),
        (lambda: repo.materialize_features(start=NOW, end=NOW - timedelta(1)), InputError, "is before start"),
        (lambda: repo.create_entity_df(["BTC"], CLOSE, NOW, freq="-1D"), InputError, "gives no time"),
        (lambda: repo.get_online_features(SIXTY, BOTH[:1]), InputError, "symbols must be a list"),
        (lambda: repo.validate_feature_freshness(["nope"]), UnknownNameError, "unknown feature view"),
    ],
)
def test_a_mistake_is_one_clear_error(
    published: FeastResource, call: Any, error: type[CryptoFeaturesError], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("kind", [pd.Series, pl.Series, tuple])
def test_symbols_may_be_a_series(published: FeastResource, kind: Any) -> None:
    assert repo.get_online_features(kind(["ETH", "BTC"]), BOTH[:1]) == repo.get_online_features(
        ["ETH", "BTC"], BOTH[:1]
    )
    assert repo.create_entity_df(kind(["BTC"]), CLOSE, CLOSE)["symbol"].tolist() == ["BTC"]


def test_two_versions_of_a_feature_are_told_apart_by_full_names(published: FeastResource) -> None:
    names = ["price_features__rsi_14", "price_features@v0__rsi_14"]
    online = repo.get_online_features(["BTC"], BOTH, full_feature_names=True)
    assert list(online) == ["symbol", *names]
    assert online[names[0]] == online[names[1]] != [None]
    frame = repo.get_training_features(repo.create_entity_df(["BTC"], NOW, NOW), BOTH, full_feature_names=True)
    assert list(frame.columns) == ["symbol", "event_timestamp", *names]
    assert frame[names[0]].tolist() == frame[names[1]].tolist() == online[names[0]]


def test_a_training_set_without_a_value_warns_of_the_span_of_the_tables(published: FeastResource) -> None:
    entities = repo.create_entity_df(["BTC"], "2020-01-01", "2020-01-02")
    with pytest.warns(OutsideSpanWarning, match="of 2020-01-01 00:00 to 2020-01-02 00:00 UTC, and price_features of"):
        frame = repo.get_training_features(entities, BOTH[:1])
    assert frame["rsi_14"].isna().all()


def test_features_may_be_named_for_training(published: FeastResource) -> None:
    entities = repo.create_entity_df(["BTC"], CLOSE, NOW)
    refs = ["volume_features:volume_ratio", "price_features:rsi_14"]
    frame = repo.get_training_features(entities, refs)
    assert list(frame.columns) == ["symbol", "event_timestamp", "volume_ratio", "rsi_14"]
    assert frame["rsi_14"].tolist() == repo.get_training_features(entities)["rsi_14"].tolist()


def test_a_table_that_is_missing_or_truncated_is_named_and_nothing_published_is_damaged(
    own: FeastResource, tmp_path: Path
) -> None:
    before = own.online_rows("price_features")
    file = tmp_path / "data" / "price_features" / "2024-02.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UnreadableTableError, match=r"2024-02\.parquet"):
        repo.get_training_features(pl.DataFrame(ENTITY))
    with pytest.raises(UnreadableTableError, match=r"2024-02\.parquet"):
        repo.materialize_features(["price_features"])
    for one in file.parent.iterdir():
        one.unlink()
    with pytest.raises(MissingTableError, match="price_features"):
        repo.get_training_features(pl.DataFrame(ENTITY))
    with pytest.raises(MissingTableError, match="price_features"):
        repo.materialize_features(["price_features"])
    assert own.online_rows("price_features").equals(before)
    assert repo.get_online_features(["BTC"], ["price_features:rsi_14"]).statuses["rsi_14"] == ["PRESENT"]


def test_an_entity_row_passes_the_entity_frame_once(published: FeastResource, monkeypatch: pytest.MonkeyPatch) -> None:
    made, init = list[EntityFrame](), EntityFrame.__init__

    def seen(self: EntityFrame, frame: pl.DataFrame, time: str) -> None:
        made.append(self)
        init(self, frame, time)

    monkeypatch.setattr(EntityFrame, "__init__", seen)
    repo.get_training_features(repo.create_entity_df(["BTC"], CLOSE, NOW))
    assert len(made) == 1
    repo.get_regime_features(["BTC"], CLOSE, NOW)
    assert len(made) == 2


def test_a_misspelt_symbol_is_named_with_all_that_the_tables_have(published: FeastResource) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown symbol 'BTX' \(did you mean 'BTC'\?\)") as caught:
        repo.get_training_features(pl.DataFrame({"symbol": ["BTC", "BTX"], "event_timestamp": [NOW, NOW]}))
    assert caught.value.available == sorted(SYMBOLS)


def test_an_empty_registry_says_what_to_do(root: Path) -> None:
    with pytest.raises(NotAppliedError, match="feast apply"):
        repo.get_online_features(["BTC"], "trading_features")


def test_every_name_that_the_store_offers_is_there() -> None:
    assert [name for name in store.__all__ if not isinstance(getattr(store, name), type)] == ["parity"]


def test_importing_the_interface_imports_neither_dagster_nor_feast_and_warns_of_nothing() -> None:
    script = "import sys, feature_repo; assert not {'dagster', 'feast'} & set(sys.modules), 'too much'"
    done = subprocess.run([sys.executable, "-W", "always", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
