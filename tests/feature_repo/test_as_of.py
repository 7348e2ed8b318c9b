"""Training sets of what was known then, through Feast, on a data folder whose candles came late and were corrected."""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.known.created import with_created
from crypto_features.known.history import FittedVersion, reach
from crypto_features.known.past import missed
from crypto_features.lake.history import history
from crypto_features.lake.table import Table
from crypto_features.shipped import catalog, training_set
from crypto_features.store import FeastResource, NotAppliedError, OtherVersionError, UnknownThenWarning, session
from crypto_features.tables.months import MONTH, month_span
from crypto_features.training.rows import training_rows
from crypto_features.versions.measured import feature_versions
from crypto_features.versions.probe_market import START, probe_market
from crypto_features.versions.provenance import partition_metadata
from feature_repo import (
    create_entity_df,
    get_regime_features,
    get_training_completeness,
    get_training_features,
    materialize_features,
)
from tests.features.markets import DAY, HOUR
from tests.features.replay import END, SYMBOLS, WAIT, Replay, Version, market_with_a_past, models_with_a_past, raw

NOW = END + 200 * DAY
AS_OF = START + 70 * DAY + 9 * HOUR
pytestmark = pytest.mark.filterwarnings("ignore::crypto_features.store.errors.UnknownThenWarning")
RSI_ONLY = ["price_features:rsi_14"]
RSI = {"price_features": ("rsi_14",)}


@dataclass(frozen=True)
class Market:
    """What was seen of a market, when, and with which models."""

    root: Path
    versions: Sequence[Version]
    models: Mapping[str, Sequence[FittedVersion]]

    def at(self, time: datetime) -> Replay:
        return Replay.at(self.versions, self.models, time)


def by_month(frame: pl.DataFrame, month: pl.Expr) -> Iterator[tuple[str, pl.DataFrame]]:
    for (name,), rows in frame.with_columns(__month=month).partition_by("__month", as_dict=True).items():
        yield str(name), rows.drop("__month")


def write(root: Path, market: Market) -> None:
    """The folder as the platform would have filled it."""
    folder, now = UPath(root), market.at(NOW)
    opened = pl.col("open_time").dt.strftime("%Y-%m")
    for name, frame in (("candles", raw(market.versions)), ("daily_candles", now.tables["daily_candles"])):
        table = Table(folder, name, time="open_time", raw=name == "candles", by_symbol=name == "candles")
        for month, rows in by_month(frame, opened):
            table.publish(month, rows, partition_metadata(rows, {}, {}) if name == "daily_candles" else {})
    for month, fitted in market.models.items():
        for i, one in enumerate(reversed(fitted)):
            path = root / "regime_model" / (f"superseded/{month}/{one.version}.json" if i else f"{month}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(json.loads(one.parameters) | {"notes": {"published_at": str(one.published_at)}}))
    past = history(folder, catalog, interval=HOUR, wait=WAIT)
    for name, group in catalog.groups.items():
        for month, rows in by_month(now.tables[name], MONTH):
            start, end = month_span(month)
            late = missed(past, [group], SYMBOLS, start, end)
            created = with_created(rows, None, late, start - reach(group, HOUR))
            Table(folder, name).publish(month, created, partition_metadata(created, feature_versions(name), {}))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Market:
    draw = random.Random(3)
    versions = market_with_a_past(draw)
    market = Market(tmp_path_factory.mktemp("past"), versions, models_with_a_past(draw, versions))
    with pytest.MonkeyPatch.context() as patch:
        use(market, patch)
        write(market.root, market)
        FeastResource().apply()
    return market


def use(market: Market, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CRYPTO_FEATURES_DATA", str(market.root))
    patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    patch.setenv("CRYPTO_FEATURES_LATE_WAIT", f"{WAIT // HOUR}h")


@pytest.fixture
def market(filled: Market, monkeypatch: pytest.MonkeyPatch) -> Market:
    use(filled, monkeypatch)
    return filled


def rows(days: int = 95) -> pl.DataFrame:
    grid = pl.DataFrame(create_entity_df(SYMBOLS, START, START + days * DAY, "5h"))
    return grid.with_columns(pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))).with_row_index("row")


