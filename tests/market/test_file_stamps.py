"""A stamp is read as what it certainly is, or refused with the setting that decides; never as a time in 1970."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from crypto_features.errors import InputError, SettingsError
from crypto_features.settings import Settings
from tests.market.market import HOUR, START
from tests.market.vendors import DAY, HEADER, MINUTE, candles_in, epoch, files, frame, iso, opens, put, text, times_in

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXCEL = datetime(1899, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stamp", "step"),
    [
        (lambda t: f"{t:%Y%m%d}", DAY),
        (lambda t: f"{t:%Y%m%d}.0", DAY),
        (lambda t: f"{t:%Y%m%d%H}", HOUR),
        (lambda t: f"{t:%Y%m%d%H%M}", HOUR),
        (lambda t: f"{t:%Y%m%d%H%M%S}", HOUR),
        (lambda t: f"{epoch(t) / 1e9:.9f}E9", HOUR),
        (lambda t: f"{t:%m/%d/%y %H:%M}", HOUR),
        (lambda t: f"{t:%d/%m/%y %H:%M}", HOUR),
        (lambda t: f"{t.month}/{t.day}/{t:%y} {t.hour}:00", HOUR),
        (lambda t: f"{t:%y-%m-%d %H:%M:%S}", HOUR),
        (lambda t: f"{t:%d-%b-%y}", DAY),
        (lambda t: f'"{t:%b %d, %Y}"', DAY),
        (lambda t: f"{t:%m/%d/%Y %I:%M %p}", HOUR),
        (lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.0000000Z", HOUR),
    ],
)
def test_every_form_that_is_certain_is_read(tmp_path: Path, stamp: Callable[[datetime], str], step: timedelta) -> None:
    times = opens(40 * (DAY // step), step)
    assert times_in(put(tmp_path / "f", BTC__csv=text(times, stamp)), interval=step) == times


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H%M"])
def test_the_digits_of_dates_are_read_from_numbers_too(tmp_path: Path, form: str) -> None:
    times = opens(40, DAY)
    frame(times).with_columns(pl.col("time").dt.strftime(form).cast(pl.Int64)).write_parquet(tmp_path / "BTC.parquet")
    assert times_in(tmp_path, interval=DAY) == times


@pytest.mark.parametrize(
    ("stamp", "decision"),
    [
        (lambda t: (t - EXCEL) / DAY, "excel"),
        (lambda t: (t - EPOCH) / DAY, "days"),
        (lambda t: f"{t:%y%m%d%H}", "%y%m%d%H"),
    ],
)
def test_numbers_that_are_neither_an_epoch_nor_digits_of_dates_are_refused_until_a_setting_decides(
    tmp_path: Path, stamp: Callable[[datetime], object], decision: str
) -> None:
    times = opens(100)
    folder = put(tmp_path / "f", BTC__csv=text(times, stamp))
    with pytest.raises(InputError, match=r"no form that is known.*FILES_STAMPS.*excel.*days since 1970"):
        candles_in(folder)
    assert times_in(folder, stamps=decision) == times


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_row_numbers_are_no_times(tmp_path: Path, suffix: str) -> None:
    numbered = frame(opens(50)).with_columns(time=pl.int_range(pl.len()))
    numbered.write_csv(tmp_path / "BTC.csv") if suffix == "csv" else numbered.write_parquet(tmp_path / "BTC.parquet")
    with pytest.raises(InputError, match=r"50 are empty or cannot be read .* times since 2008"):
        candles_in(tmp_path)


def test_stamps_that_a_spreadsheet_rounded_are_refused(tmp_path: Path) -> None:
    rounded = text(opens(50), lambda t: f"{epoch(t) * 1000:.5E}")
    with pytest.raises(InputError, match=r"10000s apart.*they may be rounded"):
        candles_in(put(tmp_path / "f", BTC__csv=rounded))


def test_times_of_1970_in_a_parquet_file_are_refused_until_a_setting_says_their_unit(tmp_path: Path) -> None:
    times = opens(50)
    wrong = frame(times).with_columns(pl.col("time").dt.epoch("ms").cast(pl.Datetime("ns")))
    wrong.write_parquet(tmp_path / "BTC.parquet")
    with pytest.raises(InputError, match=r"opened at 1970-01-01 .*FILES_STAMPS, such as ms"):
        candles_in(tmp_path)
    assert times_in(tmp_path, stamps="ms") == times


@pytest.mark.parametrize("order", [1, -1])
def test_local_times_are_read_by_their_zone_through_both_changes_of_the_clocks(tmp_path: Path, order: int) -> None:
    times = opens(24 * 400)
    local = text(times[::order], lambda t: iso(t.astimezone(NEW_YORK)))
    assert times_in(put(tmp_path / "f", BTC__csv=local), zone="America/New_York") == times


def local(folder: Path, zone: str, start: datetime, count: int, step: timedelta) -> Path:
    times = opens(count, step, start)
    return put(folder, BTC__csv=text(times, lambda time: iso(time.astimezone(ZoneInfo(zone)))))


ZONES = ["America/New_York", "America/Chicago", "Europe/Berlin", "Europe/London", "Europe/Athens", "Australia/Sydney"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("step", [HOUR, 15 * MINUTE])
@pytest.mark.parametrize("month", [3, 10])
def test_local_times_are_refused_at_a_change_of_the_clocks_until_their_zone_is_named(
    tmp_path: Path, zone: str, step: timedelta, month: int
) -> None:
    start, count = datetime(2024, month, 5, tzinfo=UTC), 40 * DAY // step
    folder = local(tmp_path / "f", zone, start, count, step)
    with pytest.raises(InputError, match=r"the hour of 2024-.*local time.*FILES_ZONE, such as"):
        candles_in(folder, interval=step)
    assert times_in(folder, interval=step, zone=zone) == opens(count, step, start)


def test_four_hours_of_a_local_clock_that_keeps_the_grid_of_utc_in_summer_are_refused(tmp_path: Path) -> None:
    folder = local(tmp_path / "f", "America/New_York", datetime(2024, 3, 20, tzinfo=UTC), 240 * 6, 4 * HOUR)
    with pytest.raises(InputError, match=r"but 3:00:00 later.*FILES_ZONE"):
        candles_in(folder, interval=4 * HOUR)
    assert len(times_in(folder, interval=4 * HOUR, zone="America/New_York")) == 240 * 6


CHANGE = datetime(2024, 3, 10, 2, tzinfo=UTC)
"""An hour that New York's clocks skip."""


