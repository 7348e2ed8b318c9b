"""A set holds what was known at the time of each row, and says how far that was moved since."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from upath import UPath

from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.events import Cusum
from crypto_features.tables.folds import Combinatorial, KFold, WalkForward
from crypto_features.tables.training import TrainingSet
from crypto_features.training.build import build
from crypto_features.training.folder import SetFolder
from crypto_features.training.folds import assign
from crypto_features.training.loaded import TrainingData
from crypto_features.training.weights import time_decay, uniqueness
from tests.training.folder_of_sets import BULK, DAY, HOUR, NOW, SYMBOLS, Candle, Folder
from tests.training.sets_catalog import ahead, barrier, barriers, candles, days, events, moves, whole

KNOWN = "ahead_3d_known_at"


def built(folder: Folder, training: TrainingSet, path: Path) -> TrainingData:
    """The set, built into a new folder."""
    one = SetFolder(UPath(path))
    build(folder.origin(training), one)
    return TrainingData(SetFolder(UPath(path)))


def versions_known(candles: Iterable[Candle], at: datetime) -> dict[tuple[str, datetime], Candle]:
    """The version of each candle that was known at a time.

    A first version was at its close if it came in bulk or within an hour; any other when it was seen.
    """
    found: dict[tuple[str, datetime], Candle] = {}
    for one in sorted(candles, key=lambda candle: candle.known_at):
        close, key = one.open_time + HOUR, (one.symbol, one.open_time)
        first = not any(c.known_at < one.known_at for c in candles if (c.symbol, c.open_time) == key)
        in_time = first and (close <= BULK or one.known_at <= close + HOUR)
        if (close if in_time else max(close, one.known_at)) <= at:
            found[key] = one
    return found


def day_of(known: dict[tuple[str, datetime], Candle], symbol: str, close: datetime) -> list[Candle]:
    """The candles of the day that closes then."""
    hours = (close - n * HOUR for n in range(24, 0, -1))
    return [known[symbol, hour] for hour in hours if (symbol, hour) in known]


@pytest.fixture(scope="module")
def data(filled: Folder, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """The set with everything at once, built when the folder was computed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
        return built(filled, whole, tmp_path_factory.mktemp("whole") / "set")


@pytest.mark.parametrize("day", [12, 40, 63, 64, 70, 80])
def test_each_value_is_what_a_walk_over_the_candles_known_then_gives(
    folder: Folder, data: TrainingData, day: int
) -> None:
    """On day 63 one symbol misses its last candle, which came three days later: its row is that of the day before."""
    at = datetime(2024, 1, 1, tzinfo=NOW.tzinfo) + day * DAY
    then, last = (versions_known(near(folder.candles, at), time) for time in (at, NOW))
    rows = data.polars().filter(pl.col("event_timestamp") == at)
    assert rows.height >= 2
    returns = {}
    for symbol in SYMBOLS:
        over = [n for n in range(2) if len(day_of(then, symbol, at - n * DAY)) == 24]
        if not over:
            continue
        newest, before = (day_of(then, symbol, at - (over[0] + n) * DAY) for n in (0, 3))
        returns[symbol] = newest[-1].close / before[-1].close - 1
        found = rows.filter(symbol=symbol)
        if not found.height:
            continue
        (row,) = found.iter_rows(named=True)
        assert row["return_3"] == returns[symbol]
        assert row["range_1"] == (max(c.high for c in newest) - min(c.low for c in newest)) / newest[-1].close
        close, later = (day_of(last, symbol, at + n * DAY)[-1].close for n in (0, 3))
        assert (row["ahead_3d"], row[KNOWN]) == (later / close - 1, at + 3 * DAY)
    if day != 63:
        order = sorted(returns.values())
        ranks = {symbol: order.index(value) / (len(order) - 1) for symbol, value in returns.items()}
        assert set(rows.select("symbol", "rank_3").iter_rows()) <= set(ranks.items())


def near(candles: Iterable[Candle], at: datetime) -> list[Candle]:
    return [one for one in candles if at - 8 * DAY <= one.open_time < at + 4 * DAY]


def test_rows_whose_window_passes_the_end_are_left_out_and_counted_by_reason(
    folder: Folder, data: TrainingData
) -> None:
    closes = {"AAA": (1, 91), "BBB": (1, 64), "CCC": (20, 91)}  # days from January 1 of the first and last close.
    bars = sum(last - first + 1 for first, last in closes.values())
    assert data.manifest["label"]["rows"] == bars
    assert data.manifest["label"]["without"] == {"past the end of data": 9}
    assert data.polars().height == bars - 9
    assert {s: one["last"][:10] for s, one in data.manifest["universe"].items()} == {
        "AAA": "2024-03-29",
        "BBB": "2024-03-02",
        "CCC": "2024-03-29",
    }


def test_the_share_of_undecided_barriers_is_in_the_manifest_and_in_the_log(folder: Folder, tmp_path: Path) -> None:
    told: list[str] = []
    manifest = build(folder.origin(barriers), SetFolder(UPath(tmp_path / "set")), told.append)
    label = manifest["label"]
    undecided = label["without"]["both barriers within one candle"]
    over = label["rows"] - label["without"]["past the end of data"]
    assert (undecided, label["undecided"]) == (1, undecided / over)
    assert told[0].endswith("undecided 0.47%")
    assert sum(label["values"].values()) == label["labelled"] == manifest["rows"]["count"]


