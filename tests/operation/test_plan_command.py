"""`crypto-features plan` on a data folder: what it lists, as table and as JSON, and that --run computes just that."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner
from upath import UPath

from crypto_features import clock
from crypto_features.cli import app
from crypto_features.definitions import build
from crypto_features.errors import InputError
from crypto_features.graph.materialize import command_tags
from crypto_features.graph.plan import recompute_plan
from crypto_features.lake.reading import Reading
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.shipped import catalog, regime_features, regime_model
from crypto_features.shipped.regime_model import prior_model
from crypto_features.tables.artefact import written
from crypto_features.tables.months import months_between
from crypto_features.versions.measured import feature_versions
from crypto_features.versions.provenance import FINGERPRINTS, INPUTS

TABLES = ["daily_candles", "regime_model", "price_features", "volume_features", "regime_features", "trading_signals"]
TABLES += ["training/ml_training_features"]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def listed() -> list[tuple[str, str, str]]:
    return [(item["asset"], item["partition"], item["reason"]) for item in json.loads(run("plan", "--json"))]


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two months of sample candles and nothing computed from them."""
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-02-20T05:30Z")
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")
    monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-01")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return tmp_path


def fetch_candles(*months: str) -> None:
    """Two months of the sample market by default, as the asset `candles` publishes them."""
    from crypto_features.ingest.ingest import ingest
    from crypto_features.sources import source

    settings = Settings.load()
    candles, quarantine = (Table(settings.root, name, time="open_time", raw=True) for name in ("candles", "quarantine"))
    chosen = months or ("2024-01", "2024-02")
    ingest(source(settings), candles, quarantine, chosen, ["BTC", "ETH"], interval=settings.interval, now=clock.now())


def correct(root: Path, factor: float, known_at: datetime = datetime(2024, 2, 21, tzinfo=UTC)) -> None:
    """A corrected close of BTC on 10 February 12:00, as a new row that is known later."""
    table = Table(UPath(root), "candles", time="open_time", raw=True, by_symbol=True)
    rows = table.read(["2024-02"])
    wrong = (pl.col("symbol") == "BTC") & (pl.col("open_time") == datetime(2024, 2, 10, 23, tzinfo=UTC))
    new = rows.filter(wrong).with_columns(
        pl.col("close", "high") * factor,
        known_at=pl.lit(known_at).cast(rows.schema["known_at"]),
    )
    notes = {name: text for name, text in table.metadata("2024-02").items() if name != "digest"}
    table.publish("2024-02", pl.concat([rows, new]).sort("symbol", "open_time", "known_at"), notes)


def test_an_empty_folder_is_never_built(platform: Path) -> None:
    assert "Nothing is stale" not in run("plan")
    assert {reason for _, _, reason in listed()} == {"never built"}
    assert {(asset, month) for asset, month, _ in listed()} == {(t, "every month") for t in ["candles", *TABLES]}
    assert "holds no candles to compute from; `crypto-features run` fetches" in run("plan", "--run", code=1)


def test_what_is_listed_is_computed_and_nothing_else(platform: Path) -> None:
    fetch_candles()
    assert set(listed()) == {(table, month, "never built") for table in TABLES for month in ("2024-01", "2024-02")}
    assert "14 partitions are stale" in run("plan")
    run("plan", "--run")
    assert listed() == []
    assert "Nothing is stale" in run("plan")
    before = {path: path.read_bytes() for path in platform.rglob("*") if path.suffix in (".parquet", ".json")}
    correct(platform, 1.01)
    stale = listed()
    # no regime is known before day 60, so none can change.
    assert set(stale) == {
        ("daily_candles", "2024-02", "input corrected"),
        ("price_features", "2024-02", "upstream changed"),
        ("volume_features", "2024-02", "upstream changed"),
        ("trading_signals", "2024-02", "upstream changed"),
    }
    details = json.loads(run("plan", "--json"))[0]["details"]
    assert details == ["BTC 2024-02-10 23:00 corrected"]
    shown = dg.materialize([recompute_plan(catalog)]).asset_materializations_for_node("recompute_plan")[0].metadata
    assert shown["stale"].value == 4
    assert "| daily_candles | 2024-02 | input corrected | BTC 2024-02-10 23:00 corrected |" in str(shown["plan"].value)
    run("plan", "--run")
    assert listed() == []
    touched = {path for path, content in before.items() if path.exists() and path.read_bytes() != content}
    computed = {platform / asset / f"{month}.parquet" for asset, month, _ in stale}
    read_it = ("regime_features", "training/ml_training_features")  # and come out equal.
    renoted = {platform / name / "2024-02.parquet" for name in read_it}
    assert {
        path for path in touched if path.suffix == ".parquet" and path.parent.name != "candles"
    } == computed | renoted
    for path in renoted:
        assert_frame_equal(pl.read_parquet(path), pl.read_parquet(before[path]))


