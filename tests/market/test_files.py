"""Vendor files are recognized or refused with what decides; nothing is guessed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from crypto_features.compute.resample import resample
from crypto_features.errors import CryptoFeaturesError, InputError, SettingsError, UnknownNameError
from crypto_features.settings import Settings
from crypto_features.sources import source
from tests.market.market import HOUR, START, candles
from tests.market.vendors import END, LONG_AGO, candles_in, files


def written(folder: Path, text: str, name: str = "BTC.csv") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


ROW = (1.5, 2.5, 1.0, 2.0, 10.0, 1.0)
PRICES = "1.5,2.5,1,2,10"
NEXT = "2,3,2,3,20"
HEADER = "open,high,low,close,volume"


@pytest.mark.parametrize(
    ("header", "first", "second"),
    [
        ("open_time", "2024-01-01 00:00:00", "2024-01-01 01:00:00"),
        ("Date", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"),
        ("Timestamp", "2024-01-01T01:00:00+01:00", "2024-01-01T02:00:00+01:00"),
        ("datetime", "2024-01-01 00:00", "2024-01-01 01:00"),
        ("date", "2024-01-01 12-AM", "2024-01-01 01-AM"),
        ("unix", "1704067200", "1704070800"),
        ("unix", "1704067200.0", "1704070800.0"),
        ("time", "1704067200000", "1704070800000"),
        ("Open time", "1704067200000000", "1704070800000000"),
        ("ts", "1704067200000000000", "1704070800000000000"),
        ("Open Time", "1704067200000", "1704070800000000"),  # the unit changes within the file
        ("Date", "2024.01.01 00:00", "2024.01.01 01:00"),
        ("<DATE>,<TIME>", "2024.01.01,00:00:00", "2024.01.01,01:00:00"),
        ("unix,date", "1704067200,2024-01-01 00:00:00", "1704070800,2024-01-01 01:00:00"),
    ],
)
def test_the_stamps_of_common_vendors_are_recognized(tmp_path: Path, header: str, first: str, second: str) -> None:
    text = f"{header},{HEADER}\n{first},{PRICES}\n{second},{NEXT}\n"
    rows = candles_in(written(tmp_path / "f", text)).rows()
    assert rows[0] == ("BTC", START, *ROW)
    assert rows[1][1] == START + HOUR


@pytest.mark.parametrize(
    "text",
    [
        f"time;{HEADER.replace(',', ';')}\n1704067200;1.5;2.5;1;2;10\n",
        f"time\tOpen\tHigh\tLow\tClose\tVol\n1704067200\t{PRICES.replace(',', chr(9))}\n",
        f"a banner, with a comma\n\ntime,{HEADER}\n1704067200,{PRICES}\n",
        f"\ufefftime,{HEADER}\n1704067200,{PRICES}\n",
        f'"time","Open","High","Low","Close","Volume BTC","Volume USD"\r\n"1704067200",{PRICES},18.0\r\n',
        f"1704067200000,{PRICES},1704070799999,18.0,5,1.0,1.5,0\n",
        "time,volume_btc,volume,close,low,high,open\n1704067200,10,18.0,2,1,2.5,1.5\n",
    ],
    ids=["semicolons", "tabs", "banner", "byte order mark", "two volumes", "binance klines", "other order"],
)
def test_the_columns_of_common_vendors_are_recognized(tmp_path: Path, text: str) -> None:
    assert candles_in(written(tmp_path / "f", text)).rows() == [("BTC", START, *ROW)]


def test_parquet_of_any_time_type_gives_the_same_candles(tmp_path: Path) -> None:
    frame = candles("BTC", count=100)
    for i, time in enumerate(
        (
            pl.col("open_time"),
            pl.col("open_time").dt.cast_time_unit("ms"),
            pl.col("open_time").dt.replace_time_zone(None),
            pl.col("open_time").dt.convert_time_zone("Asia/Seoul"),
            pl.col("open_time").dt.epoch("ms"),
        )
    ):
        folder = tmp_path / str(i)
        folder.mkdir()
        frame.drop("symbol").with_columns(time.alias("open_time")).reverse().write_parquet(folder / "btc.parquet")
        assert_frame_equal(candles_in(folder), frame)


def test_a_month_is_read_from_a_text_without_the_rest(tmp_path: Path) -> None:
    frame = candles("BTC", count=2000)
    written(tmp_path / "f", frame.drop("symbol").write_csv(datetime_format="%Y-%m-%d %H:%M:%S"))
    part = files(tmp_path / "f").fetch("BTC", START + 5 * HOUR, START + 8 * HOUR)
    assert_frame_equal(part, frame.slice(5, 3))


def test_candles_are_resampled_from_shorter_ones(tmp_path: Path) -> None:
    quarters = candles("BTC", count=10, interval=timedelta(minutes=15)).drop("symbol")
    folder = written(tmp_path / "f", quarters.write_csv(datetime_format="%Y-%m-%d %H:%M:%S"))
    frame = candles_in(folder)
    assert frame.rows() == [
        ("BTC", START, 99.0, 105.0, 98.0, 103.0, 40.0, 1.0),
        ("BTC", START + HOUR, 103.0, 109.0, 102.0, 107.0, 40.0, 1.0),
        ("BTC", START + 2 * HOUR, 107.0, 111.0, 106.0, 109.0, 20.0, 0.5),
    ]


@pytest.mark.parametrize("interval", [HOUR, 4 * HOUR, timedelta(days=1)])
def test_a_day_counts_the_minutes_whatever_the_candles_between_them(tmp_path: Path, interval: timedelta) -> None:
    minutes = candles("BTC", count=1440, interval=timedelta(minutes=1)).drop("symbol", "completeness")
    two_of_each_hour = minutes.filter(pl.col("open_time").dt.minute() < 2)
    half_a_day = pl.concat([two_of_each_hour.head(24), minutes.slice(720, 720)])
    for symbol, frame in (("BTC", two_of_each_hour), ("ETH", half_a_day)):
        frame.write_parquet(tmp_path / f"{symbol}.parquet")
    found = pl.concat(candles_in(tmp_path, symbol, interval=interval) for symbol in ("BTC", "ETH"))
    days = resample(found, interval, timedelta(days=1))
    assert days["completeness"].to_list() == pytest.approx([48 / 1440, (24 + 720) / 1440])


def test_the_end_of_a_file_that_is_late_is_waited_for(tmp_path: Path) -> None:
    candles("BTC", count=10, interval=timedelta(minutes=15)).drop("symbol").write_parquet(tmp_path / "BTC.parquet")
    opens = [
        candles_in(tmp_path, wait=HOUR, now=lambda now=START + after: now)["open_time"].to_list()
        for after in (3 * HOUR, 4 * HOUR - timedelta(seconds=1), 4 * HOUR)
    ]
    assert opens == [[START, START + HOUR], [START, START + HOUR], [START, START + HOUR, START + 2 * HOUR]]


@pytest.mark.parametrize(
    "text",
    [
        f"time,{HEADER}\n\n1704067200,{PRICES}\n",
        f"time,{HEADER}\n1704067200,{PRICES}\n,,,,,\n",
        f"time,{HEADER}\n,,,,,\n\n1704067200,{PRICES}\n\n",
    ],
)
def test_an_empty_row_is_no_candle(tmp_path: Path, text: str) -> None:
    assert candles_in(written(tmp_path / "f", text)).rows() == [("BTC", START, *ROW)]


@pytest.mark.parametrize("shift", range(3))
def test_a_character_that_lies_across_the_end_of_what_is_looked_at_first_is_read(tmp_path: Path, shift: int) -> None:
    note = "x" * (65_400 + shift) + "€" * 100
    text = f"time,{HEADER},note\n1704067200,{PRICES},{note}\n"
    assert len(text.encode()) > 65_536
    assert candles_in(written(tmp_path / "f", text)).rows() == [("BTC", START, *ROW)]


def test_candles_of_a_time_that_the_clock_has_not_reached_are_not_on_offer(tmp_path: Path) -> None:
    candles("BTC").drop("symbol").write_parquet(tmp_path / "BTC.parquet")
    now = START + 3 * HOUR + timedelta(minutes=59)
    market = files(tmp_path, now=lambda: now)
    assert market.later("BTC") == 0
    assert market.fetch("BTC", LONG_AGO, END)["open_time"].to_list() == [START + i * HOUR for i in range(3)]
    assert market.later("BTC") == 45


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_changed_is_read_anew(tmp_path: Path, suffix: str) -> None:
    def write(frame: pl.DataFrame) -> None:
        path = tmp_path / f"BTC.{suffix}"
        _ = (
            frame.write_parquet(path)
            if suffix == "parquet"
            else frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        )

    write(candles("BTC", count=10))
    market = files(tmp_path)
    first = market.mark("BTC", START, END)
    assert market.fetch("BTC", START, END).height == 10
    write(candles("BTC", count=20))
    assert market.mark("BTC", START, END) != first
    assert market.fetch("BTC", START, END).height == 20
    candles("ETH").write_parquet(tmp_path / "ETH.parquet")
    assert market.symbols() == ("BTC", "ETH")


def test_a_file_that_did_not_change_is_not_opened_for_its_span(tmp_path: Path) -> None:
    folder, cache = (
        written(tmp_path / "f", f"time,{HEADER}\n1704067200,{PRICES}\n1704070800,{NEXT}\n"),
        UPath(tmp_path / "c"),
    )
    span = (START, START + 2 * HOUR)
    for _ in range(2):
        market = files(folder, cache=cache)
        assert (market.start(["BTC"]), market.end()) == span
    assert not market._opened
    for kept in cache.iterdir():
        kept.write_text("torn")
    assert files(folder, cache=cache).end() == span[1]
    written(folder, f"time,{HEADER}\n1704067200,{PRICES}\n")
    assert files(folder, cache=cache).end() == START + HOUR


def test_the_span_is_that_of_the_chosen_symbols(tmp_path: Path) -> None:
    candles("BTC", count=10).drop("symbol").write_parquet(tmp_path / "BTC.parquet")
    candles("ETH", start=START + 5 * HOUR, count=10).drop("symbol").write_parquet(tmp_path / "ETH.parquet")
    market = files(tmp_path)
    assert market.symbols() == ("BTC", "ETH")
    assert market.start(["ETH"]) == START + 5 * HOUR
    assert market.start(()) == START
    assert market.end() == START + 15 * HOUR


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            f"date,{HEADER}\n01/02/2024 00:00,{PRICES}\n",
            r"read as %d/%m/%Y %H:%M is .* read as %m/%d/%Y %H:%M.*FILES_STAMPS",
        ),
        (f"when,{HEADER}\n2024-01-01,{PRICES}\n", "no column for open_time.*FILES_COLUMNS=open_time=<column>"),
        ("time,open,high,low,close\n1704067200,1.5,2.5,1,2\n", "no column for volume"),
        (
            f"time,{HEADER}\n1704067200,{PRICES}\n1704070800,{NEXT},1,2,3\n",
            "line 3 has 9 fields, and the header names 6 .*name every column",
        ),
        (f"time,{HEADER},vol\n1704067200,{PRICES},10\n", "could take volume from 'volume' or 'vol'"),
        (
            f"unix,date,{HEADER}\n1704067200,2024-01-01 01:00:00,{PRICES}\n",
            r"'unix' read as epoch is 2024-01-01 00:00.* in 'date'.*FILES_COLUMNS",
        ),
        (f"time,{HEADER}\nsoon,{PRICES}\n", "no form that is known"),
        (f"time,{HEADER}\n,{PRICES}\n", "1 are empty or cannot be read as"),
        (f"time,{HEADER}\n1704067200,1.5,2.5,1,abc,10\n", "line 2: abc in close is not a number; use a decimal"),
        (f"time,{HEADER}\n1704067200,{PRICES}\n\n1704070800,2,3,n/a,3,20\n", "line 4: n/a in low is not a number"),
        (
            f'time,{HEADER}\n1704067200,"1,234.5",2,1,1,1\n',
            "line 2: 1,234.5 in open is not a number.*no other separator",
        ),
        (f'a banner\n\ntime,{HEADER}\n\n1704067200,"100,0",2,1,1,1\n', "line 5: 100,0 in open .*delete the row"),
        (f"time,symbol,{HEADER}\n1704067200,BTC/USD,{PRICES}\n1704067200,ETH/USD,{PRICES}\n", "mixes 2 markets"),
        (f"time,symbol,{HEADER}\n1704067200,ETH/USD,{PRICES}\n", "named BTC and holds ETH/USD"),
        (
            f"time,open,open,high,low,close,volume\n1704067200,1,{PRICES}\n",
            r"could take open from 'open' or 'open\.1'; decide by .*COLUMNS=open=<column>",
        ),
        ("a,b\n1,2\n", "no line names the columns of a candle"),
        (f"time,{HEADER}\n", "holds no candle"),
        ("", "the file is empty"),
    ],
)
def test_what_is_ambiguous_or_wrong_is_refused_with_the_first_rows(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=f"(?s){why}") as error:
        candles_in(written(tmp_path / "f", text))
    assert str(tmp_path / "f" / "BTC.csv") in str(error.value)
    assert "\n".join(text.splitlines()[:2]) in str(error.value)


@pytest.mark.parametrize(
    ("text", "options", "month"),
    [
        (f"date,{HEADER}\n01/02/2024 00:00,{PRICES}\n", {"stamps": "%d/%m/%Y %H:%M"}, 2),
        (f"date,{HEADER}\n01/02/2024 00:00,{PRICES}\n", {"stamps": "%m/%d/%Y %H:%M"}, 1),
        (f"when,{HEADER}\n2024-01-01,{PRICES}\n", {"columns": {"open_time": "when"}}, 1),
        (f"time,{HEADER},vol\n1704067200,{PRICES},7\n", {"columns": {"volume": "volume"}}, 1),
        (f"unix,date,{HEADER}\n1704067200,2024-02-01,{PRICES}\n", {"columns": {"open_time": "date"}}, 2),
    ],
)
def test_a_setting_decides(tmp_path: Path, text: str, options: dict[str, Any], month: int) -> None:
    (row,) = candles_in(written(tmp_path / "f", text), **options).rows()
    assert (row[1].month, row[2:]) == (month, ROW)


def test_dates_that_only_one_order_can_read_are_no_ambiguity(tmp_path: Path) -> None:
    text = f"date,{HEADER}\n31/01/2024 00:00,{PRICES}\n01/02/2024 00:00,{NEXT}\n"
    rows = candles_in(written(tmp_path / "f", text), interval=timedelta(days=1)).rows()
    assert [row[1] for row in rows] == [datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)]


def test_volumes_under_the_wrong_names_are_refused(tmp_path: Path) -> None:
    text = "time,open,high,low,close,volume,volume usd\n1704067200,40000,40100,39900,40050,4000000,100\n"
    with pytest.raises(InputError, match=r"'volume' holds the quote currency .*COLUMNS=volume=volume usd"):
        candles_in(written(tmp_path / "f", text))
    assert candles_in(tmp_path / "f", columns={"volume": "volume usd"})["volume"].to_list() == [100.0]


def test_candles_longer_than_the_interval_are_refused_with_theirs(tmp_path: Path) -> None:
    candles("BTC", count=5, interval=timedelta(days=1)).drop("symbol").write_parquet(tmp_path / "BTC.parquet")
    with pytest.raises(InputError, match=r"candles of 1d, from which candles of 1h cannot be made; .* to 1d\.$"):
        candles_in(tmp_path)


def test_a_bad_short_candle_is_rejected_and_missing_in_its_bar(tmp_path: Path) -> None:
    quarters = candles("BTC", count=8, interval=timedelta(minutes=15)).drop("symbol", "completeness")
    low = pl.when(pl.int_range(pl.len()) == 1).then(1000.0).otherwise("low").alias("low")
    pl.concat([quarters.with_columns(low), quarters.tail(1)]).write_parquet(tmp_path / "BTC.parquet")
    market = files(tmp_path)
    bars = market.fetch("BTC", START, END)
    assert bars.rows() == [
        ("BTC", START, 99.0, 105.0, 98.0, 103.0, 30.0, 0.75),
        ("BTC", START + HOUR, 103.0, 109.0, 102.0, 107.0, 40.0, 1.0),
    ]
    shorter = market.shorter("BTC", START, END)
    assert shorter is not None
    assert shorter.read == 9
    assert sorted(shorter.rejected.select("open_time", "rule").rows()) == [
        (START + timedelta(minutes=15), "high_bounds, low_bounds"),
        (START + timedelta(minutes=105), "repeated"),
    ]


def break_parquet(folder: Path) -> None:
    candles("BTC").write_parquet(folder / "BTC.parquet")
    data = (folder / "BTC.parquet").read_bytes()
    (folder / "BTC.parquet").write_bytes(data[: len(data) // 2])


def text(folder: Path, encoding: str, *, banner: str = "", rows: int = 2, note: str = "") -> None:
    stamps = [1704067200 + 3600 * i for i in range(rows)]
    body = "".join(f"{stamp},{PRICES},{note if stamp == stamps[-1] else ''}\n" for stamp in stamps)
    (folder / "BTC.csv").write_bytes(f"{banner}time,{HEADER},note\n{body}".encode(encoding))


def two_files(folder: Path) -> None:
    written(folder, "", "BTC.csv")
    candles("BTC").write_parquet(folder / "BTC.parquet")


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda folder: folder.rmdir(), "is not a folder"),
        (lambda _: None, "holds no file of candles such as BTC.csv.*; it holds nothing"),
        (lambda folder: written(folder, "", "notes.txt"), "it holds notes.txt"),
        (two_files, "the file is empty"),
        (break_parquet, r"BTC\.parquet is not a whole file of candles .*Copy it again"),
        (lambda folder: text(folder, "utf-16"), r"BTC\.csv is not a UTF-8 text but UTF-16; save it as UTF-8"),
        (
            lambda folder: text(folder, "latin-1", banner="B\xf6rse\n"),
            r"is not a UTF-8 text \(.* at byte 1\); save it as",
        ),
        (lambda folder: text(folder, "latin-1", banner="B\xf6rse\n", rows=4000), r"at byte 1\); save it as UTF-8"),
        (lambda folder: text(folder, "latin-1", rows=4000, note="B\xf6rse"), r"Save it as UTF-8\."),
        (lambda folder: written(folder, "", "a b.csv"), r"(?s)a b\.csv.*the file is empty"),
    ],
)
def test_a_folder_that_cannot_be_read_is_named_with_what_to_do(
    tmp_path: Path, prepare: Callable[[Path], object], why: str
) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    prepare(folder)
    with pytest.raises(InputError, match=why):
        candles_in(folder)


def test_an_unknown_symbol_is_named(tmp_path: Path) -> None:
    candles("BTC").write_parquet(tmp_path / "BTC.parquet")
    with pytest.raises(UnknownNameError, match=r"unknown symbol '../BTC'.*available: BTC"):
        candles_in(tmp_path, "../BTC")


def test_settings_choose_the_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "synthetic" in source(Settings.load()).name
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    with pytest.raises(SettingsError, match="needs CRYPTO_FEATURES_FILES"):
        source(Settings.load())
    candles("BTC").rename({"open_time": "when"}).write_parquet(tmp_path / "BTC.parquet")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(tmp_path))
    monkeypatch.setenv("CRYPTO_FEATURES_FILES_COLUMNS", "open_time=when")
    assert source(Settings.load()).start(["BTC"]) == START
    monkeypatch.setenv("CRYPTO_FEATURES_FILES_COLUMNS", "when")
    with pytest.raises(SettingsError, match=r"FILES_COLUMNS.*'when' needs the form"):
        Settings.load()
    monkeypatch.delenv("CRYPTO_FEATURES_FILES_COLUMNS")
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "fiels")
    with pytest.raises(CryptoFeaturesError, match="'fiels'"):
        source(Settings.load())
