"""A volume in the quote currency is never taken for one in the base asset."""

from pathlib import Path
from typing import Any

import pytest

from crypto_features.errors import InputError
from tests.market.vendors import DAY, candles_in, epoch, iso, opens, put, text

TIMES = opens(50, DAY)


def rows(header: str, line: str) -> str:
    """A text of daily candles that never change: open 100, high 103, low 98, close 101."""
    return f"{header}\n" + "".join(line.format(time=time, iso=iso(time)) + "\n" for time in TIMES)


def volumes(folder: Path, symbol: str = "BTC", **options: Any) -> set[float]:
    return set(candles_in(folder, symbol, interval=DAY, **options)["volume"])


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("Date,Open,High,Low,Close,Adj Close,Volume", "{time:%Y-%m-%d},100,103,98,101,101,707"),
        ("Date,Open*,High,Low,Close**,Volume,Market Cap", '"{time:%b %d, %Y}",100,103,98,101,707,9e9'),
        (
            "timeOpen;timeClose;name;open;high;low;close;volume;marketCap;timestamp",
            '"{iso}";"{time:%Y-%m-%d}T23:59:59.999Z";"2781";100;103;98;101;707;9e9;"{time:%Y-%m-%d}T23:59:59.999Z"',
        ),
        (
            "SNo,Name,Symbol,Date,High,Low,Open,Close,Volume,Marketcap",
            "1,x,BTC,{time:%Y-%m-%d} 23:59:59,103,98,100,101,707,9",
        ),
        ("date,open,high,low,close,Volume USD", "{iso},100,103,98,101,707"),
    ],
    ids=["Yahoo", "CoinMarketCap's page", "CoinMarketCap's download", "made from it", "by its name"],
)
def test_a_volume_in_money_is_divided_by_the_close(tmp_path: Path, header: str, line: str) -> None:
    folder = put(tmp_path / "f", BTC__csv=rows(header, line))
    assert volumes(folder) == {7.0}
    assert candles_in(folder, interval=DAY)["open_time"].to_list() == TIMES


def test_a_setting_decides_over_what_the_columns_say(tmp_path: Path) -> None:
    yahoo = put(
        tmp_path / "y", BTC__csv=rows("Date,Open,High,Low,Close,Adj Close,Volume", "{iso},100,103,98,101,101,707")
    )
    plain = put(tmp_path / "p", BTC__csv=rows("date,open,high,low,close,volume", "{iso},100,103,98,101,707"))
    assert (volumes(yahoo, volume="base"), volumes(plain), volumes(plain, volume="quote")) == ({707.0}, {707.0}, {7.0})


def test_a_volume_that_no_market_trades_is_refused_by_its_size(tmp_path: Path) -> None:
    header = "Price,Close,High,Low,Open,Volume\nTicker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD\nDate,,,,,"
    folder = put(tmp_path / "f", BTC__csv=rows(header, "{time:%Y-%m-%d},101,103,98,100,30300000000"))
    with pytest.raises(InputError, match=r"'Volume' is worth 3.1e\+12 a day.*FILES_VOLUME=quote, or =base"):
        volumes(folder)
    assert volumes(folder, volume="quote") == {3e8}


@pytest.mark.parametrize("symbol", ["BTC", "BTCUSDT", "Binance_BTCUSDT_d"])
def test_the_volume_of_the_base_is_found_whatever_the_name_says_of_the_quote(tmp_path: Path, symbol: str) -> None:
    content = rows("Unix,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT", "{iso},BTC/USDT,100,103,98,101,7,707")
    folder = put(tmp_path / "f", **{f"{symbol}__csv": content})
    assert volumes(folder, "BTC" if symbol == "BTC" else "BTCUSDT") == {7.0}


def test_volumes_of_other_coins_are_not_taken(tmp_path: Path) -> None:
    content = rows("date,open,high,low,close,Volume BTC,Volume USD", "{iso},100,103,98,101,7,707")
    with pytest.raises(InputError, match=r"has no column for volume; decide by .*COLUMNS=volume=<column>"):
        volumes(put(tmp_path / "f", ETH__csv=content), "ETH")


