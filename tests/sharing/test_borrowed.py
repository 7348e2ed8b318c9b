"""What a declaration of another project's view refuses, and what stands for its rows where there are none."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.leak import leak_test
from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.dtypes import SCALARS
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from crypto_features.versions.fingerprint import feature_fingerprints
from crypto_features.versions.probe_market import HOUR, probe_market

CANDLES = RawTable("candles", project="crypto_features")
DAILY = Bars("daily_candles", of=CANDLES, every="1d", project="crypto_features")
PRICE = Borrowed("price_features", "crypto_features", bars=DAILY, features=("rsi_14",))


def group(expression: pl.Expr) -> FeatureGroup:
    feature = Feature("own", expression, "Made for a test.", unit="none")
    return FeatureGroup("own_features", bars=DAILY, joins=[Join(PRICE, "3d")], features=[feature])


def test_a_project_computes_its_own_tables_only() -> None:
    own = group(pl.col("price_features.rsi_14"))
    catalog = Catalog(own, project="my_desk")
    assert catalog.computed == (own,)
    assert catalog.foreign == (CANDLES, DAILY, PRICE)
    assert [*catalog.views] == ["own_features", "price_features"]
    with pytest.raises(InputError, match="price_features belongs to crypto_features, which computes"):
        PRICE.compute(None, "2024-01", None, None)  # type: ignore[arg-type] # it is refused before it reads.


@pytest.mark.parametrize("features", [(), ("rsi_14", "rsi_14")])
def test_each_feature_is_named_once(features: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="name each once"):
        replace(PRICE, features=features)


def test_the_other_project_is_another_one() -> None:
    with pytest.raises(InputError, match="candles says project='crypto_features', which is this catalog's own"):
        Catalog(group(pl.col("price_features.rsi_14")))
    with pytest.raises(InputError, match="project='My Desk' is not a name of a project"):
        Catalog(group(pl.col("close")), project="My Desk")


def test_what_is_not_declared_of_it_cannot_be_read() -> None:
    with pytest.raises(UnknownNameError, match="ma_20"):
        Catalog(group(pl.col("price_features.ma_20")), project="my_desk")
    with pytest.raises(UnknownNameError, match="ma_20"):
        Catalog(PRICE, FeatureService("s", "", {"price_features": ("ma_20",)}), project="my_desk")
    pinned = FeatureService("s", "", {"price_features": ("rsi_14",)}, versions={"price_features": 0})
    with pytest.raises(InputError, match=r"say it where it is borrowed: Borrowed\(version=\)"):
        Catalog(PRICE, pinned, project="my_desk")


def test_every_type_has_rows_that_stand_for_it() -> None:
    types: dict[str, pl.DataType] = {f"f{n}": dtype for n, dtype in enumerate(SCALARS)}
    types |= {f"l{n}": pl.List(dtype) for n, dtype in enumerate(SCALARS[:2])}
    bars = DAILY.whole({"candles": probe_market()}, HOUR)
    rows = replace(PRICE, features=types).whole({"daily_candles": bars}, HOUR)
    assert {name: rows.schema[name] for name in types} == types
    assert rows.null_count().sum_horizontal().item() == 0
    assert rows["event_timestamp"].min() == bars["open_time"].min() + timedelta(days=1)  # type: ignore[operator] # times


def test_a_feature_of_another_projects_view_is_leak_tested_without_its_code() -> None:
    honest = group(pl.col("price_features.rsi_14") * pl.col("close"))
    ahead = group(pl.col("price_features.rsi_14").shift(-1) * pl.col("close"))
    assert leak_test(honest).passed
    assert {leak.kind for leak in leak_test(ahead).leaks} == {"look-ahead"}


def test_the_version_of_a_group_follows_how_it_reads_another_projects_view() -> None:
    one, other = (feature_fingerprints(group(pl.col("price_features.rsi_14") * factor)) for factor in (1, 2))
    assert one != other
