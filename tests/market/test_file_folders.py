"""A folder of files: several are one history, one may hold many markets, and a bad one fails its own symbol only."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner
from upath import UPath

from crypto_features.cli import app
from crypto_features.definitions import EARLIEST, build
from crypto_features.errors import CryptoFeaturesError, InputError
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from tests.market.market import HOUR, START
from tests.market.vendors import (
    DAY,
    END,
    HEADER,
    LONG_AGO,
    MINUTE,
    candles_in,
    files,
    frame,
    iso,
    opens,
    put,
    text,
    times_in,
)

TIMES = opens(100)
GOOD = text(TIMES)


def with_bad_ones(folder: Path) -> Path:
    put(folder, BTC__csv=GOOD, README__csv="hello", EMPTY__csv="", notes__txt="x")
    (folder / "SOL.parquet").mkdir()
    (folder / "ADA.csv").symlink_to(folder / "nowhere.csv")
    put(folder / "below", ETH__csv=GOOD)
    return folder


def test_a_bad_file_fails_its_symbol_and_no_other(tmp_path: Path) -> None:
    market = files(with_bad_ones(tmp_path / "f"))
    assert market.symbols() == ("ADA", "BTC", "EMPTY", "ETH", "README", "SOL")
    assert (market.start(()), market.end()) == (START, START + 100 * HOUR)
    assert market.start(("BTC", "NOWHERE")) == START
    assert [times_in(tmp_path / "f", symbol) for symbol in ("BTC", "ETH")] == [TIMES, TIMES]
    for symbol, why in {
        "ADA": "No such file",
        "EMPTY": "is empty",
        "README": "no line",
        "SOL": "is not a file",
    }.items():
        with pytest.raises(InputError, match=why):
            market.fetch(symbol, START, market.end())
        with pytest.raises(InputError, match=why):
            market.start((symbol,))
    assert market.passed_over() == {"notes.txt": "its name does not end as one of candles does"}


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the settings choose, with bad files."""
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(tmp_path / "f"))
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "data"))
    return with_bad_ones(tmp_path / "f")


def test_the_command_names_what_failed_and_what_it_passed_over(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["fetch"])
    assert result.exit_code == 1
    assert [name for name in ("ADA: ", "EMPTY: ", "README: ", "SOL: ") if name not in result.output] == []
    assert "passed over notes.txt" in result.output
    assert sorted(Table(Settings.load().root, "candles", "open_time", raw=True).read()["symbol"].unique()) == [
        "BTC",
        "ETH",
    ]
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    assert CliRunner().invoke(app, ["fetch", "--again"]).exit_code == 0


def first_partition() -> str:
    graph = build(Settings.load()).resolve_asset_graph()
    (partitions,) = {graph.get(key).partitions_def for key in graph.get_all_asset_keys() if key.path == ["candles"]}
    assert partitions is not None
    return partitions.get_partition_keys()[0]


def test_the_graph_loads_whatever_lies_in_the_folder_and_opens_none_of_it(
    chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in chosen.rglob("*.csv"):
        path.unlink()
        path.symlink_to("/dev/full")  # reading it never ends.
    assert first_partition() == f"{EARLIEST:%Y-%m}"
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(chosen / "nowhere"))
    assert first_partition() == f"{EARLIEST:%Y-%m}"


@pytest.mark.parametrize(
    ("unusable", "why"),
    [
        ({"FILES": None}, "SOURCE=files needs CRYPTO_FEATURES_FILES"),
        ({"FILES": ""}, "SOURCE=files needs CRYPTO_FEATURES_FILES"),
        ({"FILES": "a" * 300}, "is not a folder"),
        ({"SOURCE": "ccxt"}, "needs CRYPTO_FEATURES_SYMBOLS"),
        ({"SOURCE": "nowhere:Source"}, "nowhere"),
    ],
)
def test_the_graph_loads_without_a_usable_source_and_the_run_of_candles_says_why(
    chosen: Path, monkeypatch: pytest.MonkeyPatch, unusable: dict[str, str | None], why: str
) -> None:
    for name, value in unusable.items():
        variable = f"CRYPTO_FEATURES_{name}"
        monkeypatch.delenv(variable) if value is None else monkeypatch.setenv(variable, value)
    job = build(Settings.load()).resolve_job_def("fetch_candles")
    with dg.instance_for_test() as instance, pytest.raises(CryptoFeaturesError, match=why):
        job.execute_in_process(instance=instance, partition_key=f"{START:%Y-%m}")
    for command in ("fetch", "run"):
        result = CliRunner().invoke(app, [command])
        assert result.exit_code == 1
        assert why in " ".join(result.output.split())


