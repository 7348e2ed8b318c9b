"""A file's name says its market and nothing else is taken for one; a market column is held against it."""

from datetime import timedelta
from pathlib import Path

import pytest

from crypto_features.errors import InputError
from crypto_features.sources.vendor.filename import parse
from crypto_features.sources.vendor.pairs import Pair, pairs
from tests.market.market import HOUR
from tests.market.vendors import DAY, END, HEADER, LONG_AGO, MINUTE, files, iso, opens, put, text, times_in

TIMES = opens(50)


@pytest.mark.parametrize(
    ("name", "market", "length"),
    [
        ("BTC.csv", "BTC", None),
        ("btc.parquet", "BTC", None),
        ("BTC-USD.csv", "BTC-USD", None),
        ("BTCUSDT-1h-2024-01.csv", "BTCUSDT", HOUR),
        ("BTCUSDT-15m-2024-01-31.zip", "BTCUSDT", 15 * MINUTE),
        ("BTC_USDT-1d.json.gz", "BTC_USDT", DAY),
        ("BTC_USDT-5m.feather", "BTC_USDT", 5 * MINUTE),
        ("XBTUSD_1440.csv", "XBTUSD", DAY),
        ("Binance_BTCUSDT_d.csv", "BTCUSDT", DAY),
        ("Bitstamp_BTCUSD_2021_minute.csv", "BTCUSD", MINUTE),
        ("BTCUSDT_2020-01-01_to_2024-12-31.csv", "BTCUSDT", None),
        ("BTCUSDT-1M-2024.csv", "BTCUSDT", timedelta(days=30)),
        ("ETH_ohlcv_1hour (1).csv", "ETH", HOUR),
        ("1INCH-4h.csv", "1INCH", 4 * HOUR),
        ("H.csv", "H", None),
        ("T_S.csv", "T_S", None),
        ("BTCUSDT-1s-2024-01-01.zip", "BTCUSDT", timedelta(seconds=1)),
        ("BTC_1h_2024-01-01_2024-06-30.csv", "BTC", HOUR),
        ("2024-01.csv", "", None),
        ("OHLCV_BTC.csv", "BTC", None),
        ("KLINES_BTCUSDT_1h.csv", "BTCUSDT", HOUR),
        ("spot-BTCUSDT-1h.csv", "BTCUSDT", HOUR),
        ("BTCUSDT_1h_data.csv", "BTCUSDT", HOUR),
        ("BTCUSDT_data.jsonl", "BTCUSDT", None),
        ("BTC_DATA.csv", "BTC_DATA", None),
        ("DATA_BTC.csv", "DATA_BTC", None),
        ("SPOT_USDT-1h.csv", "SPOT_USDT", HOUR),
        ("SPOT-1h.csv", "SPOT", HOUR),
        ("BINANCE_BTCUSDT, 60.csv", "BTCUSDT", HOUR),
        ("COINBASE_BTCUSD, 1D_a1b2c.csv", "BTCUSD", DAY),
        ("BITSTAMP_BTCUSD, 15 (1).csv", "BTCUSD", 15 * MINUTE),
        ("DAT_ASCII_BTCUSD_M1_2024.csv", "BTCUSD", MINUTE),
        ("DAT_MT_BTCUSD_M1_202401.zip", "BTCUSD", MINUTE),
        ("BTCUSD_Candlestick_1_Hour_BID_01.01.2024-09.01.2024.csv", "BTCUSD", HOUR),
        ("BTCUSD_Candlestick_5_M_ASK_01.01.2024-09.01.2024.csv", "BTCUSD", 5 * MINUTE),
        ("BTCUSD_H1_202401010000_202401090700.csv", "BTCUSD", HOUR),
        ("BTCUSD_M15.csv", "BTCUSD", 15 * MINUTE),
        ("H1_USDT.csv", "H1_USDT", None),
        ("Bitcoin_1_1_2024-8_1_2024_historical_data_coinmarketcap.csv", "BITCOIN", None),
        ("cbse_btc-usd_ohlcv_1h_2024_01.csv", "BTC-USD", HOUR),
    ],
)
def test_a_name_is_taken_apart(name: str, market: str, length: timedelta | None) -> None:
    found = parse(name)
    assert (found.market, found.length, found.kind) == (market, length, "")


def test_a_name_of_other_than_spot_candles_says_so() -> None:
    assert parse("BTC_USDT_USDT-8h-funding_rate.feather").kind == "FUNDING_RATE"


