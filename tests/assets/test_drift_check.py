"""The check of drift warns, draws what it saw, and holds nothing back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
from upath import UPath

from crypto_features import plots
from crypto_features.graph import inline
from crypto_features.graph.checks import every_check
from crypto_features.graph.checks.drift import undrifted
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.shipped import catalog, daily_candles
from crypto_features.sources import source
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.drift import Drift
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import MONTH
from tests.training.stationary import remembering

HOUR = timedelta(hours=1)
NAMES = [f"f{number}" for number in range(4)]
GROUP = FeatureGroup(
    "watched",
    bars=daily_candles,
    features=[Feature(name, pl.col("close"), "A number.", "ratio") for name in NAMES],
)


def published(tmp_path: Path, rows: pl.DataFrame) -> Table:
    table = Table(UPath(tmp_path), "watched")
    for (month,), part in rows.with_columns(month=MONTH).group_by("month", maintain_order=True):
        table.publish(str(month), part.drop("month").sort("symbol", "event_timestamp"))
    return table


def test_what_does_not_drift_passes_with_its_picture(tmp_path: Path) -> None:
    found = undrifted(published(tmp_path, remembering(4, time=1, together=0.3)), GROUP, HOUR)
    assert found.passed
    assert "of 32 watched features by symbol are unusual in their newest 30 values" in found.text
    assert found.text.endswith("where chance gives 0.3. None stands out.")
    assert {*found.facts} == {"unusual", "memory in values", "picture"}
    assert str(found.facts["picture"].value).startswith("![how unusual the newest values are](data:image/png")


def test_what_drifts_is_named_and_only_warned_of(tmp_path: Path) -> None:
    moved = remembering(4, time=1, together=0.3, shift=3)
    rows = remembering(4, time=1, together=0.3).with_columns(f2=moved["f2"])
    found = undrifted(published(tmp_path, rows), GROUP, HOUR)
    assert not found.passed
    assert found.text.count("f2 of S") == 5
    assert "and 3 more drifted." in found.text
    result = found.result(dg.AssetKey("watched"), "drift", dg.AssetCheckSeverity.WARN)
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert "Nothing is held back." in str(result.description)


def test_a_young_table_and_a_new_feature_are_not_judged_yet(tmp_path: Path) -> None:
    rows = remembering(4, time=1, together=0.3)
    young = undrifted(
        published(tmp_path / "young", rows.filter(pl.col("event_timestamp").dt.year() < 2022)), GROUP, HOUR
    )
    assert young.passed
    assert young.text.startswith("0 of 0 watched features")
    assert young.facts == {}
    table = published(tmp_path / "grown", rows)
    for month in table.months()[:-1]:
        table.publish(month, table.read([month]).drop("f3"))
    assert "of 24 watched features" in undrifted(table, GROUP, HOUR).text


def test_a_group_has_the_check_if_something_of_it_is_watched() -> None:
    settings = Settings.load()
    checks = {key for one in every_check(settings, catalog, lambda: source(settings)) for key in one.check_keys}
    watched = {"price_features", "volume_features", "regime_features", "trading_signals"}
    assert {key.asset_key.to_user_string() for key in checks if key.name == "drift"} == watched
    left_out = Catalog(replace(GROUP, drift=None), daily_candles)
    keys = {key for one in every_check(settings, left_out, lambda: source(settings)) for key in one.check_keys}
    assert "drift" not in {key.name for key in keys}
    assert replace(GROUP, drift=Drift(features=["f1"])).drift is not None


def test_the_map_shows_the_symbols_that_are_furthest_and_stays_small() -> None:
    pairs = [(f"f{i}", f"S{j:03}") for i in range(20) for j in range(500)]
    found = pl.DataFrame(pairs, schema=["feature", "symbol"], orient="row").with_columns(
        p=pl.int_range(1, pl.len() + 1) / pl.len()
    )
    drawn = plots.drift_map(found)
    assert len(plots.png(drawn)) < inline.MAX_BYTES
    labels = [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert labels == [f"S{j:03}" for j in reversed(range(40))]
    assert plots.png(plots.drift_map(found.clear()))
