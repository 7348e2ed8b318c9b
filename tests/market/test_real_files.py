"""Files of real markets, with the faults that they really have, load or are refused as they should be."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto_features.errors import InputError
from crypto_features.lake.candles import flags, gaps
from tests.market.market import HOUR
from tests.market.vendors import candles_in


def faulty(real_market: Path, tmp_path: Path, name: str, symbol: str) -> Path:
    shutil.copy(real_market / "faulty" / name, tmp_path / f"{symbol}.csv")
    return tmp_path


def test_the_real_month_with_a_wick_loads_and_the_wick_is_flagged(real_market: Path, tmp_path: Path) -> None:
    frame = candles_in(faulty(real_market, tmp_path, "link_1h_2020_03_wick_24693x.csv", "LINK"), "LINK")
    assert frame.height == 743
    (flag,) = flags(frame).rows()
    assert flag[:3] == ("LINK", datetime(2020, 3, 12, 10, tzinfo=UTC), "wick")


def test_the_real_file_with_a_banner_loads_with_the_volume_in_btc(real_market: Path, tmp_path: Path) -> None:
    frame = candles_in(faulty(real_market, tmp_path, "coinbase_btc_1h_banner_am_pm_descending.csv", "BTC"))
    assert frame.height == 20_111
    assert frame.rows()[-1] == (
        "BTC",
        datetime(2019, 10, 17, 9, tzinfo=UTC),
        8051,
        8056.83,
        8021.23,
        8035.88,
        61.25,
        1.0,
    )
    assert gaps(frame, HOUR).is_empty()


def test_the_real_file_whose_volumes_change_places_is_refused(real_market: Path, tmp_path: Path) -> None:
    name = "bitstamp_btc_1h_volume_columns_swap_at_2020_10_12.csv"
    with pytest.raises(InputError, match=r"'volume' and 'Volume USD' change places .* to 2020-10-12 08:00"):
        candles_in(faulty(real_market, tmp_path, name, "BTC"))


def test_the_real_candles_have_the_gaps_that_are_known(real_market: Path) -> None:
    frame = candles_in(real_market / "candles_1h")
    missing = gaps(frame, HOUR)
    assert (missing.height, missing["missing"].sum()) == (27, 127)
    assert missing.sort("missing").rows()[-1] == (
        "BTC",
        datetime(2018, 2, 8, 1, tzinfo=UTC),
        datetime(2018, 2, 9, 9, tzinfo=UTC),
        33,
    )


def test_the_real_hour_of_doge_is_flagged_and_no_error(real_market: Path) -> None:
    frame = candles_in(real_market / "candles_1h", "DOGE")
    assert flags(frame).rows()[0][:3] == ("DOGE", datetime(2021, 1, 29, 3, tzinfo=UTC), "huge_return")
