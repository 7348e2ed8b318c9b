"""What the exchanges' documentation shows of their kline messages is read to the value."""

from datetime import UTC, datetime, timedelta

import pytest

from crypto_features.live.finality import Finality, How
from crypto_features.live.told import Told, binance, bybit, kraken, okx


def test_a_kline_of_binance() -> None:
    k = {"t": 1672515780000, "T": 1672515839999, "s": "BNBBTC", "i": "1m", "f": 100, "L": 200, "o": "0.0010"}
    k |= {"c": "0.0020", "h": "0.0025", "l": "0.0015", "v": "1000", "n": 100, "x": False, "q": "1.0000", "V": "500"}
    message = {"e": "kline", "E": 1672515782136, "s": "BNBBTC", "k": k | {"Q": "0.500", "B": "123456"}}
    opened, sent = datetime(2022, 12, 31, 19, 43, tzinfo=UTC), datetime(2022, 12, 31, 19, 43, 2, 136_000, UTC)
    expected = Told("BNBBTC", opened, False, (0.001, 0.0025, 0.0015, 0.002, 1000.0), 1.0, 100, 500.0, sent)  # noqa: FBT003 - a flag of a tuple.
    assert [*binance(message)] == [expected]


def test_a_kline_of_bybit() -> None:
    data = {"start": 1672324800000, "end": 1672325099999, "interval": "5", "open": "16649.5", "close": "16677"}
    data |= {"high": "16678", "low": "16608", "volume": "2.081", "turnover": "34666.4005", "confirm": True}
    message = {"topic": "kline.5.BTCUSDT", "ts": 1672324988882, "type": "snapshot"}
    (told,) = bybit(message | {"data": [data | {"timestamp": 1672324988882}]})
    assert (told.symbol, told.closed, told.quote_volume) == ("BTCUSDT", True, 34666.4005)
    assert told.prices == (16649.5, 16678.0, 16608.0, 16677.0, 2.081)
    assert told.open_time == datetime(2022, 12, 29, 14, 40, tzinfo=UTC)


def test_a_candle_of_okx() -> None:
    row = ["1597026383085", "8533.02", "8553.74", "8527.17", "8548.26", "45247", "529.5858061", "5529.5858", "1"]
    message = {"arg": {"channel": "candle1D", "instId": "BTC-USDT"}, "data": [row, [*row[:8], "0"]]}
    closed, running = okx(message)
    assert (closed.symbol, closed.closed, running.closed) == ("BTC-USDT", True, False)
    assert closed.prices == (8533.02, 8553.74, 8527.17, 8548.26, 45247.0)
    assert closed.quote_volume == 5529.5858


def ohlc(kind: str, *begins: str, close: float = 0.5627) -> dict[str, object]:
    k = {"symbol": "MATIC/USD", "open": 0.5624, "high": 0.5628, "low": 0.5622, "close": close, "trades": 12}
    k |= {"volume": 30927.68066226, "vwap": 0.5626, "interval": 5, "timestamp": "2023-10-04T16:30:00.000000Z"}
    data = [k | {"interval_begin": f"2023-10-04T{begin}:00.000000000Z"} for begin in begins]
    return {"channel": "ohlc", "type": kind, "timestamp": "2023-10-04T16:26:30.524394914Z", "data": data}


def test_a_candle_of_kraken() -> None:
    (told,) = kraken(ohlc("update", "16:25"))
    opened, sent = datetime(2023, 10, 4, 16, 25, tzinfo=UTC), datetime(2023, 10, 4, 16, 26, 30, 524_394, UTC)
    prices = (0.5624, 0.5628, 0.5622, 0.5627, 30927.68066226)
    assert told == Told("MATIC/USD", opened, None, prices, trades=12, sent=sent)


def test_the_history_that_kraken_begins_with_makes_nothing_final_and_a_candle_is_by_the_one_that_follows() -> None:
    finality = Finality(timedelta(minutes=5), {})
    finality.connected()
    messages = [
        ohlc("snapshot", "16:25", "16:15", "16:20"),
        ohlc("update", "16:25", close=1.0),
        ohlc("update", "16:30", close=2.0),
        ohlc("update", "16:30", close=3.0),
        ohlc("update", "16:35", close=4.0),
    ]
    at = datetime(2023, 10, 4, 16, 40, tzinfo=UTC)
    finals = [final for one in messages for told in kraken(one) for final in finality.take(told, at)]
    assert [(final.open_time.minute, final.prices[3], final.how) for final in finals] == [(30, 3.0, How.SUCCESSOR)]


@pytest.mark.parametrize("flag", ["false", 0, None])
def test_what_is_not_a_flag_is_not_taken_for_one(flag: object) -> None:
    k = {"t": 0, "s": "A", "o": "1", "c": "1", "h": "1", "l": "1", "v": "1", "n": 1, "x": flag, "q": "1", "V": "1"}
    with pytest.raises(TypeError):
        [*binance({"E": 1, "k": k})]
