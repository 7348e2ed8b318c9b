"""The Python in the documentation names what there is, and its catalog is one."""

import ast
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from crypto_features import catalogs
from crypto_features.shipped import catalog, daily_candles, price

ROOT = Path(__file__).parents[1]
BLOCKS = {
    f"{path.name} {number}": block
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
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
