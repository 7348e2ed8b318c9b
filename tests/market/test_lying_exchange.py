"""An exchange that is in one run costs no candle for good: what it said is doubted, listed, and asked for again."""

import gzip
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import SecretStr
from upath import UPath

from crypto_features import clock
from crypto_features.errors import PermanentError, TransientError
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.sources.exchange import ExchangeSource
from crypto_features.sources.pace import Pace, retry_after
from tests.market.exchanges import Exchange, Fault, binance, gate, kraken, repeating, upbit
from tests.market.market import HOUR, START, candles
from tests.market.test_exchange import ask

END = START + 3000 * HOUR
MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05")
TRUTH = candles("BTC", count=3000)
HOUR_MS = 3_600_000


@pytest.fixture
def server() -> Iterator[tuple[Exchange, str]]:
    exchange = Exchange(TRUTH, now=END)
    with binance(exchange) as url:
        yield exchange, url


class Lake:
    def __init__(self, root: Path) -> None:
        self.candles, self.quarantine = (
            Table(UPath(root), name, "open_time", raw=True) for name in ("candles", "quarantine")
        )

    def take(self, market: ExchangeSource, now: Any = END, months: tuple[str, ...] = MONTHS) -> IngestReport:
        return ingest(market, self.candles, self.quarantine, months, market.symbols(), interval=HOUR, now=now)

    def current(self) -> pl.DataFrame:
        return current(self.candles.read()).drop("known_at")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def far(rows: list[Any], time: Any) -> list[Any]:
    return [[int(time.timestamp() * 1000), *rows[-1][1:]]] if rows else []


def later(rows: list[Any], hours: int) -> list[Any]:
    return [[row[0] + hours * HOUR_MS, *row[1:]] for row in rows]


