"""`crypto-features status`: how old each table and view is, its newest run, and what fails."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from crypto_features.cli import app
from crypto_features.store import session
from tests.health.conftest import NOW, PROGRAM, listing

TABLES = {  # the newest row at 05:30, and its age.
    "candles": ("2024-02-10T05:00:00+00:00", 1800),
    "daily_candles": ("2024-02-10T00:00:00+00:00", 19800),
    "price_features": ("2024-02-10T00:00:00+00:00", 19800),
    "volume_features": ("2024-02-10T00:00:00+00:00", 19800),
    "regime_model": ("2024-02-01T00:00:00+00:00", None),
    "regime_features": ("2024-02-10T00:00:00+00:00", 19800),
    "trading_signals": ("2024-02-10T05:00:00+00:00", 1800),
    "training/ml_training_features": ("2024-02-10T00:00:00+00:00", 19800),
}
VIEWS = ["price_features", "volume_features", "regime_features", "trading_signals"]


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["status", *arguments])


def told(code: int) -> dict[str, Any]:
    """What `--json` says, by name of the table or view."""
    result = asked("--json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found | {one["name"]: one for one in (*found["tables"], *found["views"])}


def test_each_table_and_view_has_its_newest_row_age_and_run(platform: Path) -> None:
    found = told(0)
    assert {one["name"]: (one["newest"], one["age_seconds"]) for one in found["tables"]} == TABLES
    assert [one["name"] for one in found["views"]] == [f"online_store/{name}" for name in VIEWS]
    assert {(one["state"], one["behind_seconds"] or 0) for one in (*found["tables"], *found["views"])} == {("ok", 0)}
    assert {one["run"]["result"] for one in (*found["tables"], *found["views"])} == {"ok"}
    assert (found["candles"]["allowed_seconds"], found["price_features"]["allowed_seconds"]) == (3900, 86700)
    assert found["late"] is False


def test_nothing_is_written_by_looking(platform: Path) -> None:
    before = listing(platform)
    assert subprocess.run([PROGRAM, "status"], env=os.environ, capture_output=True, check=False).returncode == 0
    assert listing(platform) == before


def test_an_empty_folder_is_named_and_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "mistyped"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    found = told(1)
    assert {one["state"] for one in (*found["tables"], *found["views"])} == {"missing"}
    assert f"no registry at {tmp_path}/mistyped/registry.db" in found["online_store/price_features"]["why"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=4), timedelta(days=40)])
def test_the_screen_has_eighty_columns_and_cuts_nothing(
    platform: Path, monkeypatch: pytest.MonkeyPatch, age: timedelta
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + age).isoformat())
    result = asked()
    grid = [line for line in result.stdout.splitlines() if re.match(r"\S+ +(ok|late) +2024-02-", line)]
    assert len(grid) == len(TABLES) + len(VIEWS)
    assert max(map(len, result.stdout.splitlines()[1:])) <= 80
    assert len(result.stdout.splitlines()) <= 40
    assert "…" not in result.stdout
    assert result.exit_code == (1 if age else 0)


def test_what_is_late_is_told_from_what_is_behind(platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 03:10 of the next day nothing followed: candles are behind the clock, and tables wait for candles."""
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-02-11T03:10Z")
    found = told(1)
    assert {name: found[name]["state"] for name in TABLES} == {
        **dict.fromkeys(TABLES, "late"),
        "regime_model": "ok",
        "training/ml_training_features": "ok",
    }
    assert (found["candles"]["behind_seconds"], found["trading_signals"]["behind_seconds"]) == (22 * 3600, 0)
    assert found["online_store/price_features"]["why"] == "A bot reads EXPIRED for BTC, ETH."
    assert found["candles"]["todo"] == "crypto-features run"


def test_a_table_that_lost_its_newest_month_is_behind_the_candles(platform: Path) -> None:
    (platform / "price_features" / "2024-02.parquet").unlink()
    found = told(1)["price_features"]
    assert (found["state"], found["newest"]) == ("late", "2024-02-01T00:00:00+00:00")
    assert found["behind_seconds"] == timedelta(days=9).total_seconds()


def test_half_a_file_and_half_a_registry_are_damaged_and_hide_nothing_else(platform: Path) -> None:
    os.truncate(platform / "volume_features" / "2024-02.parquet", 3000)
    os.truncate(platform / "registry.db", 30000)
    session._stores.clear()
    found = told(1)
    states = {one["name"]: one["state"] for one in found["tables"]}
    assert states == {**dict.fromkeys(TABLES, "ok"), "volume_features": "damaged"}
    assert {one["state"] for one in found["views"]} == {"damaged"}
    assert "rm -f" in found["online_store/price_features"]["why"]


def test_a_view_that_is_switched_off_is_no_lateness(platform: Path) -> None:
    assert CliRunner().invoke(app, ["disable", "price_features", "--why", "a test"]).exit_code == 0
    found = told(0)["online_store/price_features"]
    assert (found["state"], found["why"]) == ("off", "Switched off: a test.")
    assert found["todo"] == "crypto-features enable price_features"


def test_a_run_that_failed_half_way_is_seen_asset_by_asset(platform: Path) -> None:
    @dg.asset
    def daily_candles() -> None:
        """Good."""

    @dg.asset(deps=[daily_candles])
    def price_features() -> None:
        raise ValueError("the reason")

    @dg.asset(deps=[price_features])
    def volume_features() -> None:
        """Never reached."""

    with dg.DagsterInstance.get() as instance:
        made = [daily_candles, price_features, volume_features]
        dg.materialize(made, instance=instance, raise_on_error=False)
    found = told(0)
    results = {name: found[name]["run"]["result"] for name in ("candles", *(asset.key.path[0] for asset in made))}
    assert results == {
        "candles": "ok",
        "daily_candles": "ok",
        "price_features": "failed",
        "volume_features": "skipped",
    }
    (problem,) = (problem for problem in found["problems"] if problem["title"].startswith("Run"))
    assert problem["title"] == "Run failed: price_features"
    assert problem["detail"].startswith("ValueError: the reason. ")
    assert datetime.fromisoformat(found["price_features"]["run"]["at"]) > datetime(2026, 1, 1, tzinfo=UTC)


def test_a_failed_check_is_counted_and_told(platform: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                dg.AssetKey("price_features"), "filled", passed=False, description="all null. What to do: look."
            )
        )
    found = told(0)
    assert found["price_features"]["failed_checks"] == ["filled"]
    assert {problem["title"] for problem in found["problems"]} == {
        "Check failed: filled of price_features",
        "Check failed: gaps of candles",  # the sample has gaps of days.
    }
    assert "Check failed: filled of price_features" in asked().stdout


def test_a_damaged_dagster_home_hides_no_table(platform: Path) -> None:
    (platform / "dagster" / "history" / "runs.db").write_bytes(b"no database" * 100)
    found = told(0)
    assert found["candles"]["run"] is None
    assert found["problems"][0]["detail"].startswith(f"{platform}/dagster/history/runs.db is damaged.")