@pytest.mark.parametrize(("column", "expected"), [("volume", 7.0), ("volume.1", 8.0)])
def test_of_two_columns_of_one_name_a_setting_can_take_either(tmp_path: Path, column: str, expected: float) -> None:
    content = rows("date,open,high,low,close,volume,volume", "{iso},100,103,98,101,7,8")
    folder = put(tmp_path / "f", BTC__csv=content)
    with pytest.raises(InputError, match=r"could take volume from 'volume' or 'volume\.1'"):
        volumes(folder)
    assert volumes(folder, columns={"volume": column}) == {expected}


def test_a_column_that_a_setting_names_is_in_the_currency_that_its_own_name_says(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", BTC__csv=text(opens(50), header="time,open,high,low,close,Volume USDT"))
    chosen = candles_in(folder, columns={"volume": "Volume USDT"})
    assert chosen["volume"].to_list() == [10 / (101 + i) for i in range(50)]


def test_the_advice_for_an_unknown_volume_says_how_to_take_it_as_money(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", BTC__csv=text(opens(50), header="time,open,high,low,close,notional"))
    with pytest.raises(InputError, match=r"volume=<column>, and CRYPTO_FEATURES_FILES_VOLUME=quote if"):
        candles_in(folder)
    chosen = candles_in(folder, columns={"volume": "notional"}, volume="quote")
    assert chosen["volume"][0] == 10 / 101


def test_money_that_the_columns_name_may_be_that_of_all_exchanges_together(tmp_path: Path) -> None:
    for name, money in ("Market Cap", "9e11"), ("Adj Close", "101"):
        content = rows(f"Date,Open,High,Low,Close,Volume,{name}", f"{{time:%Y-%m-%d}},100,103,98,101,101e9,{money}")
        assert volumes(put(tmp_path / name[:3], BTC__csv=content)) == {1e9}


def headerless(price: float, *others: float) -> str:
    """Rows without a header: the stamp, prices that never leave 2 % around one, and further columns."""
    numbers = (price, 1.01 * price, 0.99 * price, price, *others)
    return "".join(f"{epoch(time)},{','.join(map(str, numbers))}\n" for time in TIMES)


@pytest.mark.parametrize("price", [42_000, 2_300, 100])
def test_money_in_the_last_of_six_columns_without_names_is_refused_by_its_size(tmp_path: Path, price: float) -> None:
    folder = put(tmp_path / "f", BTC__csv=headerless(price, 1e9))
    with pytest.raises(InputError, match=r"worth .* a day .*FILES_VOLUME=quote, or =base"):
        volumes(folder)
    assert volumes(folder, volume="quote") == {1e9 / price}
    assert volumes(folder, volume="base") == {1e9}


@pytest.mark.parametrize(
    ("name", "price", "volume"),
    [("BTC", 30_000, 480_000), ("XRP-KRW", 3_500, 2e9), ("BTC-IDR", 1.6e9, 500), ("BTC", 1.4e8, 9_000)],
)
def test_the_busiest_markets_of_each_currency_are_no_money(
    tmp_path: Path, name: str, price: float, volume: float
) -> None:
    folder = put(tmp_path / "f", **{f"{name}__csv": headerless(price, volume)})
    assert volumes(folder, name) == {volume}


@pytest.mark.parametrize("others", [(7, 7 * 42.2), (7 * 42.2, 7)], ids=["Bybit", "the money first"])
def test_of_seven_columns_without_names_the_sizes_tell_which_counts_the_money(
    tmp_path: Path, others: tuple[float, float]
) -> None:
    assert volumes(put(tmp_path / "f", BTC__csv=headerless(42, *others))) == {7.0}


def test_a_count_of_trades_beside_the_volume_is_no_volume(tmp_path: Path) -> None:
    assert volumes(put(tmp_path / "f", BTC__csv=headerless(42, 7, 311))) == {7.0}
    assert volumes(put(tmp_path / "g", BTC__csv=headerless(1.001, 7, 7.01))) == {7.0}
