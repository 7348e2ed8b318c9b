"""A bar with too many holes is INCOMPLETE online and null offline, and every value tells its worst bar."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from crypto_features.store import FeastResource, parity
from crypto_features_reader.features import OnlineFeatures
from feature_repo import create_entity_df, get_online_features, get_training_completeness, get_training_features
from tests.feature_repo.conftest import NOW, build

MIDNIGHT = NOW.replace(hour=0, minute=0)
REFS = ["price_features:return_1d", "price_features:ma_20", "trading_signals:target_price"]


@pytest.fixture
def holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeastResource:
    """A market whose last day of ETH has half of its hours, and nothing of it in the features."""
    folder = tmp_path / "data"
    resource = build(folder, monkeypatch, apply=True, publish=False)
    fragment = (pl.col("symbol") == "ETH") & (pl.col("event_timestamp") == MIDNIGHT)
    path = folder / "price_features" / "2024-02.parquet"
    frame = pl.read_parquet(path)
    features = [name for name in frame.columns if name not in ("symbol", "event_timestamp", "created_timestamp")]
    features = [name for name in features if not name.startswith("completeness")]
    frame.with_columns(
        *(pl.when(~fragment).then(name).alias(name) for name in features),
        pl.when(fragment).then(0.5).otherwise("completeness").alias("completeness"),
        pl.when(fragment).then(0.5).otherwise(0.9).alias("completeness_20"),
        pl.when(fragment).then(0.5).otherwise("completeness_2").alias("completeness_2"),
    ).write_parquet(path)
    for view in ("price_features", "trading_signals"):
        resource.materialize(view, NOW, NOW)
    return resource


def read() -> OnlineFeatures:
    return get_online_features(["BTC", "ETH"], REFS)


def test_the_online_status_of_a_fragment_is_incomplete(holes: FeastResource) -> None:
    answer = read()
    assert answer["ma_20"][1] is None
    assert answer.statuses["ma_20"] == answer.statuses["return_1d"] == ["PRESENT", "INCOMPLETE"]
    assert answer.statuses["target_price"] == ["PRESENT", "PRESENT"]
    assert answer.event_times["price_features"] == [MIDNIGHT, MIDNIGHT]


def test_each_online_value_tells_the_worst_bar_of_its_window(holes: FeastResource) -> None:
    assert read().completeness == {"return_1d": [1.0, 0.5], "ma_20": [0.9, 0.5], "target_price": [1.0, 1.0]}


def test_the_limit_is_that_of_the_registered_view(holes: FeastResource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_MIN_COMPLETENESS", "0.4")
    holes.apply()
    holes.materialize("price_features", NOW, NOW)
    assert read().statuses["ma_20"] == ["PRESENT", "NULL_VALUE"]


def test_online_and_offline_agree_on_completeness_too(holes: FeastResource, tmp_path: Path) -> None:
    assert parity("price_features").equal
    path = tmp_path / "data" / "price_features" / "2024-02.parquet"
    pl.read_parquet(path).with_columns(completeness=pl.lit(0.8)).write_parquet(path)
    assert {difference.feature for difference in parity("price_features").differences} == {"completeness"}


@pytest.mark.parametrize("full", [False, True])
def test_a_training_set_has_a_null_for_a_fragment_and_tells_its_completeness(
    holes: FeastResource, *, full: bool
) -> None:
    rows = create_entity_df(["BTC", "ETH"], MIDNIGHT - timedelta(days=1), MIDNIGHT)
    values = get_training_features(rows, REFS[:2], full_feature_names=full)
    shares = get_training_completeness(rows, REFS[:2], full_feature_names=full)
    name = "price_features__ma_20" if full else "ma_20"
    assert list(values.columns) == list(shares.columns)
    assert values[name].isna().tolist() == [False, False, False, True]
    assert shares[name].tolist() == [0.9, 0.9, 0.9, 0.5]
