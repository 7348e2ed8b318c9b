"""What is fetched once stays; what is new or corrected is appended; what breaks the contract is kept apart."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from crypto_features.errors import InputError, PermanentError, TransientError
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.missing import Planner
from crypto_features.ingest.report import IngestReport, Progress, RejectedShareError
from crypto_features.lake.candles import current
from crypto_features.lake.contract import CANDLE_SCHEMA
from crypto_features.lake.table import Table
from crypto_features.sources.archive import ArchiveSource
from crypto_features.sources.exchange import ExchangeSource
from crypto_features.sources.files import FilesSource
from crypto_features.sources.listings import Listing
from crypto_features.sources.source import PartlyFetchedError, Source
from tests.market.market import HOUR, LATER, START, Marked, Offer, Resuming, candles


@pytest.fixture
def lake(tmp_path: Path) -> "Lake":
    return Lake(tmp_path)


class Silent(Resuming):
    """Answers every question, and has nothing."""

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        return super().fetch(symbol, start, end).clear()


class CutShort(Resuming):
    """Fails after so many candles."""

    def __init__(self, frame: pl.DataFrame, good: int) -> None:
        super().__init__(frame)
        self.good = good

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        came = super().fetch(symbol, start, end).head(self.good)
        raise PartlyFetchedError(TransientError("away"), came, [(start + self.good * HOUR, end)])


class Lake:
    def __init__(self, root: Path) -> None:
        self.candles = Table(UPath(root), "candles", "open_time", raw=True, by_symbol=True)
        self.quarantine = Table(UPath(root), "quarantine", "open_time", raw=True)

    def take(
        self, source: Source, *symbols: str, months: tuple[str, ...] = ("2024-01",), **settings: Any
    ) -> IngestReport:
        given: dict[str, Any] = {"interval": HOUR, "now": LATER, **settings}
        return ingest(source, self.candles, self.quarantine, months, symbols or source.symbols(), **given)

    def bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.candles.folder.iterdir()}


def edit(frame: pl.DataFrame, row: int, **values: float) -> pl.DataFrame:
    hit = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(hit).then(pl.lit(value)).otherwise(name).cast(frame.schema[name]).alias(name)
        for name, value in values.items()
    )


def test_candles_are_stored_with_the_time_at_which_they_became_known(lake: Lake) -> None:
    frame = candles("BTC", "ETH", count=800)
    report = lake.take(Offer(frame), months=("2024-01", "2024-02"))
    assert_frame_equal(lake.candles.read().drop("known_at"), frame)
    assert lake.candles.read()["known_at"].unique().to_list() == [LATER]
    assert (report.rows, report.new, report.corrected.height, report.rejected.height) == (1600, 1600, 0, 0)
    assert report.counts.rows() == [
        ("2024-01", "BTC", 744, 744, 0, 0),
        ("2024-01", "ETH", 744, 744, 0, 0),
        ("2024-02", "BTC", 56, 56, 0, 0),
        ("2024-02", "ETH", 56, 56, 0, 0),
    ]
    assert report.published == lake.candles.months() == ("2024-01", "2024-02")


def test_candles_stored_before_completeness_was_count_as_whole_and_stay_as_they_are(lake: Lake) -> None:
    frame = candles("BTC", count=800)
    old = frame.with_columns(known_at=pl.lit(LATER).cast(pl.Datetime("us", "UTC"))).drop("completeness")
    january = old.filter(pl.col("open_time").dt.month() == 1)
    lake.candles.publish("2024-01", january)
    lake.candles.publish("2024-02", old.filter(pl.col("open_time").dt.month() == 2))
    before, digest = lake.bytes(), lake.candles.digest("2024-01")
    report = lake.take(Offer(frame), months=("2024-01", "2024-02"), now=LATER + HOUR)
    assert (report.new, report.corrected.height, lake.bytes()) == (0, 0, before)
    lake.take(Offer(candles("BTC", "ETH", count=800)), months=("2024-02",), now=LATER + HOUR)
    assert_frame_equal(current(lake.candles.read()).filter(symbol="BTC").drop("known_at"), frame)
    assert lake.candles.digest("2024-01") == digest


def test_a_candle_of_more_shorter_ones_than_before_is_a_correction(lake: Lake) -> None:
    lake.take(Offer(edit(candles("BTC"), 3, completeness=0.5)))
    corrected = lake.take(Offer(candles("BTC")), now=LATER + HOUR).corrected
    assert corrected.select("open_time", "completeness", "completeness_was").rows() == [(START + 3 * HOUR, 1.0, 0.5)]


def test_a_source_that_gives_each_candle_itself_may_leave_completeness_out(lake: Lake) -> None:
    lake.take(Offer(candles("BTC").drop("completeness")))
    assert lake.candles.read()["completeness"].unique().to_list() == [1.0]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_completeness_that_is_no_share_is_refused(lake: Lake, share: float) -> None:
    report = lake.take(Offer(edit(candles("BTC"), 3, completeness=share)))
    assert report.rejected["rule"].to_list() == ["completeness|" + ("max" if share > 1 else "min_exclusive")]


@pytest.mark.parametrize("kind", [Offer, Resuming, Marked])
def test_the_same_candles_again_change_not_one_byte(lake: Lake, kind: type[Offer]) -> None:
    lake.take(kind(candles("BTC", "ETH")))
    before = lake.bytes()
    report = lake.take(kind(candles("BTC", "ETH")), now=LATER + HOUR)
    assert lake.bytes() == before
    assert (report.new, report.published) == (0, ())


def test_a_corrected_candle_is_appended_and_listed(lake: Lake) -> None:
    first = candles("BTC")
    second = edit(first, 5, close=104.5, volume=11.0)
    lake.take(Offer(first))
    report = lake.take(Offer(second), now=LATER + HOUR)
    assert_frame_equal(current(lake.candles.read()).drop("known_at"), second)
    assert_frame_equal(current(lake.candles.read(), as_of=LATER).drop("known_at"), first)
    assert report.corrected.select(
        "symbol", "open_time", "close", "close_was", "volume", "volume_was", "known_at"
    ).rows() == [("BTC", START + 5 * HOUR, 104.5, 105.0, 11.0, 10.0, LATER + HOUR)]
    assert lake.candles.read().height == first.height + 1


def test_a_correction_counts_even_if_the_clock_stands_still(lake: Lake) -> None:
    first = candles("BTC")
    for frame in (first, edit(first, 5, close=104.5), first):
        lake.take(Offer(frame))
        assert_frame_equal(current(lake.candles.read()).drop("known_at"), frame)
    versions = lake.candles.read().filter(pl.col("open_time") == START + 5 * HOUR)
    assert versions["known_at"].to_list() == [LATER + timedelta(microseconds=i) for i in range(3)]


def test_a_candle_that_is_no_longer_offered_stays(lake: Lake) -> None:
    lake.take(Offer(candles("BTC")))
    lake.take(Offer(candles("BTC", count=10)))
    assert lake.candles.read().height == 48


def test_what_breaks_the_contract_goes_to_the_quarantine_once(lake: Lake) -> None:
    frame = edit(candles("BTC"), 3, low=1000.0)
    for _ in range(2):
        report = lake.take(Offer(frame), max_rejected=0.05)
    assert lake.candles.read().height == 47
    assert lake.quarantine.read().select("symbol", "open_time", "low", "rule", "source", "known_at").rows() == [
        ("BTC", START + 3 * HOUR, 1000.0, "high_bounds, low_bounds", "offer", LATER)
    ]
    assert report.rejected_by_rule == {"high_bounds": 1, "low_bounds": 1}
    assert report.rejected_share == 1 / 48


def test_too_large_a_share_of_rejected_candles_fails_the_run(lake: Lake) -> None:
    with pytest.raises(
        RejectedShareError, match=r"1 of 48 candles of offer .*a share of 2.08% where 1.00% is allowed"
    ) as error:
        lake.take(Offer(edit(candles("BTC"), 3, low=1000.0)), max_rejected=0.01)
    assert error.value.report.rejected.height == 1
    assert lake.candles.read().height == 47


@pytest.mark.parametrize("kind", [Offer, Resuming, Marked])
def test_a_refused_share_is_refused_again_until_the_source_or_the_limit_changes(lake: Lake, kind: type[Offer]) -> None:
    bad = pl.concat([edit(candles("BTC", count=800), 3, low=1000.0), candles("ETH", count=800)])
    months = ("2024-01", "2024-02")
    now = START + 800 * HOUR
    for _ in range(2):
        with pytest.raises(RejectedShareError, match="the first is BTC 2024-01-01 03:00"):
            lake.take(kind(bad), months=months, now=now, max_rejected=0.0001)
    source = kind(bad)
    lake.take(source, months=months, now=now, max_rejected=1.0)
    assert source.fetched
    again = kind(bad)
    lake.take(again, months=months, now=now, max_rejected=0.0001) if kind is not Offer else None
    asked = [("BTC", START, START + 5 * HOUR)] if kind is Resuming else []  # until it is believed to be bad.
    assert again.fetched == asked
    lake.take(kind(candles("BTC", "ETH", count=800)), months=months, now=now, max_rejected=0.0, again=True)
    assert current(lake.candles.read()).height == 1600


def test_of_a_refused_run_only_what_held_rejected_candles_is_read_again(lake: Lake) -> None:
    bad = pl.concat([edit(candles("BTC", count=800), 3, low=1000.0), candles("ETH", count=800)])
    for expected in ([("BTC", 1), ("BTC", 2), ("ETH", 1), ("ETH", 2)], [("BTC", 1)]):
        source = Marked(bad)
        source.rows_at_once = 1
        with pytest.raises(RejectedShareError):
            lake.take(source, months=("2024-01", "2024-02"), now=START + 800 * HOUR, max_rejected=0.0001)
        assert sorted((symbol, start.month) for symbol, start, _ in source.fetched) == expected


def test_the_rejected_candles_are_told_from_the_oldest(lake: Lake) -> None:
    frame = candles("BTC", "ETH", count=3000)
    for row in (5000, 2900, 800, 10):
        frame = edit(frame, row, low=9999.0)
    report = lake.take(Offer(frame), months=("2024-01", "2024-02", "2024-03", "2024-04", "2024-05"))
    assert report.rejected["open_time"].to_list() == [START + i * HOUR for i in (10, 800, 2000, 2900)]


def test_what_is_not_over_by_the_clock_is_counted_in_the_report(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    candles("BTC").drop("symbol").write_parquet(tmp_path / "files" / "BTC.parquet")
    now = START + 40 * HOUR
    report = lake.take(FilesSource(tmp_path / "files", HOUR, now=lambda: now), now=now)
    assert (report.rows, dict(report.later)) == (40, {"BTC": 8})
    assert lake.take(Offer(candles("ETH"), venue="files")).later == {}


def test_odd_candles_are_flagged_and_stay(lake: Lake) -> None:
    report = lake.take(Offer(edit(edit(candles("BTC"), 3, low=0.001), 7, close=200.0, high=210.0)))
    assert report.flagged.select("open_time", "flag").rows() == [
        (START + 3 * HOUR, "wick"),
        (START + 7 * HOUR, "huge_return"),
        (START + 8 * HOUR, "huge_return"),
    ]
    assert lake.candles.read().height == 48


def test_a_symbol_that_fails_is_reported_while_the_others_go_on(lake: Lake) -> None:
    error = PermanentError("no such market")
    report = lake.take(Offer(candles("ADA", "BTC", "ETH"), {"BTC": error}))
    assert report.failed == {"BTC": error}
    assert lake.candles.read()["symbol"].unique(maintain_order=True).to_list() == ["ADA", "ETH"]


def test_after_a_failure_a_symbol_goes_on_where_it_stopped(lake: Lake) -> None:
    frame = candles("BTC", "ETH", count=100)
    now = START + 100 * HOUR
    lake.take(Resuming(frame.head(140), {}), now=now)
    lake.take(Resuming(frame, {"ETH": TransientError("away")}), now=now)
    assert lake.candles.read().height == 140
    source = Resuming(frame)
    lake.take(source, recheck=2 * HOUR, now=now)
    assert_frame_equal(current(lake.candles.read()).drop("known_at"), frame)
    assert source.fetched == [("ETH", START + 38 * HOUR, START + 100 * HOUR)]


def test_a_hole_in_a_symbols_life_is_asked_for_exactly(lake: Lake) -> None:
    frame = candles("BTC", "ETH", count=1500)
    hole = (pl.col("symbol") == "BTC") & pl.col("open_time").is_between(START + 700 * HOUR, START + 899 * HOUR)
    months, now = ("2024-01", "2024-02", "2024-03"), START + 1500 * HOUR
    lake.take(Offer(frame.filter(~hole)), months=months, now=now)
    source = Resuming(frame)
    assert lake.take(source, months=months, now=now, recheck=timedelta(0)).new == 200
    assert source.fetched == [("BTC", START + 700 * HOUR, START + 901 * HOUR)]  # and the candle that proves it over.
    assert_frame_equal(current(lake.candles.read()).drop("known_at"), frame)


def test_months_lost_by_an_interrupted_backfill_are_asked_for(lake: Lake) -> None:
    frame = candles("BTC", count=1500)
    months, now = ("2024-01", "2024-02", "2024-03"), START + 1500 * HOUR
    lake.take(Resuming(frame), months=("2024-02",), now=now)
    assert lake.candles.months() == ("2024-02",)
    source = Resuming(frame)
    lake.take(source, months=months, now=now)
    assert_frame_equal(current(lake.candles.read()).drop("known_at"), frame)
    march = START + 60 * 24 * HOUR
    assert source.fetched == [("BTC", START, START + (31 * 24 + 1) * HOUR), ("BTC", march - 24 * HOUR, now)]


def test_a_gap_is_believed_after_two_sessions_an_hour_apart_and_asked_for_again_ever_more_rarely(lake: Lake) -> None:
    gap = pl.col("open_time").is_between(START + 300 * HOUR, START + 319 * HOUR)
    frame, end = candles("BTC", count=744).filter(~gap), START + 744 * HOUR

    def is_asked(now: datetime) -> bool:
        source = Resuming(frame)
        report = lake.take(source, now=now, recheck=timedelta(0))
        assert report.absent.select("symbol", "from", "to", "missing").rows() == [
            ("BTC", START + 300 * HOUR, START + 319 * HOUR, 20)
        ]
        return bool(source.fetched)

    day, instant = timedelta(days=1), timedelta(seconds=1)
    assert is_asked(end)
    assert is_asked(end + HOUR - instant)  # the same session still
    assert is_asked(end + HOUR)
    for days in (1, 8, 57, 400):
        assert not is_asked(end + HOUR + days * day - instant)
        assert is_asked(end + HOUR + days * day)
    assert lake.take(Resuming(candles("BTC", count=744)), now=end + 9999 * day).new == 20
    assert lake.take(Resuming(candles("BTC", count=744)), now=end + 9999 * day).absent.is_empty()


def test_an_exchange_that_says_nothing_during_one_run_costs_no_candle(lake: Lake) -> None:
    frame, now = candles("BTC", count=744), START + 744 * HOUR
    lake.take(Resuming(frame.head(100)), now=START + 100 * HOUR)
    report = lake.take(Silent(frame), now=now)
    assert report.silent.select("from", "to").rows() == [(START + 100 * HOUR, START + (744 - 7 * 24 - 1) * HOUR)]
    assert lake.take(Resuming(frame), now=now).new == 644
    assert_frame_equal(current(lake.candles.read()).drop("known_at"), frame)


def test_candles_after_the_last_one_are_never_believed_absent(lake: Lake) -> None:
    frame, now = candles("BTC", count=100), START + 744 * HOUR
    for run in range(5):
        source = Resuming(frame)
        report = lake.take(source, now=now + run * timedelta(days=1))
        assert source.fetched
        assert report.silent["missing"].to_list() == [min(744 - 7 * 24 + run * 24, 744) - 100]


def test_a_candle_of_a_later_chunk_proves_a_gap_too(lake: Lake) -> None:
    frame, now = candles("BTC", start=START + 50 * 24 * HOUR, count=24), START + 90 * 24 * HOUR
    source = Resuming(frame)
    source.rows_at_once = 1
    report = lake.take(source, months=("2024-01", "2024-02"), now=now)
    assert report.absent.filter(pl.col("from") < START + 50 * 24 * HOUR)["sessions"].to_list() == [1]


def test_of_another_exchange_what_the_first_did_not_have_is_asked_for(lake: Lake) -> None:
    gap = pl.col("open_time").is_between(START + 300 * HOUR, START + 319 * HOUR)
    frame, now = candles("BTC", count=744).filter(~gap), START + 744 * HOUR
    for later in (now, now + HOUR):
        lake.take(Resuming(frame), now=later, recheck=timedelta(0))
    other = Resuming(frame)
    other.name = "another exchange"
    lake.take(other, now=now + HOUR, recheck=timedelta(0))
    assert other.fetched == [("BTC", START + 300 * HOUR, START + 321 * HOUR)]


def test_what_version_0_1_believed_absent_is_asked_for_once_more(lake: Lake) -> None:
    frame, now = candles("BTC", count=744), START + 744 * HOUR
    lake.take(Offer(frame.filter(pl.col("open_time") < START + 300 * HOUR)), now=now)
    note = lake.candles.root / ".marks" / "candles" / "2024-01.json"
    note.parent.mkdir(parents=True)
    digest = lake.candles.metadata("2024-01")["digest"]
    note.write_text(json.dumps({"digest": digest, "none": {"BTC of offer": "300-744"}}))
    assert lake.take(Resuming(frame), now=now).new == 444
    assert_frame_equal(current(lake.candles.read()).drop("known_at"), frame)


def test_the_watch_asks_for_doubted_candles_an_hour_later_and_no_sooner(lake: Lake) -> None:
    gap = pl.col("open_time").is_between(START + 300 * HOUR, START + 319 * HOUR)
    source, now = Resuming(candles("BTC", count=744).filter(~gap)), START + 60 * 24 * HOUR
    lake.take(source, now=now)

    def neglected(after: timedelta) -> tuple[str, ...]:
        planner = Planner(source, lake.candles, HOUR, now + after, timedelta(days=1))
        return planner.neglected(["2024-01"], ["BTC"])

    assert neglected(timedelta(minutes=59)) == ()
    assert neglected(HOUR) == ("2024-01",)


@pytest.mark.parametrize("good", [0, 300], ids=["nothing came", "a part came"])
def test_what_came_before_a_fetch_failed_is_kept_and_the_rest_is_asked_for_next(lake: Lake, good: int) -> None:
    frame, now = candles("BTC", count=744), START + 744 * HOUR
    report = lake.take(CutShort(frame, good), now=now)
    assert (report.new, str(report.failed["BTC"])) == (good, "away")
    assert isinstance(report.failed["BTC"], TransientError)
    source = Resuming(frame)
    lake.take(source, now=now, recheck=timedelta(0))
    assert source.fetched == [("BTC", START + good * HOUR, now)]
    assert_frame_equal(current(lake.candles.read()).drop("known_at"), frame)


def test_a_rejected_candle_that_was_accepted_once_fails_no_later_run(lake: Lake) -> None:
    gap = pl.col("open_time").is_between(START + 310 * HOUR, START + 319 * HOUR)
    frame, now = edit(candles("BTC", count=744), 305, low=9999.0).filter(~gap), START + 744 * HOUR
    assert lake.take(Resuming(frame), now=now, max_rejected=0.01).rejected_by_rule
    source = Resuming(frame)
    report = lake.take(source, now=now, max_rejected=0.01)
    assert source.fetched == [("BTC", START + 281 * HOUR, START + 321 * HOUR)]  # 24 candles before it, and on.
    assert report.rejected.is_empty()
    assert lake.quarantine.read().height == 1


def test_a_restored_older_file_is_brought_up_to_date(lake: Lake) -> None:
    frame, now = candles("BTC", count=744), START + 744 * HOUR
    lake.take(Resuming(frame.head(700)), now=START + 700 * HOUR)
    old = lake.bytes()
    lake.take(Resuming(frame), now=now)
    lake.candles.path("2024-01").write_bytes(old["2024-01.parquet"])
    lake.take(Resuming(frame), now=now)
    assert lake.candles.read().height == 744


def test_a_candle_that_is_late_is_asked_for_until_it_comes(lake: Lake) -> None:
    frame, now = candles("BTC"), START + 48 * HOUR
    lake.take(Resuming(frame.head(46)), now=now)
    assert lake.take(Resuming(frame.head(47)), now=now).new == 1
    assert lake.take(Resuming(frame), now=now).new == 1


def test_the_end_of_a_closed_month_is_looked_at_again_for_corrections(lake: Lake) -> None:
    frame, first = candles("BTC", count=800), START + 744 * HOUR
    lake.take(Resuming(frame), now=first)
    source = Resuming(edit(frame, 740, close=840.5))
    report = lake.take(source, now=first + 5 * HOUR, months=("2024-02",))
    assert source.fetched == [("BTC", first - 24 * HOUR, first + 5 * HOUR)]
    assert report.corrected.select("open_time", "close", "close_was").rows() == [(START + 740 * HOUR, 840.5, 840.0)]
    assert report.published == ("2024-01", "2024-02")


def test_everything_is_asked_for_again_when_told_to(lake: Lake) -> None:
    frame, now = candles("BTC", count=744), START + 744 * HOUR
    lake.take(Resuming(frame), now=now)
    source = Resuming(edit(frame, 5, volume=11.0))
    assert lake.take(source, now=now, again=True).corrected.height == 1
    assert source.fetched == [("BTC", START, now)]


def test_a_source_that_resumes_is_not_asked_when_nothing_can_be_new(lake: Lake) -> None:
    now = START + 48 * HOUR + timedelta(minutes=59)
    lake.take(Resuming(candles("BTC")), now=now)
    source = Resuming(candles("BTC"))
    lake.take(source, now=now)
    assert source.fetched == []


def test_a_marked_source_is_asked_only_for_what_changed(lake: Lake) -> None:
    frame = candles("BTC", "ETH", count=800)
    months = ("2024-01", "2024-02")
    lake.take(Marked(frame), months=months)
    source = Marked(pl.concat([frame.filter(pl.col("symbol") == "BTC"), candles("ETH", count=801)]))
    lake.take(source, months=months)
    assert {symbol for symbol, _, _ in source.fetched} == {"ETH"}
    assert current(lake.candles.read()).height == 1601


def test_marks_are_forgotten_when_an_older_file_is_restored(lake: Lake) -> None:
    lake.take(Marked(candles("BTC", count=10)))
    old = lake.bytes()
    lake.take(Marked(candles("BTC")))
    lake.candles.path("2024-01").write_bytes(old["2024-01.parquet"])
    lake.take(Marked(candles("BTC")))
    assert lake.candles.read().height == 48


def test_a_new_symbol_leaves_the_rows_of_the_others_as_they_were(lake: Lake) -> None:
    lake.take(Offer(candles("BTC", "ETH")))
    before = lake.candles.read()
    source = Resuming(candles("ADA", "BTC", "ETH"))
    lake.take(source, now=LATER + HOUR)
    assert_frame_equal(lake.candles.read().filter(pl.col("symbol") != "ADA"), before)


def test_only_closed_candles_are_taken(lake: Lake) -> None:
    lake.take(Offer(candles("BTC")), now=START + 10 * HOUR + timedelta(minutes=59))
    assert lake.candles.read().height == 10


@pytest.mark.parametrize("months", [("2024-01",), ("2024-07",)], ids=["same month", "another month"])
def test_the_candles_of_another_venue_are_no_corrections(lake: Lake, months: tuple[str, ...]) -> None:
    lake.take(Offer(candles("BTC"), venue="binance spot USDT"))
    before = lake.bytes()
    other = Offer(candles("BTC", start=datetime(2024, 7, 1, tzinfo=UTC)), venue="kraken spot USDT")
    with pytest.raises(InputError, match=r"candles of 1h of binance spot USDT .* candles of 1h of kraken spot USDT"):
        lake.take(other, months=months)
    assert lake.bytes() == before
    assert other.fetched == []


@pytest.mark.parametrize(
    ("source", "venue", "taken"),
    [
        ("binance against USDT (ccxt 4.5.1)", "binance spot USDT", True),
        ("binance against USDT (ccxt 4.5.1)", "binance spot EUR", False),
        ("kraken against USDT (ccxt 4.5.1)", "binance spot USDT", False),
        ("archive at https://data.binance.vision", "binance spot USDT", True),
        ("archive at https://data.binance.vision", "kraken spot USDT", False),
        ("files in /home/user/candles", "files", True),
        ("files in /home/user/candles", "binance spot USDT", True),
        ("my own source", "my own source", True),
    ],
)
def test_a_folder_of_version_0_1_is_of_the_venue_that_its_source_tells_or_of_the_next_that_writes(
    lake: Lake, source: str, venue: str, *, taken: bool
) -> None:
    lake.candles.update(
        "2024-01", lambda _: (candles("BTC").with_columns(known_at=LATER), {"interval": "1:00:00", "source": source})
    )
    new = Offer(candles("BTC", count=50), venue=venue)
    if not taken:
        with pytest.raises(InputError, match=r"delete \S+/candles\.$"):
            lake.take(new)
        return
    lake.take(new)
    assert lake.candles.metadata("2024-01")["venue"] == venue
    with pytest.raises(InputError, match=f"holds real candles of 1h of {venue} "):
        lake.take(Offer(candles("BTC"), venue="another"))


def test_binances_archive_and_its_exchange_are_one_venue() -> None:
    listed: dict[str, Any] = {"quote": "USDT", "symbols": ("BTC",), "start": START, "interval": HOUR}
    assert (
        ArchiveSource("https://data.binance.vision", **listed).venue
        == ExchangeSource("binance", **listed).venue
        == "binance spot USDT"
    )
    swaps = {"BTC": (Listing("BTC/USDT:USDT"),)}
    assert ExchangeSource("binance", listings=swaps, **listed).venue == "binance contract USDT"


@pytest.mark.parametrize("months", [("2024-01",), ("2024-07",)], ids=["same month", "another month"])
def test_synthetic_candles_never_join_real_ones(lake: Lake, months: tuple[str, ...]) -> None:
    synthetic = Offer(candles("BTC"))
    synthetic.synthetic = True
    lake.take(synthetic)
    before = lake.bytes()
    real = Offer(candles("BTC", start=datetime(2024, 7, 1, tzinfo=UTC)))
    with pytest.raises(
        InputError,
        match=r"holds synthetic candles of 1h of offer \(partition 2024-01 of 'candles' is from offer\), and offer has "
        r"real candles of 1h of offer. Choose another folder by CRYPTO_FEATURES_DATA, or delete \S+/candles\.$",
    ):
        lake.take(real, months=months)
    with pytest.raises(InputError, match=r"holds synthetic candles of 1h .* has synthetic candles of 4h"):
        lake.take(synthetic, interval=4 * HOUR, months=months)
    assert lake.bytes() == before
    assert real.fetched == []


def test_a_symbol_that_could_leave_the_folder_is_refused(lake: Lake) -> None:
    with pytest.raises(InputError, match="is not a symbol"):
        lake.take(Offer(candles("BTC")), "../BTC")


def test_progress_tells_rows_rate_and_what_remains(lake: Lake) -> None:
    steps: list[Progress] = []
    lake.take(Offer(candles("BTC", "ETH", count=744)), progress=steps.append)
    assert [(step.rows, step.expected) for step in steps] == [(744, 1488), (1488, 1488)]
    assert steps[0].rate > 0
    assert steps[1].remaining == timedelta(0)


def test_few_rows_at_once_make_the_same_lake(lake: Lake, tmp_path: Path) -> None:
    frame = candles("BTC", "ETH", count=2000)
    months = ("2024-01", "2024-02", "2024-03")
    lake.take(Offer(frame), months=months)
    small, other = Offer(frame), Lake(tmp_path / "other")
    small.rows_at_once = 1
    other.take(small, months=months)
    assert other.bytes() == lake.bytes()
    assert len(small.fetched) == 6


def test_a_bucket_serves_as_a_lake() -> None:
    lake = Lake(Path("/"))
    lake.candles = Table(UPath("memory://ingest"), "candles", "open_time", raw=True)
    lake.quarantine = Table(UPath("memory://ingest"), "quarantine", "open_time", raw=True)
    for _ in range(2):
        lake.take(Marked(edit(candles("BTC"), 3, low=1000.0)))
    assert lake.candles.read().height == 47
    assert lake.quarantine.read().height == 1


def test_candles_of_another_form_are_refused(lake: Lake) -> None:
    with pytest.raises(InputError, match="expected"):
        lake.take(Offer(candles("BTC").with_columns(pl.col("close").cast(pl.Int64))))


def test_the_schema_of_a_candle_is_what_the_platform_reads() -> None:
    assert candles("BTC").schema == CANDLE_SCHEMA
    assert candles("BTC")["open_time"][0] == datetime(2024, 1, 1, tzinfo=UTC)
