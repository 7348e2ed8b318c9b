"""What a declaration reads by name exists, or the error says who reads it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.shipped.regime_model import ULTRA_5
from crypto_features.shipped.registry import GROUPS, SERVICES
from crypto_features.tables.declaration import Feature, FeatureGroup, FeatureService
from crypto_features.tables.names import check_names
from tests.features.edits import Edit, edited
from tests.features.planted import daily_feature

CLOSE = pl.col("close")


def renamed(group: FeatureGroup, old: str, new: str) -> FeatureGroup:
    return replace(group, features=tuple(replace(f, name=new) if f.name == old else f for f in group.features))


def check(groups: dict[str, FeatureGroup] | None = None, services: Iterator[FeatureService] | None = None) -> None:
    check_names({**GROUPS, **(groups or {})}, services or SERVICES.values(), ("price_features", ULTRA_5))


def test_what_ships_reads_names_that_exist() -> None:
    check()


@pytest.mark.parametrize(
    ("feature", "new", "reader"),
    [
        ("rsi_14", "rsi", "by regime_features.regime_label: change it there too, or keep the name"),
        ("ma_5", "ma_five", "unknown column of daily_candles 'ma_5'.*by price_features.ma_5_20_ratio"),
        ("atr_14", "atr", "unknown column of daily_candles 'atr_14'.*by price_features.atr_ratio"),
        ("atr_ratio", "atr_rel", "unknown feature of price_features 'atr_ratio'.*by the service trading_features"),
    ],
)
def test_a_renamed_feature_names_who_reads_it(feature: str, new: str, reader: str) -> None:
    with pytest.raises(UnknownNameError, match=reader):
        check({"price_features": renamed(GROUPS["price_features"], feature, new)})


def test_a_feature_that_only_the_regime_model_reads_is_missed_by_it() -> None:
    groups = {name: GROUPS[name] for name in ("price_features", "volume_features")}
    groups["price_features"] = renamed(groups["price_features"], "rsi_14", "rsi")
    with pytest.raises(UnknownNameError, match=r"'rsi_14' \(did you mean 'rsi'\?\).*by the regime model \(ULTRA_5\)"):
        check_names(groups, (), ("price_features", ULTRA_5))


@pytest.mark.parametrize(
    ("reads", "why"),
    [
        ({"volume_feature": ("volume_ratio",)}, r"feature view 'volume_feature' \(did you mean 'volume_features'\?\)"),
        ({"volume_features": ("volume_ration",)}, r"'volume_ration' \(did you mean 'volume_ratio'\?\)"),
    ],
)
def test_a_service_with_a_typo_is_told_the_near_name(reads: dict[str, tuple[str, ...]], why: str) -> None:
    with pytest.raises(UnknownNameError, match=f"{why}.*by the service mine"):
        check(services=iter([FeatureService("mine", "", reads)]))


def test_a_group_that_reads_what_does_not_exist_is_named() -> None:
    group = daily_feature(pl.col("clse") * 2)
    with pytest.raises(UnknownNameError, match=r"'clse' \(did you mean 'close'\?\).*by planted.planted"):
        check({"planted": group})
    (source,) = group.inputs
    with pytest.raises(UnknownNameError, match=r"table 'day_candles' \(did you mean 'daily_candles'\?\)"):
        check({"planted": replace(group, inputs=(replace(source, table="day_candles"),))})


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
        import crypto_features.shipped.registry  # noqa: F401 - the edited one.


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
