"""Bulk files are taken whole and verified, or not at all."""

import codecs
import hashlib
import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from crypto_features.errors import CryptoFeaturesError, InputError, PermanentError, SettingsError, TransientError
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.sources.archive import ArchiveSource
from crypto_features.sources.listings import parse_listings
from crypto_features.sources.pace import Pace
from crypto_features.tables.months import month_span
from tests.market.exchanges import serve
from tests.market.market import HOUR, candles

DECEMBER = datetime(2024, 12, 1, tzinfo=UTC)
JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 2, 10, 12, tzinfo=UTC)
FRAME = candles("BTC", start=DECEMBER, count=(NOW - DECEMBER) // HOUR).with_columns(
    quote_volume=pl.col("volume") * pl.col("close"), trades=pl.lit(5, pl.Int64), taker_buy_volume=pl.lit(1.0)
)


def klines(frame: pl.DataFrame, *, header: bool = False, length: timedelta = HOUR) -> bytes:
    """A kline CSV: stamps in milliseconds before 2025, in microseconds since."""
    micro = pl.col("open_time").dt.epoch("us")
    unit = pl.when(pl.col("open_time") < JANUARY).then(1000).otherwise(1)
    columns = frame.select(
        open_time=micro // unit,
        **{name: pl.col(name) for name in ("open", "high", "low", "close", "volume")},
        close_time=(micro + length // timedelta(microseconds=1) - 1) // unit,
        quote_volume=pl.col("quote_volume") if "quote_volume" in frame.columns else pl.lit(3.0),
        count=pl.lit(5),
        taker_buy_volume=pl.lit(1.0),
        taker_buy_quote_volume=pl.lit(2.0),
        ignore=pl.lit(0),
    )
    return columns.write_csv(include_header=header).encode()


def zipped(*texts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, text in enumerate(texts):
            archive.writestr(f"../../evil-{i}.csv", text)
    return buffer.getvalue()


class Archive:
    """The files of a server, in Binance's layout, with every request it got."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.statuses: list[int] = []
        self.pause = 0.0

    def put(self, span: str, date: str, body: bytes, market: str = "BTCUSDT", checksum: str | None = None) -> str:
        path = f"/data/spot/{span}/klines/{market}/1h/{market}-1h-{date}.zip"
        self.files[path] = body
        name = path.rpartition("/")[2]
        self.files[f"{path}.CHECKSUM"] = f"{checksum or hashlib.sha256(body).hexdigest()}  {name}\n".encode()
        return path

    def month(self, month: str, frame: pl.DataFrame = FRAME, market: str = "BTCUSDT") -> str:
        start, end = month_span(month)
        return self.put("monthly", month, zipped(klines(span(frame, start, end))), market)

    def day(self, day: datetime, frame: pl.DataFrame = FRAME) -> str:
        return self.put("daily", f"{day:%Y-%m-%d}", zipped(klines(span(frame, day, day + timedelta(days=1)))))

    def zips(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self.asked if path.endswith(".zip") and path in self.files]


def span(frame: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    return frame.filter(pl.col("open_time").is_between(start, end, closed="left"))


@contextmanager
def serving(archive: Archive) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class.
            del format, args

        def do_GET(self) -> None:
            archive.asked.append(self.path)
            body = archive.files.get(self.path)
            status = archive.statuses.pop(0) if archive.statuses else 200 if body is not None else 404
            self.send_response(status)
            answer = body or b""
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with suppress(OSError):  # the client may have gone.
                for part in [answer] if not archive.pause else (answer[i : i + 1] for i in range(len(answer))):
                    self.wfile.write(part)
                    time.sleep(archive.pause)

    with serve(Handler) as url:
        yield url


@pytest.fixture
def server() -> Iterator[tuple[Archive, str]]:
    archive = Archive()
    with serving(archive) as url:
        yield archive, url


def take_from(url: str, *symbols: str, **options: Any) -> ArchiveSource:
    slept: list[float] = []
    pace = Pace(slept.append, lambda: sum(slept))
    given: dict[str, Any] = {"start": DECEMBER, "interval": HOUR, "now": lambda: NOW, "pace": pace} | options
    return ArchiveSource(url, quote="USDT", symbols=symbols or ("BTC",), **given)


def lake(root: Path, market: ArchiveSource, *months: str, now: datetime = NOW) -> IngestReport:
    table, quarantine = (Table(UPath(root), name, "open_time", raw=True) for name in ("candles", "quarantine"))
    return ingest(market, table, quarantine, months, market.symbols(), interval=HOUR, now=now)


def test_months_before_and_after_the_change_of_stamps_are_one_history(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.month("2024-12")
    archive.month("2025-01")
    assert_frame_equal(
        take_from(url).fetch("BTC", DECEMBER, month_span("2025-01")[1]), span(FRAME, DECEMBER, NOW).head(62 * 24)
    )


def test_a_month_that_is_not_over_comes_from_daily_files(server: tuple[Archive, str]) -> None:
    archive, url = server
    for day in range(1, 11):
        archive.day(datetime(2025, 2, day, tzinfo=UTC))
    frame = take_from(url).fetch("BTC", datetime(2025, 2, 1, tzinfo=UTC), NOW)
    assert_frame_equal(frame, span(FRAME, datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 2, 10, tzinfo=UTC)))
    assert not [path for path in archive.asked if "2025-02-10" in path or "monthly" in path]


def test_a_missing_day_is_a_gap(server: tuple[Archive, str]) -> None:
    archive, url = server
    days = [datetime(2024, 12, day, tzinfo=UTC) for day in (1, 2, 4)]
    for day in days:
        archive.day(day)
    frame = take_from(url).fetch("BTC", DECEMBER, DECEMBER + timedelta(days=5))
    assert frame["open_time"].dt.truncate("1d").unique(maintain_order=True).to_list() == days


def test_a_window_within_a_file_is_cut_out(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.month("2024-12")
    start, end = DECEMBER + 30 * HOUR, DECEMBER + 33 * HOUR
    assert_frame_equal(take_from(url).fetch("BTC", start, end), span(FRAME, start, end))


def test_a_header_line_is_no_candle(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.put("monthly", "2024-12", zipped(klines(span(FRAME, DECEMBER, JANUARY), header=True)))
    assert take_from(url).fetch("BTC", DECEMBER, JANUARY).height == 744


def test_nothing_is_downloaded_twice_unless_its_checksum_changed(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    archive.month("2024-12")
    archive.month("2025-01")
    months = ("2024-12", "2025-01")
    assert lake(tmp_path, take_from(url), *months).new == 62 * 24
    archive.asked.clear()
    assert lake(tmp_path, take_from(url), *months).new == 0
    assert archive.zips() == []
    changed = FRAME.with_columns(volume=pl.when(pl.col("open_time") == DECEMBER).then(11.0).otherwise("volume"))
    archive.month("2024-12", changed)
    report = lake(tmp_path, take_from(url), *months)
    assert archive.zips() == ["BTCUSDT-1h-2024-12.zip"]
    assert report.corrected.select("open_time", "volume", "volume_was").rows() == [(DECEMBER, 11.0, 10.0)]
    assert current(Table(UPath(tmp_path), "candles", "open_time", raw=True).read()).height == 62 * 24


def test_a_file_that_does_not_match_its_checksum_is_never_taken(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    archive.put("monthly", "2024-12", zipped(klines(FRAME)), checksum="0" * 64)
    report = lake(tmp_path, take_from(url), "2024-12")
    assert isinstance(report.failed["BTC"], TransientError)
    assert "has the SHA-256 sum" in str(report.failed["BTC"])
    assert Table(UPath(tmp_path), "candles", "open_time", raw=True).months() == ()


@pytest.mark.parametrize("status", [204, 304, 408, 425, 429, 500, 502, 503, 520, 522, 524, 526, 530])
def test_a_fault_that_passes_is_waited_out(server: tuple[Archive, str], status: int) -> None:
    archive, url = server
    archive.month("2024-12")
    archive.statuses = [status, status, 200, status, 200, 200]
    assert take_from(url).fetch("BTC", DECEMBER, JANUARY).height == 744


@pytest.mark.parametrize(
    ("body", "error", "why"),
    [
        (zipped(b"0" * 3_000_000), PermanentError, "unpacks to more than 2,000,000 bytes"),
        (bytes(2_000_001), PermanentError, "is longer than 2,000,000 bytes"),
        (b"no zip", PermanentError, "is not a zip file"),
        (zipped(b"", b""), PermanentError, "holds 2 files"),
        (zipped(b"1,2,x,4,5,6,7,8,9,10,11,12\n"), InputError, "is not a kline CSV"),
    ],
)
def test_a_bad_file_is_refused(
    server: tuple[Archive, str], body: bytes, error: type[CryptoFeaturesError], why: str
) -> None:
    archive, url = server
    archive.put("monthly", "2024-12", body)
    with pytest.raises(error, match=why):
        take_from(url, limit=2_000_000).fetch("BTC", DECEMBER, JANUARY)


DECEMBERS = span(FRAME, DECEMBER, JANUARY)
ORDERED = klines(DECEMBERS, header=True)
SWAPPED = ORDERED.replace(b"open,high,low,close", b"close,high,low,open", 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SWAPPED, "expected the columns open_time, open, high, low, close, volume"),
        (
            klines(candles("BTC", start=DECEMBER, count=31, interval=24 * HOUR), length=24 * HOUR),
            "1 day, 0:00:00; expected 1:00",
        ),
        (b"", "holds no candle of 2024-12-01 00:00 to 2025-01-01 00:00"),
        (klines(span(FRAME, JANUARY, NOW)), "holds no candle of 2024-12-01 00:00"),
    ],
    ids=["columns in another order", "daily candles", "nothing", "another month"],
)
def test_a_file_of_other_candles_than_its_name_says_is_refused(
    server: tuple[Archive, str], text: bytes, why: str
) -> None:
    archive, url = server
    archive.put("monthly", "2024-12", zipped(text))
    with pytest.raises(InputError, match=why):
        take_from(url).fetch("BTC", DECEMBER, JANUARY)


@pytest.mark.parametrize(
    "text",
    [
        codecs.BOM_UTF8 + klines(DECEMBERS),
        b"\n" + klines(DECEMBERS),
        b"\n".join(b'"' + line.replace(b",", b'","') + b'"' for line in klines(DECEMBERS).splitlines()),
    ],
    ids=["byte order mark", "empty line", "quotes"],
)
def test_the_first_candle_is_not_taken_for_a_header(server: tuple[Archive, str], text: bytes) -> None:
    archive, url = server
    archive.put("monthly", "2024-12", zipped(text))
    assert_frame_equal(take_from(url).fetch("BTC", DECEMBER, JANUARY), DECEMBERS)


def test_a_file_with_the_checksum_of_another_file_is_not_taken(server: tuple[Archive, str]) -> None:
    archive, url = server
    path = archive.month("2024-12", FRAME.with_columns(pl.col("close") - 0.5))
    archive.files[f"{path}.CHECKSUM"] = archive.files[f"{path}.CHECKSUM"].replace(b"BTCUSDT", b"ETHUSDT")
    with pytest.raises(TransientError, match=r"is that of ETHUSDT-1h-2024-12\.zip"):
        take_from(url).fetch("BTC", DECEMBER, JANUARY)


def without_day(day: datetime) -> pl.DataFrame:
    return FRAME.filter(~pl.col("open_time").is_between(day, day + timedelta(days=1), closed="left"))


FIFTH = datetime(2024, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize("hours", [1, 24])
def test_what_a_monthly_file_lacks_is_taken_from_the_daily_ones(server: tuple[Archive, str], hours: int) -> None:
    archive, url = server
    lacking = FRAME.filter(~pl.col("open_time").is_between(FIFTH, FIFTH + hours * HOUR, closed="left"))
    other = FRAME.with_columns(volume=pl.lit(11.0))
    archive.month("2024-12", lacking)
    archive.day(FIFTH, other)
    frame = take_from(url).fetch("BTC", DECEMBER, JANUARY)
    taken = pl.when(pl.col("open_time").is_between(FIFTH, FIFTH + hours * HOUR, closed="left")).then(11.0)
    assert_frame_equal(
        frame.sort("open_time"), span(FRAME, DECEMBER, JANUARY).with_columns(volume=taken.otherwise(10.0))
    )
    assert [name for name in archive.zips() if len(name) > len("BTCUSDT-1h-2024-12.zip")] == [
        "BTCUSDT-1h-2024-12-05.zip"
    ]


def test_a_day_that_comes_after_its_months_file_is_asked_for_again_ever_more_rarely(
    server: tuple[Archive, str], tmp_path: Path
) -> None:
    archive, url = server
    archive.month("2024-12", without_day(FIFTH))
    asked_after = []
    for hours in (0, 0.5, 1, 2, 24, 26, 28, 7 * 24, 10 * 24, 57 * 24, 60 * 24):
        now = NOW + hours * HOUR
        archive.asked.clear()
        report = lake(tmp_path, take_from(url, now=lambda now=now: now), "2024-12", now=now)
        ((gap, missing),) = report.absent.select("from", "missing").rows()
        assert (gap, missing, dict(report.failed), report.troubles) == (FIFTH, 24, {}, [])
        if any("2024-12-05" in path for path in archive.asked):
            asked_after.append(hours)
    assert asked_after == [0, 1, 26, 10 * 24, 60 * 24]
    archive.day(FIFTH)
    for days, new in ((100, 0), (420, 24), (421, 0)):
        now = NOW + timedelta(days=days)
        report = lake(tmp_path, take_from(url, now=lambda now=now: now), "2024-12", now=now)
        assert (report.new, report.absent.height) == (new, 1 if days == 100 else 0)


@pytest.mark.parametrize("row", [0, 100, 743])
@pytest.mark.parametrize("stamp", [b"17330x12", b"", b"0", b"99999999999999999999"])
def test_a_row_whose_stamp_cannot_be_read_is_quarantined_and_counted(
    server: tuple[Archive, str], tmp_path: Path, row: int, stamp: bytes
) -> None:
    archive, url = server
    lines = klines(span(FRAME, DECEMBER, JANUARY)).splitlines()
    lines[row] = stamp + b"," + lines[row].partition(b",")[2]
    archive.put("monthly", "2024-12", zipped(b"\n".join(lines)))
    for _ in range(2):
        report = lake(tmp_path, take_from(url), "2024-12")
    quarantine = Table(UPath(tmp_path), "quarantine", "open_time", raw=True).read()
    assert quarantine["rule"].to_list() == ["open_time|nullability"]
    assert quarantine["close"].to_list() == [FRAME["close"][row]]
    assert current(Table(UPath(tmp_path), "candles", "open_time", raw=True).read()).height == 743
    assert report.absent.select("from", "missing").rows() == [(DECEMBER + row * HOUR, 1)]


def test_a_number_that_cannot_be_read_costs_its_row_only(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    lines = klines(span(FRAME, DECEMBER, JANUARY)).splitlines()
    fields = lines[7].split(b",")
    lines[7] = b",".join([fields[0], b"n/a", *fields[2:]])
    archive.put("monthly", "2024-12", zipped(b"\n".join(lines)))
    report = lake(tmp_path, take_from(url), "2024-12")
    assert (report.new, report.rejected_by_rule) == (743, {"open|nullability": 1})


BROKEN = {
    "not a zip": b"no zip",
    "cut": zipped(klines(FRAME))[:5000],
    "not klines": zipped(b"1,2,x,4,5,6,7,8,9,10,11,12\n"),
    "too long": zipped(b"0" * 3_000_000),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_monthly_file_costs_its_own_candles_only(
    server: tuple[Archive, str], tmp_path: Path, body: bytes
) -> None:
    archive, url = server
    months = ("2024-12", "2025-01")
    archive.put("monthly", "2024-12", body)
    archive.month("2025-01")
    archive.day(FIFTH)
    for new, zips in ((31 * 24 + 24, 3), (0, 2)):
        archive.asked.clear()
        report = lake(tmp_path, take_from(url, limit=2_000_000), *months)
        assert report.new == new
        assert "BTCUSDT-1h-2024-12.zip" in str(report.failed["BTC"])
        assert len(archive.zips()) == zips  # what is good is not taken twice, what is broken is tried again.
    archive.month("2024-12")
    assert lake(tmp_path, take_from(url, limit=2_000_000), *months).new == 30 * 24


@pytest.mark.parametrize("checksum", [None, "0" * 64, "none at all"])
def test_daily_files_replace_a_monthly_one_that_cannot_be_verified(
    server: tuple[Archive, str], tmp_path: Path, checksum: str | None
) -> None:
    archive, url = server
    path = archive.month("2024-12")
    archive.files[f"{path}.CHECKSUM"] = f"{checksum}  file".encode()
    if checksum is None:
        del archive.files[f"{path}.CHECKSUM"]
    for day in range(31):
        archive.day(DECEMBER + timedelta(days=day))
    report = lake(tmp_path, take_from(url, patience=timedelta(seconds=3)), "2024-12")
    assert (report.new, dict(report.failed)) == (744, {})
    ((symbol, text),) = report.troubles
    assert symbol == "BTC"
    assert "BTCUSDT-1h-2024-12.zip" in text
    assert "CHECKSUM" in text


def test_a_file_without_its_checksum_is_named_and_not_taken(server: tuple[Archive, str], tmp_path: Path) -> None:
    archive, url = server
    archive.month("2024-12", without_day(FIFTH))
    del archive.files[f"{archive.day(FIFTH)}.CHECKSUM"]
    for _ in range(2):
        report = lake(tmp_path, take_from(url), "2024-12")
        assert "BTCUSDT-1h-2024-12-05.zip has no CHECKSUM file beside it" in str(report.failed["BTC"])
        assert isinstance(report.failed["BTC"], PermanentError)
    assert current(Table(UPath(tmp_path), "candles", "open_time", raw=True).read()).height == 30 * 24


def test_a_server_that_goes_away_keeps_what_came_and_is_not_waited_for_at_each_file(
    server: tuple[Archive, str], tmp_path: Path
) -> None:
    archive, url = server
    for month in ("2024-12", "2025-01"):
        archive.month(month)
    archive.statuses = [200] * 4 + [503] * 200  # two marks, and one month's checksum and file.
    report = lake(tmp_path, take_from(url, patience=timedelta(seconds=20)), "2024-12", "2025-01")
    assert (report.new, isinstance(report.failed["BTC"], TransientError)) == (744, True)
    assert len(archive.asked) < 20
    archive.statuses.clear()
    assert lake(tmp_path, take_from(url), "2024-12", "2025-01").new == 744


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_cannot_be_unpacked_piece_by_piece_is_refused(server: tuple[Archive, str], method: int) -> None:
    archive, url = server
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("klines.csv", klines(span(FRAME, DECEMBER, JANUARY)))
    archive.put("monthly", "2024-12", buffer.getvalue())
    with pytest.raises(PermanentError, match="is compressed by another method than deflate"):
        take_from(url).fetch("BTC", DECEMBER, JANUARY)


def test_a_server_that_sends_byte_by_byte_is_left_in_time(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.month("2024-12")
    archive.pause = 5.0
    with pytest.raises(TransientError, match="Timeout"):
        take_from(url, patience=timedelta(seconds=1), pace=Pace()).fetch("BTC", DECEMBER, JANUARY)


def test_a_server_that_refuses_is_no_gap(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.statuses = [403]
    with pytest.raises(PermanentError, match="status 403"):
        take_from(url).fetch("BTC", DECEMBER, JANUARY)


def test_a_server_that_may_not_answer_from_here_is_asked_once(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.statuses = [451] * 500
    with pytest.raises(PermanentError, match=r"status 451.*name a mirror"):
        take_from(url).fetch("BTC", datetime(2020, 1, 1, tzinfo=UTC), JANUARY)
    assert len(archive.asked) == 1


def test_files_may_lie_on_another_host_and_a_circle_of_hosts_ends(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.month("2024-12")

    class Elsewhere(BaseHTTPRequestHandler):
        circle = False

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class.
            del format, args

        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", self.path if self.circle else f"{url}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serve(Elsewhere) as front:
        assert take_from(front).fetch("BTC", DECEMBER, JANUARY).height == 744
        Elsewhere.circle = True
        with pytest.raises(PermanentError, match="in a circle"):
            take_from(front).fetch("BTC", DECEMBER, JANUARY)


def test_a_password_in_the_address_is_not_shown() -> None:
    market = take_from("http://user:pa55word@127.0.0.1:9/mirror", patience=timedelta(seconds=1))
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9/mirror/data/spot") as error:
        market.fetch("BTC", DECEMBER, JANUARY)
    assert "pa55word" not in str(error.value) + market.name


def test_a_rename_keeps_one_history(server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.month("2024-12", market="MATICUSDT")
    archive.month("2025-01", market="POLUSDT")
    listings = parse_listings("POL=MATIC/USDT@..2025-01-01+POL/USDT@2025-01-01..")
    frame = take_from(url, "POL", listings=listings).fetch("POL", DECEMBER, month_span("2025-01")[1])
    assert frame.height == 62 * 24
    assert frame["symbol"].unique().to_list() == ["POL"]


def test_settings_choose_the_archive(monkeypatch: pytest.MonkeyPatch, server: tuple[Archive, str]) -> None:
    archive, url = server
    archive.month("2024-12")
    settings = {"SOURCE": "archive", "ARCHIVE_URL": url, "SYMBOLS": "btc", "START": "2024-12", "CLOCK": NOW.isoformat()}
    for name, value in settings.items():
        monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
    assert source(Settings.load()).fetch("BTC", DECEMBER, JANUARY).height == 744
    monkeypatch.setenv("CRYPTO_FEATURES_INTERVAL", "90m")
    with pytest.raises(SettingsError):
        source(Settings.load())
