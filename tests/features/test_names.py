"""What a declaration reads by name exists, or the error says who reads it."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.shipped import catalog, price_features, regime_features, regime_model, services, volume_features
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from tests.features.edits import Edit, edited
from tests.features.planted import daily_feature, daily_group

CLOSE = pl.col("close")


def renamed(group: FeatureGroup, old: str, new: str) -> FeatureGroup:
    return replace(group, features=tuple(replace(f, name=new) if f.name == old else f for f in group.features))


def readers(prices: FeatureGroup) -> Catalog:
    """What ships and reads the price features, of these; what reads each other comes first."""
    model = replace(regime_model, of=prices)
    regime = replace(regime_features, bars=prices, joins=(Join(model, "500d"),))
    return Catalog(prices, regime, volume_features, services.regime_classification_features)


def test_what_ships_reads_names_that_exist() -> None:
    assert readers(price_features)
    assert Catalog(catalog).tables == catalog.tables


@pytest.mark.parametrize(
    ("feature", "new", "reader"),
    [
        (
            "rsi_14",
            "rsi",
            r"column of price_features 'rsi_14' \(did you mean 'rsi'\?\).*by regime_features.regime_label",
        ),
        ("ma_5", "ma_five", "unknown column of daily_candles 'ma_5'.*by price_features.ma_5_20_ratio"),
        ("atr_14", "atr", "unknown column of daily_candles 'atr_14'.*by price_features.atr_ratio"),
    ],
)
def test_a_renamed_feature_names_who_reads_it(feature: str, new: str, reader: str) -> None:
    with pytest.raises(UnknownNameError, match=reader):
        readers(renamed(price_features, feature, new))


def test_a_feature_that_only_a_model_or_a_service_reads_is_missed_by_it() -> None:
    prices = renamed(price_features, "rsi_14", "rsi")
    missed = r"unknown feature of price_features 'rsi_14' \(did you mean 'rsi'\?\).*by"
    with pytest.raises(UnknownNameError, match=f"{missed} the model regime_model"):
        Catalog(replace(regime_model, of=prices))
    with pytest.raises(UnknownNameError, match=f"{missed} the service regime_classification_features"):
        Catalog(prices, services.regime_classification_features)


@pytest.mark.parametrize(
    ("reads", "why"),
    [
        ({"volume_feature": ("volume_ratio",)}, r"feature view 'volume_feature' \(did you mean 'volume_features'\?\)"),
        ({"volume_features": ("volume_ration",)}, r"'volume_ration' \(did you mean 'volume_ratio'\?\)"),
    ],
)
def test_a_service_with_a_typo_is_told_the_near_name(reads: dict[str, tuple[str, ...]], why: str) -> None:
    with pytest.raises(UnknownNameError, match=f"{why}.*by the service mine"):
        Catalog(catalog, FeatureService("mine", "", reads))


def test_a_service_that_pins_a_view_which_it_does_not_read_is_refused() -> None:
    service = FeatureService("mine", "", {"volume_features": ("volume_ratio",)}, versions={"price_features": 2})
    with pytest.raises(UnknownNameError, match=r"unknown feature view 'price_features'.*The service mine pins its ver"):
        Catalog(catalog, service)


def test_a_group_that_reads_what_does_not_exist_is_named() -> None:
    group = daily_feature(pl.col("clse") * 2)
    with pytest.raises(UnknownNameError, match=r"'clse' \(did you mean 'close'\?\).*by planted_features.planted"):
        Catalog(group)
    sources = (("day_candles", "close"), ("daily_candles", "clse"))
    for source, why in zip(sources, ("table 'day_candles'", "column of daily_candles 'clse'"), strict=True):
        feature = Feature("planted", None, "", "", sources=(source,))
        with pytest.raises(UnknownNameError, match=rf"{why} \(did you mean .*by planted_features.planted"):
            Catalog(daily_group(feature, function=lambda tables: tables["daily_candles"]))


def test_a_joined_table_is_read_by_the_columns_that_it_has() -> None:
    read = Join(price_features, "7d", {"twice": 2 * pl.col("ma_five")})
    group = replace(daily_feature(pl.col("price_features.twice")), joins=(read,))
    with pytest.raises(UnknownNameError, match=r"column of price_features 'ma_five'.*by planted_features.planted"):
        Catalog(group)


def test_a_group_refuses_two_features_of_one_name_and_names_of_its_bars() -> None:
    group = daily_feature(CLOSE)
    (planted,) = group.features
    with pytest.raises(InputError, match="planted_features declares two features 'planted'"):
        replace(group, features=(planted, planted))
    with pytest.raises(InputError, match="declares a feature 'close', which is a column of its bars"):
        replace(group, features=(Feature("close", CLOSE, "", ""),))


@pytest.mark.parametrize(
    "edit",
    [
        ("shipped.price", '"rsi_14"', '"rsi"'),
        ("shipped.services", '"atr_ratio"', '"atr_rel"'),
        ("shipped.price", "stochastic(14)", "stochastic(0)"),
    ],
)
def test_a_wrong_declaration_is_refused_where_it_is_imported(edit: Edit) -> None:
    with pytest.raises((InputError, UnknownNameError)), edited(edit):
        import crypto_features.shipped  # noqa: F401 - the edited one.
    assert importlib.import_module("crypto_features.shipped").regime_model is regime_model, "not put back"


def test_the_command_line_reports_a_wrong_declaration_in_one_line(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['crypto-features', 'plan']\n"
        "from tests.features.edits import _Editor\n"
        "sys.meta_path.insert(0, _Editor([('shipped.services', '\"atr_ratio\"', '\"atr_rel\"')]))\n"
        "from crypto_features.cli import app\n"
        "app()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: unknown feature of price_features 'atr_rel' (did you mean 'atr_ratio'?)")
