"""`crypto-features catalog` and `crypto-features features`, in a project in which nothing ran yet."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto_features.cli import app
from crypto_features.shipped import catalog


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_feature_is_listed_with_its_unit_window_and_definition_in_eighty_columns() -> None:
    shown = run("features")
    lines, words = shown.splitlines(), " ".join(shown.split())
    assert max(map(len, lines)) <= 80
    assert "…" not in shown
    for group in catalog.groups.values():
        for feature in group.features:
            (line,) = [line for line in lines if line.startswith(f"  {feature.name} ")]
            assert str(feature.window) in line.replace(",", " ").split()
            assert feature.description.split()[0] in line
    assert "513, from 15" in words


def test_one_feature_is_shown_with_what_it_reads_and_who_reads_it() -> None:
    shown = " ".join(run("features", "price_features:atr_ratio").split())
    assert "Computed from daily_candles.close, daily_candles.high, daily_candles.low" in shown.replace(
        "daily_candles.high, daily_candles.close, daily_candles.low",
        "daily_candles.close, daily_candles.high, daily_candles.low",
    )
    assert "service trading_features" in shown
    assert "atr_14 / close" in shown


def test_a_table_lists_its_own_features() -> None:
    assert {row["view"] for row in json.loads(run("features", "volume_features", "--json"))} == {"volume_features"}


def test_json_has_every_feature_with_numbers() -> None:
    rows = json.loads(run("features", "--json"))
    assert [(row["view"], row["name"]) for row in rows] == [
        (g.name, f.name) for g in catalog.groups.values() for f in g.features
    ]
    (rsi,) = [row for row in rows if row["name"] == "rsi_14"]
    assert (rsi["unit"], rsi["bars"], rsi["window"], rsi["warm_up"]) == ("0 to 100", "1d", 513, 15)
    assert (rsi["dtype"], rsi["bounds"], rsi["lookback_seconds"]) == ("Float64", "0 to 100", 0)


@pytest.mark.parametrize(("name", "meant"), [("rsi_41", "rsi_14"), ("price_features:rsi_41", "price_features:rsi_14")])
def test_an_unknown_feature_ends_with_the_one_that_was_meant(name: str, meant: str) -> None:
    result = CliRunner().invoke(app, ["features", name])
    assert result.exit_code == 1
    assert f"did you mean '{meant}'?" in result.stderr


def test_the_page_of_an_empty_folder_is_written_and_nothing_else(tmp_path: Path) -> None:
    shown = run("catalog", "--out", str(tmp_path / "page.html"), "--dagster", "http://desk.example/")
    assert str(tmp_path / "page.html") in shown
    text = (tmp_path / "page.html").read_text()
    assert "nothing is published yet" in text
    assert 'href="http://desk.example/assets/price_features"' in text
    assert "truncate" in text  # the probes of the versions that ship.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html"]


def test_the_page_goes_into_the_data_folder(tmp_path: Path) -> None:
    run("catalog")
    assert (tmp_path / "data" / "catalog.html").is_file()


def test_a_folder_is_no_place_for_the_page(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["catalog", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