def features(frame: Any, names: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(frame).select(names)


def expected(then: Replay, asked: pl.DataFrame, features: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    return pl.concat([then.joined(asked, view, names) for view, names in features.items()], how="horizontal")


@pytest.mark.parametrize("service", ["ml_training_features", "trading_features"])
def test_a_training_set_as_of_a_time_is_that_of_a_platform_built_then(market: Market, service: str) -> None:
    wanted = catalog.services[service].features
    names = [name for part in wanted.values() for name in part]
    asked = rows()
    for as_of in (AS_OF, AS_OF.isoformat(), AS_OF.replace(tzinfo=None)):
        got = features(get_training_features(asked.drop("row"), service, as_of=as_of), names)
        assert got.equals(expected(market.at(AS_OF), asked, wanted))
    now = features(get_training_features(asked.drop("row"), service), names)
    assert now.equals(expected(market.at(NOW), asked, wanted))
    assert not now.equals(got)


def test_a_training_set_as_of_its_rows_knows_of_each_what_was_known_then(market: Market) -> None:
    wanted = catalog.services["trading_features"].features
    names = [name for part in wanted.values() for name in part]
    asked = rows()
    got = features(get_training_features(asked.drop("row"), "trading_features", as_of="row"), names)
    for (time,), mine in list(asked.group_by("event_timestamp", maintain_order=True))[::40]:
        assert isinstance(time, datetime)
        assert got[mine["row"].to_list()].equals(expected(market.at(time), mine, wanted)), time


@pytest.mark.parametrize("name", ["__state", "__row", "__known", "__key0", "__entity", "__oldest", "number", "known"])
def test_a_column_of_any_name_is_kept_and_changes_nothing(market: Market, name: str) -> None:
    asked = rows(20)
    named = asked.rename({"row": name})
    for as_of in (AS_OF, "row", None):
        expected = get_training_features(asked, RSI_ONLY, as_of=as_of).rename(columns={"row": name})
        assert pl.DataFrame(get_training_features(named, RSI_ONLY, as_of=as_of)).equals(pl.DataFrame(expected))


def test_rows_that_are_null_by_what_was_known_only_are_counted_in_a_warning(market: Market) -> None:
    asked, refs = rows(), ["trading_signals:target_price"]
    now = features(get_training_features(asked.drop("row"), refs), ["target_price"])["target_price"]
    with pytest.warns(UnknownThenWarning) as warned:
        own = features(get_training_features(asked.drop("row"), refs, as_of="row"), ["target_price"])["target_price"]
    unknown = (own.is_null() & now.is_not_null()).sum()
    assert unknown > 0
    assert [str(one.message).partition(" rows")[0] for one in warned] == [f"{unknown} of {asked.height}"]


def test_a_copied_folder_does_not_read_the_tables_of_the_one_it_was_copied_from(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(shutil.copytree(market.root, tmp_path / "copy")))
    asked = rows().drop("row")
    for read in (
        lambda: get_training_features(asked, RSI_ONLY),
        lambda: get_training_features(asked, RSI_ONLY, as_of="row"),
        lambda: get_training_completeness(asked, RSI_ONLY),
        lambda: get_regime_features(SYMBOLS, START, END),
        lambda: materialize_features(["price_features"]),
    ):
        with pytest.raises(NotAppliedError, match=r"reads .* from .*past.* was copied or moved"):
            read()
    FeastResource().apply()
    assert get_regime_features(SYMBOLS, START, END)["regime_label"].notna().any()


def test_plain_feast_refuses_a_copied_folder_too_and_writes_nothing_into_the_other(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(shutil.copytree(market.root, tmp_path / "copy")))
    feast, asked, view = session.feature_store(), rows().drop("row"), "price_features"
    table = market.root / view
    columns = feast.get_data_source(view).get_table_column_names_and_types(feast.config)
    frame = pl.read_parquet(table / "*.parquet").head(1).select(name for name, _ in columns).to_pandas()
    before = sorted(table.iterdir())
    reads: list[Callable[[], object]] = [
        lambda: feast.get_historical_features(asked, RSI_ONLY).to_df(),
        lambda: feast.get_historical_features(features=RSI_ONLY, start_date=START, end_date=END).to_df(),
        lambda: feast.materialize(START, END, feature_views=[view]),
        lambda: feast.materialize_incremental(END, feature_views=[view]),
        lambda: feast.write_to_offline_store(view, frame),
    ]
    for read in reads:
        with pytest.raises(NotAppliedError, match=rf"reads {view} from .*past.* was copied or moved.*feast apply"):
            read()
    assert sorted(table.iterdir()) == before
    FeastResource().apply()
    assert feast.get_historical_features(asked, RSI_ONLY).to_df()["rsi_14"].notna().any()


def test_regimes_as_of_a_time_are_those_of_then(market: Market) -> None:
    wanted = {"regime_features": ("regime_label", "regime_probability", "regime_duration")}
    got = pl.DataFrame(get_regime_features(SYMBOLS, START, END, as_of=AS_OF))
    asked = got.select("symbol", pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))).with_row_index("row")
    assert got.select(wanted["regime_features"]).equals(expected(market.at(AS_OF), asked, wanted))