def test_the_graph_begins_with_the_files_that_were_read_before(chosen: Path) -> None:
    CliRunner().invoke(app, ["fetch"])
    assert first_partition() == f"{START:%Y-%m}"


def test_files_of_one_market_are_one_history(tmp_path: Path) -> None:
    parts = {f"BTCUSDT-1h-2024-0{i + 1}__csv": text(TIMES[40 * i : 40 * i + 60]) for i in range(2)}
    closes = {f"BTCUSDT-1h-2024-0{i + 1}__csv": frame(TIMES)[40 * i : 40 * i + 60].write_csv() for i in range(2)}
    folder = put(tmp_path / "f", **closes)
    assert (
        candles_in(folder, "BTCUSDT").select("open_time", "close").rows() == frame(TIMES).select("time", "close").rows()
    )
    with pytest.raises(InputError, match=r"2024-02\.csv has another candle of 2024-01-02 16:00.*keep one of them"):
        candles_in(put(tmp_path / "g", **parts), "BTCUSDT")


def test_of_several_lengths_the_one_that_fits_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "f",
        **{
            "BTC_USDT-5m__csv": text(opens(600, 5 * MINUTE)),
            "BTC_USDT-1h__csv": GOOD,
            "BTC_USDT-1d__csv": text(opens(9, DAY)),
        },
    )
    market = files(folder)
    assert market.fetch("BTC_USDT", START, START + 100 * HOUR)["completeness"].unique().to_list() == [1.0]
    assert market.files("BTC_USDT") == ("BTC_USDT-1h.csv",)
    assert sorted(market.passed_over()) == ["BTC_USDT-1d.csv", "BTC_USDT-5m.csv"]
    assert files(folder, interval=2 * HOUR).files("BTC_USDT") == ("BTC_USDT-1h.csv",)
    assert files(folder, interval=15 * MINUTE).files("BTC_USDT") == ("BTC_USDT-5m.csv",)


def test_a_setting_names_the_column_of_the_markets_and_a_bad_name_costs_only_itself(tmp_path: Path) -> None:
    header = HEADER.replace("time", "coin,time")
    btc = text(TIMES, lambda time: f"BTC,{iso(time)}", "")
    content = f"{header}\n{btc}{btc.replace('BTC', 'ETH')}{btc.replace('BTC', '???')}"
    folder, cache = put(tmp_path / "f", **{"all prices__csv": content}), UPath(tmp_path / "cache")
    for _ in range(2):  # as it is opened, and as it is remembered.
        market = files(folder, columns={"symbol": "coin"}, cache=cache)
        assert market.symbols() == ("BTC", "ETH")
        ((what, why),) = market.passed_over().items()
        assert what == "??? in all prices.csv"
        assert "'???' is not a symbol" in why
    assert times_in(folder, "ETH", columns={"symbol": "coin"}) == TIMES


def test_a_market_of_many_whose_candles_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    header = HEADER.replace("time", "symbol,time")
    good = text(TIMES, lambda time: f"BTC,{iso(time)}", "")
    bad = text([time + 7 * MINUTE for time in TIMES], lambda time: f"ETH,{iso(time)}", "")
    folder, cache = put(tmp_path / "f", **{"all prices__csv": f"{header}\n{good}{bad}"}), UPath(tmp_path / "cache")
    for _ in range(2):  # as it is opened, and as it is remembered.
        market = files(folder, cache=cache)
        assert market.symbols() == ("BTC", "ETH")
        with pytest.raises(InputError, match=r"(?s)but 0:07:00 later.*all prices\.csv"):
            market.start(("ETH",))
        with pytest.raises(InputError, match=r"(?s)but 0:07:00 later.*all prices\.csv"):
            market.fetch("ETH", LONG_AGO, END)
        assert market.fetch("BTC", LONG_AGO, END)["open_time"].to_list() == TIMES