@pytest.mark.parametrize("scheme", [KFold(folds=4, embargo="2d"), WalkForward(folds=3), Combinatorial(groups=4)])
def test_folds_and_weights_made_by_months_are_those_of_all_rows_at_once(
    folder: Folder, tmp_path: Path, scheme: Any
) -> None:
    rows = built(folder, replace(whole, folds=scheme), tmp_path / "set").polars()
    at_once = assign(scheme, rows["event_timestamp"], rows[KNOWN])
    assert rows.select(at_once.columns).equals(at_once)
    weights = uniqueness(rows["symbol"], rows["event_timestamp"], rows[KNOWN]) * time_decay(
        rows["event_timestamp"], "30d"
    )
    assert rows["weight"].equals(weights, check_names=False)


def test_the_revision_risk_counts_what_was_moved_by_corrections(folder: Folder, data: TrainingData) -> None:
    rows = data.polars()
    now = folder.lake.table("moves").read(columns=["symbol", "event_timestamp", "range_1"])
    both = rows.select("symbol", "event_timestamp", then="range_1").join(now, on=["symbol", "event_timestamp"])
    assert both.height == rows.height
    change = both.with_columns(change=(pl.col("range_1") - pl.col("then")).abs()).filter(pl.col("change") != 0)
    assert change.height > 5
    found = data.manifest["revisions"]["range_1"]
    assert (found["moved"], found["largest_change"]) == (change.height, change["change"].max())
    assert found["mean_change"] == pytest.approx(change["change"].mean(), rel=1e-12)
    assert found["spread"] == pytest.approx(rows["range_1"].std(), rel=1e-12)


def test_events_are_the_bars_that_the_filter_keeps_and_no_others(folder: Folder, tmp_path: Path) -> None:
    data = built(folder, events, tmp_path / "set")
    alike = Cusum(days, threshold=pl.when(pl.col("close").shift(1).is_not_null()).then(0.03))
    assert built(folder, replace(events, rows=alike), tmp_path / "alike").digest == data.digest
    rows = data.polars()
    bars = folder.lake.table("days").read(columns=["symbol", "open_time", "close"])
    expected = set()
    for (symbol,), own in bars.group_by("symbol"):
        up = down = 0.0
        moves_of = own.select(pl.col("open_time") + DAY, move=pl.col("close").log().diff()).drop_nulls()
        for close, move in moves_of.iter_rows():
            up, down = max(0.0, up + move), min(0.0, down + move)
            if down < -0.03:
                down = 0.0
                expected.add((symbol, close))
            elif up > 0.03:
                up = 0.0
                expected.add((symbol, close))
    ends = {"AAA": NOW, "BBB": datetime(2024, 3, 5, tzinfo=NOW.tzinfo), "CCC": NOW}
    assert set(rows.select("symbol", "event_timestamp").iter_rows()) == {
        (symbol, close) for symbol, close in expected if close + 3 * DAY <= ends[str(symbol)]
    }


def test_rows_of_ones_own_are_joined_and_those_without_a_bar_are_counted(folder: Folder, tmp_path: Path) -> None:
    times = [datetime(2024, 2, 20, tzinfo=NOW.tzinfo), datetime(2024, 2, 20, 5, tzinfo=NOW.tzinfo)]
    own = pl.DataFrame({"symbol": ["AAA", "AAA", "ZZZ"], "event_timestamp": [*times, times[0]]}).to_pandas()
    data = built(folder, TrainingSet("own", own, features=[moves], label=ahead), tmp_path / "set")
    assert data.polars().select("symbol", "event_timestamp").rows() == [("AAA", times[0])]
    assert data.manifest["label"]["without"] == {"no bar of the label closes then": 2}
    without_label = built(folder, TrainingSet("own", own, features=[moves]), tmp_path / "bare")
    assert without_label.polars()["return_3"].null_count() == 1


def test_a_set_as_of_a_time_reads_nothing_that_was_known_later(folder: Folder, tmp_path: Path) -> None:
    at = datetime(2024, 3, 15, 12, tzinfo=NOW.tzinfo)
    early = [one for one in folder.candles if one.known_at <= at]
    before = Folder(tmp_path / "before", early, now=at)
    as_of = replace(whole, as_of=at.isoformat(), folds=None, weights=None)
    now = built(folder, as_of, tmp_path / "now").polars()
    then = built(before, replace(as_of, as_of=at), tmp_path / "then").polars()
    assert now.equals(then)
    assert now["ahead_3d_known_at"].max() == datetime(2024, 3, 15, tzinfo=NOW.tzinfo)


def test_weeks_that_close_in_the_next_month_have_their_rows_there(tmp_path: Path, folder: Folder) -> None:
    weeks = Bars("weeks", of=candles, every="1w")
    weekly = TrainingSet("weekly", weeks, features=[moves])
    other = Folder(tmp_path / "weeks", folder.candles, Catalog(candles, moves, weekly))
    rows = built(other, weekly, tmp_path / "set").polars()
    closes = rows.filter(pl.col("symbol") == "AAA")["event_timestamp"].to_list()
    assert closes == [datetime(2024, 1, 8, tzinfo=NOW.tzinfo) + n * timedelta(days=7) for n in range(13)]


def test_a_barrier_set_has_the_labels_that_the_label_gives_over_all_bars(folder: Folder, tmp_path: Path) -> None:
    rows = built(folder, barriers, tmp_path / "set").polars()
    hours = folder.lake.table("candles").read().sort("known_at").unique(["symbol", "open_time"], keep="last")
    bars = folder.lake.table("days").read()
    at_once = barrier.compute(bars, hours.drop("known_at"), HOUR).filter(pl.col(barrier.reason).is_null())
    keys = ["symbol", "event_timestamp"]
    columns = [*keys, "barrier_5d", "barrier_5d_known_at", "barrier_5d_return"]
    assert rows.select(columns).sort(keys).equals(at_once.select(columns).sort(keys))