def test_the_rows_of_a_training_set_are_the_same_from_readers_alone(market: Market) -> None:
    past = history(UPath(market.root), catalog, interval=HOUR, wait=WAIT)
    for month in ("2024-01", "2024-03"):
        got = training_rows(training_set, month, past)
        through_feast = get_training_features(
            got.select("symbol", "event_timestamp"), training_set.service.name, as_of="row"
        )
        assert got.drop("symbol", "event_timestamp").equals(features(through_feast, got.columns[2:]))


def test_feasts_own_flag_withholds_what_a_later_correction_reaches_and_nothing_else(
    filled: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a history that was loaded in bulk: nothing of it counts as created when it was loaded."""
    wrong = START + 70 * DAY - HOUR
    candles = probe_market().filter(pl.col("symbol") == "HUGE", pl.col("open_time") < END).rows()
    loaded = [Version("HUGE", opened, tuple(values), END, opened + HOUR) for _, opened, *values in candles]
    (old,) = (version for version in loaded if version.open_time == wrong)
    corrected = old._replace(values=(*(price * 1.05 for price in old.values[:4]), 9.0), known_at=NOW, known=NOW)
    market = Market(tmp_path / "bulk", [*loaded, corrected], filled.models)
    use(market, monkeypatch)
    write(market.root, market)
    FeastResource().apply()
    asked = rows().filter(pl.col("symbol") == "HUGE").drop("row")
    refs = ["price_features:ma_5", "volume_features:volume_ratio"]
    flagged = session.feature_store().get_historical_features(asked, refs, filter_by_created_timestamp=True)
    got = flagged.to_polars().with_columns(pl.DataFrame(get_training_features(asked, refs))["ma_5"].alias("now"))
    before = got.filter(pl.col("event_timestamp") < wrong + HOUR)
    after = got.filter(pl.col("event_timestamp") >= wrong + HOUR + DAY + HOUR)
    assert before["ma_5"].equals(before["now"], null_equal=True, check_names=False)
    assert before["ma_5"].drop_nulls().len() > 250
    assert after["ma_5"].is_null().all()
    assert after["now"].drop_nulls().len() > 50


@pytest.mark.parametrize(
    ("as_of", "message"),
    [
        ("rows", "neither a time nor 'row'"),
        (7, "neither a time nor 'row'"),
        (START - DAY, "before 2024-01-01 01:00 UTC, when the first candle closed"),
        (NOW + HOUR, "later than now"),
    ],
)
def test_a_time_that_cannot_be_is_refused(market: Market, as_of: datetime, message: str) -> None:
    with pytest.raises(InputError, match=message):
        get_training_features(rows(3).drop("row"), as_of=as_of)
    with pytest.raises(InputError, match=message):
        get_regime_features(SYMBOLS, START, END, as_of=as_of)


def test_the_past_of_a_table_that_other_code_computed_is_refused(
    filled: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = replace(filled, root=tmp_path / "other")
    use(market, monkeypatch)
    write(market.root, market)
    FeastResource().apply()
    table = Table(UPath(market.root), "price_features")
    other = {**feature_versions("price_features"), "rsi_14": "another"}
    frame = table.read(["2024-02"])
    table.publish("2024-02", frame, partition_metadata(frame, other, {}))
    asked = rows().drop("row")
    get_training_features(asked, ["price_features:rsi_14"])
    get_training_features(asked, ["price_features:ma_5"], as_of="row")
    with pytest.raises(OtherVersionError, match="rsi_14 of price_features"):
        get_training_features(asked, ["price_features:rsi_14"], as_of="row")