def test_a_file_of_many_markets_is_read_by_its_column(tmp_path: Path) -> None:
    header = HEADER.replace("time", "symbol,time")
    btc = text(TIMES, lambda time: f"BTC/USDT,{iso(time)}", "")
    both = btc + btc.replace("BTC/USDT", "ETH")
    folder = put(tmp_path / "f", **{"all prices__csv": f"{header}\n{both}", "ADA__csv": GOOD})
    market = files(folder)
    assert market.symbols() == ("ADA", "BTCUSDT", "ETH")
    assert {symbol: times_in(folder, symbol) for symbol in ("BTCUSDT", "ETH")} == {"BTCUSDT": TIMES, "ETH": TIMES}
    assert not market.passed_over()
    put(folder, ETH__csv=text(TIMES[:9]))
    assert files(folder).fetch("ETH", START, START + 100 * HOUR).height == 9
    put(folder, ADA__csv=f"{header}\n{both}".replace("ETH", "ADA"))
    with pytest.raises(InputError, match="named ADA and mixes 2 markets"):
        candles_in(folder, "ADA")


def test_a_folder_of_this_platforms_own_tables_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "f", BTC__csv=GOOD)
    Table(UPath(tmp_path / "f" / "data"), "candles", "open_time", raw=True).publish(
        "2024-01", candles_in(tmp_path / "f")
    )
    assert files(tmp_path / "f").symbols() == ("BTC",)


def test_what_a_file_held_is_remembered_by_its_content(tmp_path: Path) -> None:
    folder, cache = put(tmp_path / "f", BTC__csv=GOOD, X__csv="hello"), UPath(tmp_path / "cache")
    assert files(folder, cache=cache).known_start(()) is None
    assert files(folder, cache=cache).symbols() == ("BTC", "X")
    market = files(folder, cache=cache)
    assert (market.known_start(()), market.end()) == (START, START + 100 * HOUR)
    assert not market._opened
    assert files(folder, cache=cache, zone="Asia/Tokyo").known_start(()) is None
    put(folder, BTC__csv=text(opens(100, start=START + HOUR)))
    assert files(folder, cache=cache).known_start(("BTC",)) is None


def test_a_repeated_minute_is_counted_and_costs_nothing(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = opens(72 * 60, MINUTE)
    content = text(minutes)
    put(chosen, BTC__csv=content + content.splitlines()[-1] + "\n")
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    result = CliRunner().invoke(app, ["fetch"])
    assert (result.exit_code, "rejected: repeated" in result.output) == (0, True)
    lake = Settings.load().root
    assert Table(lake, "candles", "open_time", raw=True).read()["completeness"].to_list() == [1.0] * 72
    quarantined = Table(lake, "quarantine", "open_time", raw=True).read()
    assert quarantined.select("open_time", "rule").rows() == [(minutes[-1], "repeated")]


def test_bad_minutes_are_quarantined_and_missing_in_their_hours(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = pl.col("time").is_in([START + 7 * MINUTE, START + 61 * MINUTE])
    minutes = frame(opens(72 * 60, MINUTE)).with_columns(high=pl.when(bad).then(1.0).otherwise("high"))
    (chosen / "BTC.csv").unlink()
    minutes.write_parquet(chosen / "BTC.parquet")
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    result = CliRunner().invoke(app, ["fetch"])
    assert (result.exit_code, "rejected: high_bounds" in result.output) == (0, True)
    candles = Table(Settings.load().root, "candles", "open_time", raw=True).read()
    assert candles["completeness"].to_list() == [59 / 60, 59 / 60, *[1.0] * 70]
    monkeypatch.setenv("CRYPTO_FEATURES_MAX_REJECTED", "0.0004")
    assert "2 of 4392 candles" in str(CliRunner().invoke(app, ["fetch", "--again"]).output)


@pytest.mark.parametrize("place", ["futures/um", "data/indexPriceKlines"])
def test_a_folder_of_other_than_spot_candles_is_passed_over(tmp_path: Path, place: str) -> None:
    spot, other = tmp_path / "spot", tmp_path / place
    other.mkdir(parents=True)
    put(spot, BTC__csv=text(opens(50)))
    put(other, BTC__csv=text(opens(50, HOUR, START + 50 * HOUR)))
    source = files(tmp_path)
    assert source.fetch("BTC", LONG_AGO, END)["open_time"].to_list() == opens(50)
    assert list(source.passed_over()) == [f"{place}/BTC.csv"]