def of_minutes(rows: list[Any]) -> list[Any]:
    return [[rows[0][0] + i * HOUR_MS // 60, *row[1:]] for i, row in enumerate(rows)]


def doubled(rows: list[Any]) -> list[Any]:
    return [[row[0], *(str(2 * float(value)) for value in row[1:6]), *row[6:]] for row in rows]


LIES: dict[str, Callable[[int, list[Any]], Any]] = {
    "a future stamp on one page": lambda n, rows: rows + far(rows, END + 900 * HOUR) if n == 1 else rows,
    "a stamp that jumps ahead": lambda n, rows: rows[:-1] + far(rows, END - 500 * HOUR) if n == 0 else rows,
    "empty first pages": lambda n, rows: [] if n < 2 else rows,
    "one empty page": lambda n, rows: [] if n == 1 else rows,
    "a page cut short": lambda n, rows: rows[: len(rows) // 3] if n == 1 else rows,
    "a page in reverse": lambda _, rows: rows[::-1],
    "a page out of order": lambda _, rows: rows[1::2] + rows[::2],
    "a first page stamped an hour late": lambda n, rows: later(rows, 1) if n == 0 else rows,
    "a page stamped an hour late": lambda n, rows: later(rows, 1) if n == 1 else rows,
    "a page stamped an hour early": lambda n, rows: later(rows, -1) if n == 1 else rows,
    "a page of other prices": lambda n, rows: doubled(rows) if n == 1 else rows,
    "a last page of other prices": lambda n, rows: doubled(rows) if n == 3 else rows,
    "a page of minutes": lambda n, rows: of_minutes(rows) if n == 1 else rows,
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_that_passes_is_seen_through_in_the_same_run(
    server: tuple[Exchange, str], lake: Lake, lie: Callable[[int, list[Any]], Any]
) -> None:
    exchange, url = server
    exchange.lie = lie
    report = lake.take(ask(url))
    assert report.troubles == []
    assert_frame_equal(lake.current(), TRUTH)


LASTING: dict[str, Callable[[int, list[Any]], Any]] = {
    "nothing at all": lambda *_: [],
    "empty after the first page": lambda n, rows: rows if n == 0 else [],
    "a future stamp on every page": lambda _, rows: rows + far(rows, END + 900 * HOUR),
    "a stamp in the next year": lambda _, rows: far(rows, END + 9000 * HOUR),
    "every third candle left out": lambda _, rows: (
        rows[:1] + [row for i, row in enumerate(rows[1:-1]) if i % 3] + rows[-1:]
    ),
    "jumps ahead on every page": lambda _, rows: rows[:5] + far(rows, END - 2 * HOUR),
    "pages without the known candle": lambda n, rows: rows if n == 0 else rows[1:],
    "every other page of other prices": lambda n, rows: doubled(rows) if n % 2 else rows,
    "pages of minutes": lambda _, rows: of_minutes(rows),
    "the newest candles only": lambda _, rows: rows[-100:],
}


@pytest.mark.parametrize("lie", LASTING.values(), ids=LASTING)
def test_what_an_exchange_denied_during_a_whole_run_comes_from_an_honest_one(
    server: tuple[Exchange, str], lake: Lake, lie: Callable[[int, list[Any]], Any]
) -> None:
    exchange, url = server
    exchange.lie = lie
    liar = lake.take(ask(url, patience=timedelta(seconds=3)))
    assert liar.troubles or liar.absent.height
    exchange.lie = lambda _, rows: rows
    report = lake.take(ask(url))
    assert (report.troubles, report.absent.rows()) == ([], [])
    assert_frame_equal(lake.current(), TRUTH)


def test_a_gap_that_upbit_confirms_is_rested_and_asked_again_a_day_later(lake: Lake) -> None:
    silent = pl.col("open_time").is_between(START + 300 * HOUR, START + 900 * HOUR)
    exchange = Exchange(TRUTH.with_columns(volume=pl.when(silent).then(0.0).otherwise("volume")), now=END)
    with upbit(exchange) as url:

        def run(now: Any) -> int:
            exchange.asked = []
            market = ask(url, exchange="upbit", quote="KRW", now=lambda: END)
            report = lake.take(market, now, ("2024-01", "2024-02"))
            assert report.absent["missing"].sum() == 601
            return len(exchange.pages())

        assert run(END) > 0
        assert run(END + HOUR) > 0
        assert run(END + 24 * HOUR) == 0
        assert run(END + 25 * HOUR) > 0


def test_a_null_in_one_candle_costs_that_candle_only(server: tuple[Exchange, str], lake: Lake) -> None:
    exchange, url = server
    bad = (START + 700 * HOUR).timestamp() * 1000
    exchange.lie = lambda _, rows: [[t, o, h, None if t == bad else low, *rest] for t, o, h, low, *rest in rows]
    report = lake.take(ask(url))
    assert (report.new, report.rejected_by_rule, report.troubles) == (2999, {"low|nullability": 1}, [])
    assert lake.quarantine.read().select("open_time", "low").rows() == [(START + 700 * HOUR, None)]


def test_a_stamp_off_the_grid_is_quarantined_and_leads_no_page_astray(server: tuple[Exchange, str], lake: Lake) -> None:
    exchange, url = server
    exchange.lie = lambda _, rows: [*rows[:-1], [rows[-1][0] + 1000, *rows[-1][1:]]] if len(rows) > 900 else rows
    report = lake.take(ask(url))
    assert (report.new, report.troubles) == (3000, [])
    assert set(report.rejected_by_rule) == {"on_grid"}


def test_of_two_candles_of_one_time_in_a_page_neither_is_believed(server: tuple[Exchange, str], lake: Lake) -> None:
    exchange, url = server

    def twice(number: int, rows: list[Any]) -> list[Any]:
        return [*rows[:40], [*rows[40][:4], "141.5", *rows[40][5:]], rows[41], *rows[40:]] if number == 0 else rows

    exchange.lie = twice
    report = lake.take(ask(url))
    assert lake.quarantine.read().select("open_time", "close", "rule").sort("close").rows() == [
        (START + 40 * HOUR, 140.0, "primary_key"),
        (START + 40 * HOUR, 141.5, "primary_key"),
    ]
    assert report.new == 2999  # a candle that is only repeated is one.


def test_kraken_names_what_it_cannot_give_any_more(lake: Lake) -> None:
    exchange = Exchange(TRUTH.head(1001), now=START + 1000 * HOUR + timedelta(minutes=30))
    with kraken(exchange) as url:

        def run() -> IngestReport:
            return lake.take(ask(url, exchange="kraken", now=lambda: exchange.now), exchange.now)

        first = run()
        held = lake.current().height
        exchange.candles, exchange.now = TRUTH, exchange.now + 41 * 24 * HOUR
        second = run()
    assert (held, lake.current().height) == (719, 719 + 719)  # and one that is not over.
    for report, reach, whole in (
        (first, START + 281 * HOUR, "2024-02"),
        (second, START + 1265 * HOUR, "2024-03"),
    ):
        ((symbol, text),) = report.troubles
        assert symbol == "BTC"
        assert f"gives no candle of BTC before {reach:%Y-%m-%d %H:%M}" in text
        assert "CRYPTO_FEATURES_SOURCE=archive" in text
        assert f"CRYPTO_FEATURES_START={whole}" in text
    assert first.absent["missing"].sum() == 281
    assert second.absent["missing"].sum() == 281 + 265


def test_a_limited_history_of_a_market_with_hours_without_a_trade_is_named(lake: Lake) -> None:
    thin = TRUTH.filter(pl.int_range(pl.len()) % 3 > 0)
    with kraken(Exchange(thin, now=END)) as url:
        report = lake.take(ask(url, exchange="kraken"))
    assert lake.current().height == 720
    ((_, text),) = report.troubles
    assert f"gives no candle of BTC before {lake.current()['open_time'][0]:%Y-%m-%d %H:%M}" in text


def test_gates_limit_names_start_and_what_lies_within_it_is_taken(lake: Lake) -> None:
    frame = candles("BTC", count=12_000)
    now = START + 12_000 * HOUR
    months = tuple(f"{2024 + i // 12}-{i % 12 + 1:02}" for i in range(17))
    with gate(Exchange(frame, now=now)) as url:
        market = ask(url, exchange="gate", now=lambda: now)
        report = lake.take(market, now, months)
    assert lake.current().height == 10_000 - 2
    ((_, text),) = report.troubles
    assert f"gives no candle of BTC before {START + 2002 * HOUR:%Y-%m-%d %H:%M}" in text
    assert "CRYPTO_FEATURES_START=2024-04" in text


def test_a_question_that_is_always_refused_fails_the_symbol(server: tuple[Exchange, str], lake: Lake) -> None:
    exchange, url = server
    exchange.faults = [Fault(400, b'{"code": -1100, "msg": "Illegal characters found in a parameter."}')] * 50
    report = lake.take(ask(url))
    assert isinstance(report.failed["BTC"], PermanentError)
    assert len(exchange.pages()) == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, b'{"code": -1121, "msg": "Invalid symbol."}'),
        Fault(502, b'{"message": "Internal Server Error"}'),
        Fault(400, b'{"code": 10016, "msg": "System error. Please try again later."}'),
        Fault(200, b'{"code": 230005, "msg": "System error"}'),
        Fault(429, b'{"code": -1003, "msg": "Too many requests."}'),
        Fault(body=b"[" * 100_000),
        Fault(body=b'[[1e999, "1", "1", "1", "1", "1"]]'),
    ],
    ids=lambda fault: f"{fault.status} {fault.body[:30]!r}",
)
@pytest.mark.parametrize("times", [2, 50], ids=["for a while", "for good"])
def test_pages_before_a_fault_are_kept_and_one_that_passes_is_waited_out(
    server: tuple[Exchange, str], lake: Lake, fault: Fault, times: int
) -> None:
    exchange, url = server
    exchange.faults = [Fault(), *[fault] * times]
    report = lake.take(ask(url, patience=timedelta(seconds=10)))
    if times == 2:
        assert (report.new, report.troubles) == (3000, [])
        return
    assert (report.new, isinstance(report.failed["BTC"], TransientError)) == (1000, True)
    exchange.faults, exchange.asked = [], []
    assert lake.take(ask(url)).new == 2000
    assert len(exchange.pages()) <= 3


@pytest.mark.parametrize(
    ("exchange", "status", "said"),
    [
        ("bybit", 200, {"retCode": 10016, "retMsg": "System error. Please try again later."}),
        ("kucoin", 200, {"code": "230005", "msg": "System error"}),
        ("kucoin", 500, {"code": "230005", "msg": "System error"}),
        ("coinbase", 500, {"error": "unknown", "message": "Internal server error"}),
        ("okx", 200, {"code": "50026", "msg": "System error. Try again later", "data": []}),
        ("bitget", 200, {"code": "40015", "msg": "System is abnormal, please try again later"}),
    ],
)
def test_system_errors_in_an_exchanges_own_words_may_pass(exchange: str, status: int, said: object) -> None:
    with repeating(status, said) as url, pytest.raises(TransientError, match="asked again"):
        ask(url, exchange=exchange, patience=timedelta(seconds=3)).fetch("BTC", START, END)


def test_an_answer_sent_byte_by_byte_ends_within_the_patience(server: tuple[Exchange, str]) -> None:
    exchange, url = server
    exchange.faults = [Fault(pause=5.0), *[Fault()] * 9]
    assert ask(url, patience=timedelta(seconds=4), pace=Pace()).fetch("BTC", START, END).height == 3000


def test_an_answer_that_unpacks_to_gigabytes_is_not_unpacked(server: tuple[Exchange, str]) -> None:
    exchange, url = server
    exchange.faults = [Fault(body=gzip.compress(bytes(100 << 20), 1), headers={"Content-Encoding": "gzip"})] * 9
    with pytest.raises(TransientError, match=r"the answer is longer than 67,108,864 bytes"):
        ask(url, patience=timedelta(seconds=3)).fetch("BTC", START, END)


def test_a_wait_may_be_asked_for_as_a_date() -> None:
    later = clock.now() + timedelta(seconds=100)
    assert 90 < retry_after({"Retry-After": format_datetime(later, usegmt=True)}) <= 100
    assert retry_after({"Retry-After": format_datetime(later - timedelta(days=1), usegmt=True)}) == 0


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1e-3), ("microseconds", 1e3), ("nanoseconds", 1e6)])
def test_an_exchange_that_stamps_in_another_unit_is_named_with_it_at_once(unit: str, factor: float) -> None:
    exchange = Exchange(candles("BTC", count=3000), now=END)
    exchange.lie = lambda _, rows: [[int(row[0] * factor), *row[1:]] for row in rows]
    with binance(exchange) as url, pytest.raises(PermanentError, match=rf"stamps its candles in {unit}, such as \d+"):
        ask(url).fetch("BTC", START, END)
    assert len(exchange.pages()) == 1