@pytest.mark.parametrize("content", [b"", b'{"version": "0', b"\xff\xfe", b"[]"])
def test_a_regime_model_that_is_not_whole_is_missing_and_is_made_again(platform: Path, content: bytes) -> None:
    month = platform / "regime_model" / "2024-02.json"
    month.parent.mkdir()
    other = month.with_name("2024-01.json")
    notes = {INPUTS: "{}", FINGERPRINTS: json.dumps(feature_versions("regime_model"))}
    other.write_text(written(prior_model().parameters, regime_model.about, notes))
    fetch_candles()
    month.write_bytes(content)
    stale = [(month, reason) for asset, month, reason in listed() if asset == "regime_model"]
    assert ("2024-02", "never built") in stale
    assert ("2024-01", "never built") not in stale
    prices = pl.DataFrame({"symbol": "BTC", "event_timestamp": [datetime(2024, 2, 10, tzinfo=UTC)]})
    Table(UPath(platform), "price_features").publish("2024-02", prices)
    read = Reading(UPath(platform), catalog, regime_features, timedelta(hours=1))
    with pytest.raises(InputError, match=r"2024-02\.json is not a whole model .*'regime_model' for 2024-02 again"):
        read("regime_model", ["2024-01", "2024-02"], None, None)


def test_a_damaged_partition_ends_in_one_line_that_names_it(platform: Path) -> None:
    fetch_candles()
    path = platform / "candles" / "2024-02.parquet"
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:4] + bytes(half) + data[4 + half :])
    output = run("plan", code=1)
    assert output.startswith("Error: partition 2024-02 of 'candles' is not a whole Parquet file")
    assert f"{path}. Restore the file of 2024-02 from a copy. Without a copy, move it aside, keep it, and " in output
    assert output.endswith("the source gives the candles as they are now, not what was known before.\n")
    assert output.count("\n") == 1


def test_a_training_set_is_joined_as_the_code_declares_its_service(
    platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_candles()
    run("plan", "--run")
    service = catalog.services["ml_training_features"]
    monkeypatch.setitem(cast("dict[str, object]", service.features), "volume_features", ("volume_ratio", "cmf_20"))
    assert [asset for asset, _, _ in listed()] == ["training/ml_training_features"] * 2
    training = dg.AssetKey(["training", service.name])
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(InputError, match=r"than the code declares \(cmf_20\)"),
    ):
        build(Settings.load()).resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, tags=command_tags("2024-01", "2024-02"), asset_selection=[training]
        )
    run("plan", "--run")
    assert listed() == []
    assert "cmf_20" in pl.read_parquet_schema(platform / "training" / service.name / "2024-02.parquet")


def test_published_models_stay_until_they_are_fitted_again(platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-05-03T00:30Z")
    fetch_candles(*months_between(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)))
    run("plan", "--run")
    models = platform / "regime_model"
    before = {path.name: path.read_bytes() for path in models.glob("*.json")}
    correct(platform, 1.3, datetime(2024, 5, 3, 0, 31, tzinfo=UTC))
    stale = {(asset, month) for asset, month, _ in listed()}
    assert not {asset for asset, _ in stale} & {"regime_model"}
    assert "`crypto-features plan --refit 2024-03` lists what fitting them" in " ".join(run("plan").split())
    run("plan", "--run")
    assert listed() == []
    assert {path.name: path.read_bytes() for path in models.glob("*.json")} == before
    again = {(i["asset"], i["partition"]) for i in json.loads(run("plan", "--json", "--refit", "2024-05"))}
    assert ("regime_model", "2024-05") in again
    assert {month for asset, month in again if asset == "regime_model"} == {"2024-05"}
    run("plan", "--run", "--refit", "2024-05")
    assert json.loads(run("plan", "--json", "--refit", "2024-05")) == []
    assert {path.name for path in models.glob("*.json") if path.read_bytes() != before[path.name]} == {"2024-05.json"}
    (replaced,) = models.glob("superseded/*/*.json")
    assert (replaced.parent.name, replaced.read_bytes()) == ("2024-05", before["2024-05.json"])