def test_a_hole_or_a_repetition_that_is_not_a_clocks_is_no_local_time(tmp_path: Path) -> None:
    times = opens(24 * 400)
    without = [time for time in times if time != CHANGE]
    twice_as_much = [time for time in times for _ in range(2)]
    for i, (stamps, stamp) in enumerate(
        [
            (without, epoch),
            (without, lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}"),
            ([time for time in without if time != CHANGE + HOUR], iso),
            (times, iso),
            (twice_as_much, iso),
        ]
    ):
        assert files(put(tmp_path / str(i), BTC__csv=text(stamps, stamp))).start(["BTC"]) == START
    several = [time for time in opens(24 * 800) if time != CHANGE]  # in 2025 the hour exists.
    assert times_in(put(tmp_path / "years", BTC__csv=text(several))) == several
    once = put(tmp_path / "once", BTC__csv=text(without))
    with pytest.raises(InputError, match=r"hour of 2024-03-10 02:00:00 is missing.*or UTC if they are UTC"):
        candles_in(once)
    assert times_in(once, zone="UTC") == without


def test_stamps_with_a_zone_of_their_own_are_not_moved(tmp_path: Path) -> None:
    times = opens(50)
    zoned = (epoch, lambda t: f"{iso(t)} UTC", lambda t: f"{t:%Y-%m-%dT%H:%M:%SZ}", lambda t: t.astimezone(NEW_YORK))
    for i, stamp in enumerate(zoned):
        assert times_in(put(tmp_path / str(i), BTC__csv=text(times, stamp)), zone="Asia/Kolkata") == times