@pytest.mark.parametrize("name", ["b\u0131t.csv", "\u00dfa.csv"])
def test_a_name_does_not_become_another_symbol_by_its_capitals(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not named after a market"):
        files(put(tmp_path / "f", **{name: text(TIMES)})).symbols()


RIGHT = [
    *("BTC", "BTCUSDT", "BTC/USD", "BTC-USD", "btc_usd", "XBT/USD", "XXBTZUSD", "tBTCUSD", "tBTCUST", "tBTC:USD"),
    *("X:BTC-USD", "BINANCE:BTCUSDT", "BITSTAMP_SPOT_BTC_USD", "KRW-BTC", "BTC-EUR"),
]
WRONG = ["BTCDOMUSDT", "WBTCUSDT", "BTCETH", "BTC/ETH", "ETHBTC", "BTCSTUSDT", "Bitcoin", "ETH"]
CONTRACTS = [
    *("BTC-PERP", "BTC-USDT-SWAP", "BTC/USDT:USDT", "BTC/USD:BTC-240329", "BTCUSD_PERP", "BTCUSDT_240329", "BTCPERP"),
    *("BTC-29MAR24", "BTC-29MAR24-60000-C", "BTC-PERPETUAL", "BINANCE:BTCUSDT.P", "BINANCEFTS_PERP_BTC_USDT", "BTC_CQ"),
    *("BTC-USDT-240329", "BTC-0329", "PF_XBTUSD", "PI_XBTUSD", "FI_XBTUSD_240329", "tBTCF0:USTF0", "CME:BTC1!"),
]


def of_market(market: str) -> str:
    return text(TIMES, lambda time: f"{iso(time)},{market}", HEADER.replace("time", "time,symbol"))


@pytest.mark.parametrize("market", RIGHT)
def test_a_market_is_recognized_however_it_is_written(tmp_path: Path, market: str) -> None:
    assert times_in(put(tmp_path / "f", BTC__csv=of_market(market))) == TIMES


@pytest.mark.parametrize("market", CONTRACTS)
def test_a_contract_is_not_read_as_the_spot_market(tmp_path: Path, market: str) -> None:
    with pytest.raises(InputError, match=f"is named BTC and holds {market}, a perpetual, future or option"):
        times_in(put(tmp_path / "f", BTC__csv=of_market(market)))
    both = of_market(market) + of_market("BTC/USDT").partition("\n")[2]
    among = files(put(tmp_path / "g", **{"all prices__csv": both}))
    assert among.symbols() == ("BTCUSDT",)
    assert among.passed_over() == {f"{market} in all prices.csv": "a perpetual, future or option, not a spot market"}
    assert among.fetch("BTCUSDT", LONG_AGO, END)["open_time"].to_list() == TIMES


@pytest.mark.parametrize("market", ["PERP-USDT", "PERPUSDT", "PERP/USD", "SWAP-USD", "PI_USDT"])
def test_a_coin_that_is_called_as_a_contract_is_a_spot_market(tmp_path: Path, market: str) -> None:
    coin = market.removesuffix("T").removesuffix("USD").strip("-/_")
    assert times_in(put(tmp_path / "f", **{f"{coin}__csv": of_market(market)}), coin) == TIMES


@pytest.mark.parametrize("market", WRONG)
def test_another_market_is_refused_however_alike_its_name(tmp_path: Path, market: str) -> None:
    with pytest.raises(InputError, match=f"is named BTC and holds {market}"):
        times_in(put(tmp_path / "f", BTC__csv=of_market(market)))


@pytest.mark.parametrize(
    ("name", "market"), [("ETHBTC", "ETH/BTC"), ("WBTC", "WBTCUSDT"), ("DOGE", "XDGUSD"), ("XBTUSD", "BTC-USD")]
)
def test_a_name_with_its_quote_holds_that_market(tmp_path: Path, name: str, market: str) -> None:
    assert times_in(put(tmp_path / "f", **{f"{name}__csv": of_market(market)}), name) == TIMES


def test_a_name_with_another_quote_does_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is named BTCUSDT and holds BTC/USD"):
        times_in(put(tmp_path / "f", BTCUSDT__csv=of_market("BTC/USD")), "BTCUSDT")


@pytest.mark.parametrize("name", ["GATE_USDT", "FTX-USD"])
def test_a_coin_that_is_called_as_an_exchange_keeps_its_name(tmp_path: Path, name: str) -> None:
    coin = name[: -len("_USDT")] if name.endswith("USDT") else name[: -len("-USD")]
    assert parse(f"{name}-1h.csv").market == name
    assert pairs(name) == {Pair(coin, name[len(coin) + 1 :])}
    assert parse(f"{coin}_BTC_USDT-1h.csv").market == "BTC_USDT"