PASSING = [409, 408, 418, 425, 429, 500, 501, 502, 503, 504, 507, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530]


@pytest.mark.parametrize("status", PASSING)
def test_a_status_that_passes_is_waited_out(status: int) -> None:
    exchange = Exchange(candles("BTC", count=100), now=START + 100 * HOUR, faults=[Fault(status, b"no")] * 3)
    with binance(exchange) as url:
        assert ask(url, now=lambda: START + 100 * HOUR).fetch("BTC", START, START + 100 * HOUR).height == 100


@pytest.mark.parametrize("body", [b"<html>no</html>", b'{"code": 0, "msg": "not here"}'])
@pytest.mark.parametrize("status", [404, 405, 407, 410, 451])
def test_a_status_that_says_the_same_tomorrow_is_not_asked_again(status: int, body: bytes) -> None:
    exchange = Exchange(candles("BTC", count=100), now=START + 100 * HOUR, faults=[Fault(status, body)] * 30)
    with binance(exchange) as url, pytest.raises(PermanentError, match="CRYPTO_FEATURES_EXCHANGE_URL"):
        ask(url, now=lambda: START + 100 * HOUR).fetch("BTC", START, START + 100 * HOUR)
    assert len(exchange.pages()) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_question_is_not_sent_on_to_another_host_nor_its_key(status: int) -> None:
    other = Exchange(candles("BTC", count=100), now=START + 100 * HOUR)
    exchange = Exchange(candles("BTC", count=100), now=START + 100 * HOUR)
    with binance(other) as elsewhere, binance(exchange) as url:
        there = elsewhere.replace("127.0.0.1", "localhost") + "/api/v3/klines"
        exchange.faults = [Fault(status, b"", {"Location": there})] * 9
        with pytest.raises(PermanentError, match=r"sent on to the host localhost.*EXCHANGE_URL"):
            ask(url, now=lambda: START + 100 * HOUR, key=SecretStr("k3y")).fetch("BTC", START, START + 100 * HOUR)
    assert (other.asked, len(exchange.pages())) == ([], 1)


def test_a_question_may_be_sent_on_within_a_host_and_not_in_a_circle() -> None:
    exchange = Exchange(candles("BTC", count=100), now=START + 100 * HOUR)
    with binance(exchange) as url:
        market, on = ask(url, now=lambda: START + 100 * HOUR), Fault(307, b"", {"Location": ""})
        at = f"/api/v3/klines?symbol=BTCUSDT&interval=1h&startTime={int(START.timestamp())}000&limit=101"
        on.headers["Location"] = at
        exchange.faults = [on]
        assert market.fetch("BTC", START, START + 100 * HOUR).height == 100
        exchange.faults = [on] * 200
        with pytest.raises(PermanentError, match="redirects"):
            market.fetch("BTC", START, START + 100 * HOUR)