@pytest.mark.parametrize(("late", "interval"), [(timedelta(minutes=30), HOUR), (5 * HOUR, DAY)])
def test_stamps_beside_the_grid_of_utc_are_refused_with_a_hint_at_the_zone(
    tmp_path: Path, late: timedelta, interval: timedelta
) -> None:
    folder = put(tmp_path / "f", BTC__csv=text(opens(50, interval, START + late)))
    with pytest.raises(InputError, match=rf"but {late} later.*local time.*FILES_ZONE"):
        candles_in(folder, interval=interval)


@pytest.mark.parametrize(
    ("zone", "step"),
    [
        ("Asia/Kolkata", HOUR),
        ("Asia/Kathmandu", 30 * MINUTE),
        ("America/New_York", DAY),
        ("Asia/Tokyo", DAY),
        ("Asia/Shanghai", 12 * HOUR),
    ],
)
def test_the_hint_names_a_zone_by_which_the_file_loads(tmp_path: Path, zone: str, step: timedelta) -> None:
    folder = local(tmp_path / "f", zone, START, 40, step)
    with pytest.raises(InputError, match=r"later.*local time.*FILES_ZONE, such as") as caught:
        candles_in(folder, interval=step)
    named = re.findall(r"such as (\w+/\w+)", str(caught.value))[0]
    assert times_in(folder, interval=step, zone=named) == opens(40, step)


@pytest.mark.parametrize(
    ("zone", "step", "shorter"),
    [("Asia/Kolkata", HOUR, "30m"), ("Asia/Kathmandu", HOUR, "15m"), ("Asia/Tokyo", DAY, "1h")],
)
def test_hours_of_a_zone_that_are_no_hours_of_utc_are_refused_with_the_candles_that_help(
    tmp_path: Path, zone: str, step: timedelta, shorter: str
) -> None:
    folder = put(tmp_path / "f", BTC__csv=text(opens(48, step)))
    with pytest.raises(InputError, match=rf"FILES_ZONE={zone} they are those of a local time.*such as of {shorter}\."):
        candles_in(folder, interval=step, zone=zone)
    short = timedelta(minutes=int(shorter[:-1])) if shorter.endswith("m") else HOUR
    finer = put(tmp_path / "g", BTC__csv=text(opens(96, short)))
    first = START.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    times = times_in(finer, interval=step, zone=zone)
    assert times[0] == first - (first - EPOCH) % step
    assert times == opens(len(times), step, times[0])


@pytest.mark.parametrize("column", ["candle_date_time_utc", "Gmt time", "date_utc", "utc_time"])
def test_a_column_that_says_utc_is_not_moved_by_the_zone_of_others(tmp_path: Path, column: str) -> None:
    times = opens(24 * 100)
    folder = put(tmp_path / "f", BTC__csv=text(times, header=f"{column},open,high,low,close,volume"))
    assert times_in(folder, zone="America/New_York") == times_in(folder) == times


def test_the_stamps_of_histdata_are_refused_until_a_setting_says_their_zone(tmp_path: Path) -> None:
    times = opens(120, MINUTE, START + 5 * HOUR)
    rows = text(times, lambda t: f"{t - 5 * HOUR:%Y%m%d %H%M%S}", header="").replace(",", ";")
    folder = put(tmp_path / "f", DAT_ASCII_BTCUSD_M1_2024__csv=rows)
    with pytest.raises(InputError, match=r"HistData's.*FILES_ZONE=Etc/GMT\+5, or UTC"):
        candles_in(folder, "BTCUSD", interval=MINUTE)
    assert times_in(folder, "BTCUSD", interval=MINUTE, zone="Etc/GMT+5") == times


