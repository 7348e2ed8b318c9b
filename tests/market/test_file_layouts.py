"""The layouts of exchanges and programs load; what fits none gets an error that works when it is followed."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from crypto_features.errors import InputError
from tests.market.vendors import HEADER, candles_in, epoch, frame, opens, put, text

TIMES = opens(50)
ROWS = [(epoch(time), 100 + i, 103 + i, 98 + i, 101 + i, 10) for i, time in enumerate(TIMES)]
EXPECTED = [("BTC", time, *map(float, row[1:]), 1.0) for time, row in zip(TIMES, ROWS, strict=True)]


def lines(columns: Callable[..., tuple[object, ...]]) -> str:
    return "".join(",".join(map(str, columns(*row))) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    "content",
    [
        lines(lambda t, o, h, low, c, v: (t * 1000, o, h, low, c, v)),
        lines(lambda t, o, h, low, c, v: (t, o, h, low, c, v, 7)),
        lines(lambda t, o, h, low, c, v: (t, o, h, low, c, c, v, 7)),
        lines(lambda t, o, h, low, c, v: (t * 1000, o, h, low, c, v, t * 1000 + 3_599_999, c * v)),
        lines(lambda t, o, h, low, c, v: (t * 1000, o, h, low, c, v, t * 1000 + 3_599_999, c * v, 3, 1, 9, 0)),
        lines(lambda t, o, h, low, c, v: (t * 1000, o, c, h, low, v)),
        lines(lambda t, o, h, low, c, v: (t, o, c, h, low, v, c * v)),
        lines(lambda t, o, h, low, c, v: (t, low, h, o, c, v)),
        json.dumps([[t * 1000, *row] for t, *row in ROWS]),
        json.dumps([dict(zip(HEADER.split(","), row, strict=True)) for row in ROWS]),
        json.dumps([[t * 1000, *map(str, row), t * 1000 + 3_599_999, "9", 3, "1", "9", "0"] for t, *row in ROWS]),
        json.dumps([dict(zip(HEADER.split(","), map(str, row), strict=True)) for row in ROWS]),
        "".join(json.dumps(dict(zip(HEADER.split(","), row, strict=True))) + "\n" for row in ROWS),
        "".join(json.dumps(row) + "\r\n" for row in ROWS),
        json.dumps([list(row) for row in ROWS], indent=1),
        text(TIMES).replace("\n", "\r"),
    ],
    ids=[
        *("ccxt", "Kraken OHLCVT", "Kraken with vwap", "MEXC", "Binance", "Bitfinex", "KuCoin", "Coinbase"),
        *("freqtrade", "records", "Binance's answers", "records of texts", "JSON Lines", "rows as JSON Lines"),
        *("indented", "lines of old Macs"),
    ],
)
def test_a_known_layout_loads(tmp_path: Path, content: str) -> None:
    assert candles_in(put(tmp_path / "f", BTC__csv=content)).rows() == EXPECTED


@pytest.mark.parametrize(
    ("name", "header", "stamp"),
    [
        ("BTCUSD_H1.csv", "", lambda t: f"{t:%Y.%m.%d,%H:%M}"),
        ("BTCUSD_H1_202401010000_202401030100.csv", "", lambda t: f"{t:%Y%m%d,%H:%M:%S}"),
        ("BINANCE_BTCUSD, 60.csv", HEADER, lambda t: f"{t:%Y-%m-%dT%H:%M:%SZ}"),
        (
            "BTCUSD_Candlestick_1_Hour_BID_01.01.2024-03.01.2024.csv",
            "Gmt time,Open,High,Low,Close,Volume",
            lambda t: f"{t:%d.%m.%Y %H:%M:%S}.000",
        ),
        (
            "BTCUSD_Candlestick_1_Hour_ASK_01.01.2024-03.01.2024.csv",
            "Local time,Open,High,Low,Close,Volume",
            lambda t: f"{t.astimezone(ZoneInfo('Europe/Berlin')):%d.%m.%Y %H:%M:%S}.000 GMT+0100",
        ),
    ],
    ids=["MetaTrader", "MetaTrader with a span", "TradingView", "Dukascopy in GMT", "Dukascopy in a local time"],
)
def test_a_vendors_name_and_layout_together_are_a_market(
    tmp_path: Path, name: str, header: str, stamp: Callable[[datetime], object]
) -> None:
    (tmp_path / name).write_text(text(TIMES, stamp, header))
    assert candles_in(tmp_path, "BTCUSD").drop("symbol").rows() == [row[1:] for row in EXPECTED]


@pytest.mark.parametrize("at", [0, 20, 49])
@pytest.mark.parametrize("more", [",", ",7"])
def test_a_row_with_more_fields_than_the_header_is_refused_with_what_to_do(tmp_path: Path, at: int, more: str) -> None:
    header, *rows = text(TIMES).splitlines()
    rows[at] += more
    why = rf"line {at + 2} has 7 fields, and the header names 6.*name every column" if at < 49 else "more fields than"
    with pytest.raises(InputError, match=why) as caught:
        candles_in(put(tmp_path / "f", BTC__csv="\n".join([header, *rows, ""])))
    assert "name every column in the header, or delete" in str(caught.value)
    assert "new_columns" not in str(caught.value)


def test_an_arrow_stream_is_read(tmp_path: Path) -> None:
    frame(TIMES).write_ipc_stream(tmp_path / "BTC.arrow")
    assert candles_in(tmp_path).rows() == EXPECTED


def test_a_text_of_another_encoding_in_json_is_refused(tmp_path: Path) -> None:
    content = '[{"note": "B\xf6rse"}]'.encode("latin-1")
    with pytest.raises(InputError, match=r"BTC\.json is not a whole file of candles .*utf-8"):
        candles_in(put(tmp_path / "f", BTC__json=content))


def test_a_layout_that_is_not_known_loads_once_the_advice_is_followed(tmp_path: Path) -> None:
    content = lines(lambda t, o, h, low, c, v: (low, t, h, o, c, v))
    with pytest.raises(InputError, match=r"add a first line in the order of the columns, such as open_time,open,high"):
        candles_in(put(tmp_path / "f", BTC__csv=content))
    named = put(tmp_path / "f", BTC__csv=f"low,open_time,high,open,close,volume\n{content}")
    assert candles_in(named).rows() == EXPECTED


RECORDS = [dict(zip(HEADER.split(","), row, strict=True)) for row in ROWS]
PANDAS = pd.DataFrame(RECORDS)
DATED = PANDAS.assign(time=pd.to_datetime(PANDAS["time"], unit="s")).set_index("time")


@pytest.mark.parametrize(
    "answer",
    [
        {"data": ROWS},
        {"data": RECORDS},
        {"code": "0", "msg": "", "data": [[*map(str, row), "9", "9", "1"] for row in ROWS]},
        {"retCode": 0, "result": {"symbol": "BTCUSDT", "list": [[*map(str, row), 10 * row[4]] for row in ROWS[::-1]]}},
        {"error": [], "result": {"XXBTZUSD": [[*row[:5], row[4], "10", 7] for row in ROWS], "last": 1}},
        {"data": {"ohlc": RECORDS, "pair": "BTC/USD"}},
        {"Response": "Success", "Data": {"Aggregated": False, "Data": RECORDS}},
        {"ticker": "X:BTCUSD", "results": [dict(zip("tohlcv", row, strict=True)) for row in ROWS], "status": "OK"},
        {"s": "ok", **dict(zip("tohlcv", zip(*ROWS, strict=True), strict=True))},
        *(json.loads(PANDAS.to_json(orient=form)) for form in ("columns", "index", "split", "table", "records")),
        *(json.loads(DATED.to_json(orient=form)) for form in ("columns", "index", "split", "table")),
    ],
    ids=[
        *("rows", "records", "OKX", "Bybit", "Kraken", "Bitstamp", "CryptoCompare", "Polygon", "TradingView"),
        *("pandas columns", "pandas index", "pandas split", "pandas table", "pandas records"),
        *("dated columns", "dated index", "dated split", "dated table"),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_the_rows_among_the_other_keys_of_an_object_are_read(
    tmp_path: Path, answer: object, indent: int | None
) -> None:
    folder = put(tmp_path / "f", BTC__json=json.dumps(answer, indent=indent))
    assert candles_in(folder).sort("open_time").rows() == EXPECTED


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"prices": ROWS, "volumes": ROWS}, r"an object of prices, volumes, which holds several lists .*/prices, /vol"),
        ({"data": []}, "an object of data, which holds no list of rows"),
        ([row[:5] for row in ROWS], r"holds rows of 5 values in no known order\. Write each row as an object"),
    ],
)
def test_json_in_no_known_form_is_refused_with_one_that_loads(tmp_path: Path, content: object, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        candles_in(put(tmp_path / "f", BTC__json=json.dumps(content)))
    advised = json.loads(re.findall(r"\{.*\}", str(caught.value))[-1])
    records = [dict(zip(advised, row, strict=True)) for row in ROWS]
    assert candles_in(put(tmp_path / "f", BTC__json=json.dumps(records))).rows() == EXPECTED


def test_records_whose_numbers_become_fractions_late_are_read(tmp_path: Path) -> None:
    records = [*RECORDS * 4, {**RECORDS[0], "time": RECORDS[-1]["time"] + 3600, "volume": 0.5}]
    folder = put(tmp_path / "f", BTC__json=json.dumps({"data": records}))
    assert candles_in(folder)["volume"][-1] == 0.5


NAMES = {"open_time": "Zeit", "open": "Auf", "high": "Hoch", "low": "Tief", "close": "Zu", "volume": "Umsatz"}


def test_a_setting_can_name_every_column_of_a_text(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", BTC__csv="a banner\n" + text(TIMES, header=",".join(NAMES.values())))
    with pytest.raises(InputError, match="FILES_COLUMNS=open=<column>"):
        candles_in(folder)
    with pytest.raises(InputError, match=r"nor has those of CRYPTO_FEATURES_FILES_COLUMNS \(.*Zoo"):
        candles_in(folder, columns=NAMES | {"close": "Zoo"})
    assert candles_in(folder, columns=NAMES).rows() == EXPECTED


def test_a_header_is_read_by_its_own_names_and_those_of_a_setting(tmp_path: Path) -> None:
    header = "time_period_start,time_open,price_open,price_high,price_low,price_close,volume_traded"
    content = text(TIMES, lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.0000000Z,{t:%Y-%m-%dT%H:%M}:03.0000000Z", header)
    assert candles_in(put(tmp_path / "f", BTC__csv=content)).rows() == EXPECTED


def test_a_null_in_a_list_of_rows_leaves_the_others_readable(tmp_path: Path) -> None:
    rows: list[list[float | None]] = [[epoch(time) * 1000, 100, 103, 98, 101, 10] for time in opens(20)]
    rows[3][1] = None
    candles = candles_in(put(tmp_path / "f", BTC__json=json.dumps(rows)))
    assert candles["open"].to_list() == [None if i == 3 else 100 for i in range(20)]
