"""The Python in the documentation names what there is, and its catalog is one."""

import ast
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from crypto_features import catalogs
from crypto_features.leak import leak_test
from crypto_features.shipped import catalog, daily_candles, price
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.derived import inputs_of
from crypto_features.versions.fingerprint import feature_fingerprints
from crypto_features.versions.probe_market import HOUR, START, probe_market

ROOT = Path(__file__).parents[1]
BLOCKS = {
    f"{path.name} {number}": block
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE), 1)
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_every_block_imports_what_there_is(block: str) -> None:
    for found in ast.walk(ast.parse(block)):
        if isinstance(found, ast.ImportFrom):
            module = import_module(str(found.module))
            assert [one.name for one in found.names if not hasattr(module, one.name)] == []


def test_the_page_on_other_symbols_declares_a_catalog() -> None:
    names: dict[str, object] = {}
    for name, block in BLOCKS.items():
        if name.startswith("cross_sections.md"):
            exec(block, names)  # noqa: S102 - our own text.
    assert repr(names["catalog"]) == "Catalog(candles, daily_candles, price_features, beta, universe, strength)"


def test_the_page_on_labels_declares_them() -> None:
    names: dict[str, Any] = {}
    exec(BLOCKS["labels.md 1"], names)  # noqa: S102 - our own text.
    assert [*names["catalog"].labels] == ["up_5d", "return_5d_ahead", "touch_10d", "drawdown_5d"]


def test_the_page_on_training_sets_declares_one() -> None:
    names: dict[str, Any] = {}
    exec(BLOCKS["training.md 1"], names)  # noqa: S102 - our own text.
    one = names["catalog"].sets["momentum_v1"]
    assert one.service.features["volume_features"] == ("volume_ratio",)
    assert one.bars is daily_candles
    assert [each.name for each in names["catalog"].training] == ["training/ml_training_features"]


def test_a_single_feature_is_one_where_it_is_added() -> None:
    single = [block for block in BLOCKS.values() if block.startswith("Feature(")]
    names = dict(vars(price))
    assert [eval(block, names).name for block in single] == ["return_3d"]  # noqa: S307 - our own text.


def test_the_catalog_of_a_file_of_ones_own_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (block for block in BLOCKS.values() if "gap_features" in block and "Catalog(" in block)
    (tmp_path / "desk_of_the_documentation.py").write_text(block)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRYPTO_FEATURES_CATALOG", "desk_of_the_documentation:catalog")
    found = catalogs.current_catalog()
    assert [*found.groups] == [*catalog.groups, "gap_features"]
    assert found.groups["gap_features"].bars is daily_candles
    assert [*found.services] == [*catalog.services, "gap_service"]
    assert [one.name for one in found.training] == ["training/ml_training_features", "training/gap_service"]


def test_the_catalog_over_two_venues_is_one_that_computes() -> None:
    (block,) = (block for block in BLOCKS.values() if "candles_okx" in block and "Catalog(" in block)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own text.
    found: Catalog = names["catalog"]
    assert [*found.raws] == ["candles", "candles_okx", "funding"]
    assert (found.raw.name, [*found.groups]) == ("candles", ["venues"])
    assert [*feature_fingerprints(found.groups["venues"])] == ["premium", "rate"]


def test_the_catalog_of_several_bars_computes_what_its_words_say() -> None:
    (block,) = (block for block in BLOCKS.values() if 'every="1w"' in block and "Catalog(" in block)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own text.
    found: Catalog = names["catalog"]
    assert {name: bars.bar(HOUR) for name, bars in found.bars.items()} == {"weeks": 168 * HOUR, "blocks": 4 * HOUR}
    assert {name: group.time_to_live(HOUR) // HOUR for name, group in found.groups.items()} == {
        "swings": 168,
        "in_the_week": 4,
    }
    market = probe_market().filter(symbol="HUGE")
    rows = found.groups["swings"].whole(inputs_of(found.groups["swings"], market, interval=HOUR), HOUR)
    start, end = START + 7 * 24 * HOUR, START + 14 * 24 * HOUR
    week = market.filter(pl.col("open_time").is_between(start, end, closed="left"))
    swing = (week["high"].max() - week["low"].min()) / week["close"][-1]  # type: ignore[operator] # numbers
    assert rows.filter(event_timestamp=end)["swing"].to_list() == [swing]
    assert rows["mean_close"].is_null().to_list()[:4] == [True, True, True, False]


def test_the_model_of_the_documentation_forecasts_and_leaks_nothing() -> None:
    (block,) = (block for block in BLOCKS.values() if "cf.FittedModel(" in block and "by_month" in block)
    module = ModuleType("model_of_the_documentation")  # the leak test sends its functions to another process.
    names: dict[str, Any] = vars(module)
    exec(block, names)  # noqa: S102 - our own text.
    report = leak_test(names["outlook"])
    assert report.passed, str(report)
    assert report.cuts["refit"] > 0