def test_no_zone_is_named_where_none_explains_the_times_or_the_stamps_have_their_own(tmp_path: Path) -> None:
    for i, (times, stamp) in enumerate(
        [(opens(50, HOUR, START + 7 * MINUTE), iso), (opens(50, DAY, START + HOUR), epoch)]
    ):
        with pytest.raises(InputError, match=r"do not open at multiples") as caught:
            candles_in(put(tmp_path / str(i), BTC__csv=text(times, stamp)), interval=DAY)
        assert "FILES_ZONE" not in str(caught.value)


@pytest.mark.parametrize("before", [timedelta(seconds=1), timedelta(milliseconds=1), timedelta(microseconds=1)])
def test_stamps_of_a_candles_last_moment_are_its_open_time_a_length_earlier(tmp_path: Path, before: timedelta) -> None:
    times = opens(50, DAY)
    frame([time + DAY - before for time in times]).write_parquet(tmp_path / "BTC.parquet")
    assert times_in(tmp_path, interval=DAY) == times


@pytest.mark.parametrize("header", ["unix,date", "date,unix", "timestamp,datetime"])
def test_of_two_columns_of_stamps_the_one_that_reads_every_row_is_taken(tmp_path: Path, header: str) -> None:
    def both(time: datetime) -> str:
        changing = f"{time:%Y-%m-%d %I-%p}" if time < START + 20 * HOUR else iso(time)
        return f"{epoch(time)},{changing}" if header != "date,unix" else f"{changing},{epoch(time)}"

    times = opens(50)
    content = text(times, both, HEADER.replace("time", header))
    assert times_in(put(tmp_path / "f", BTC__csv=content)) == times


@pytest.mark.parametrize("header", ["", "index", "Unnamed: 0"])
def test_the_index_of_a_pandas_frame_is_its_time(tmp_path: Path, header: str) -> None:
    times = opens(50)
    content = text(times, header=HEADER.replace("time", header))
    assert times_in(put(tmp_path / "f", BTC__csv=content)) == times
    assert times_in(tmp_path / "f", columns={"open_time": header or "Unnamed: 0"}) == times


def test_the_index_of_a_pandas_frame_in_parquet_is_its_time(tmp_path: Path) -> None:
    frame(opens(50)).rename({"time": "__index_level_0__"}).write_parquet(tmp_path / "BTC.parquet")
    assert times_in(tmp_path) == opens(50)


def test_an_index_of_row_numbers_stands_back_behind_a_named_column(tmp_path: Path) -> None:
    times = opens(50)
    content = text(times, lambda t: f"{(t - START) // HOUR},{iso(t)}", f",{HEADER}")
    assert times_in(put(tmp_path / "f", BTC__csv=content)) == times


def test_a_zone_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_FILES_ZONE", "America/NewYork")
    with pytest.raises(SettingsError, match=r"FILES_ZONE: 'America/NewYork' is not a time zone"):
        Settings.load()


def test_settings_reach_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    from crypto_features.sources.vendor import Choices

    chosen: dict[str, Any] = {"STAMPS": "ms", "ZONE": "UTC", "INTERVAL": "2h", "VOLUME": "quote", "LIMIT": "9"}
    for name, value in chosen.items():
        monkeypatch.setenv(f"CRYPTO_FEATURES_FILES_{name}", value)
    assert Choices.of(Settings.load()) == Choices({}, "ms", "UTC", 2 * HOUR, "quote", 9)


@pytest.mark.parametrize("step", [HOUR, MINUTE, DAY])
def test_digits_of_dates_that_seconds_since_1970_have_too_are_refused_until_a_setting_decides(
    tmp_path: Path, step: timedelta
) -> None:
    times = opens(50, step, datetime(2017, 12, 20, tzinfo=UTC))  # 1712200000 is a second of April 2024, too.
    folder = put(tmp_path / "f", BTC__csv=text(times, lambda time: f"{time:%y%m%d%H%M}"))
    with pytest.raises(InputError, match=r"FILES_STAMPS=s or '%y%m%d%H%M'"):
        candles_in(folder, interval=step)
    assert times_in(folder, interval=step, stamps="%y%m%d%H%M") == times
