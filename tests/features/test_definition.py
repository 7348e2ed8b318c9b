"""The definition of a feature changes with whatever can change a value, and with nothing else."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from crypto_features.errors import InputError
from crypto_features.shipped import catalog, daily_candles
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.versions.definition import Reader, feature_definitions, libraries, reader, table_definitions
from tests.features.desk import desk
from tests.features.edits import Edit, edited
from tests.features.test_fingerprint import PYTHONS, others
from tests.features.test_versions import CHANGED, SAME

ALL = ("expressions", "function")
SCALED = {"rolled", "rolling", "fold", "value"}


def found(groups: ModuleType) -> dict[str, str]:
    return {name: text for group in ALL for name, text in feature_definitions(getattr(groups, group)).items()}


def changed(folder: Path, *edits: Edit) -> set[str]:
    """The features whose definition changes with the edits."""
    with desk(folder / "before") as groups:
        before = found(groups)
    with desk(folder / "after", *edits) as groups:
        after = found(groups)
    return {name for name in before | after if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("edit", "features"),
    [
        (("constants.py", "FACTOR = 1.0", "FACTOR = 1.5"), SCALED),
        (("constants.py", '"ETH": 2.0', '"ETH": 2.5'), {"value"}),
        (("limits.json", "9.0", "8.0"), {"value"}),
        (("weights.csv", "1.0", "2.0"), {"value"}),
        (("helpers.py", "values * FACTOR * times", "values * FACTOR * times + 0"), SCALED),
        (("helpers.py", "times: float = 1.0", "times: float = 2.0"), SCALED),
        (("helpers.py", "OFFSET = 0.5", "OFFSET = 0.25"), {"method", "callable", "value"}),
        (("helpers.py", "cls(2.0)", "cls(3.0)"), {"method", "callable", "value"}),
        (("helpers.py", "SCALER = Scaler()", "SCALER = Scaler(4.0)"), {"method"}),
        (("helpers.py", "LONG = 1", "LONG = 2"), {"value"}),
        (("helpers.py", "exponent=2", "exponent=3"), {"partial"}),
        (("helpers.py", "values**exponent", "values**exponent * 1"), {"partial"}),
        (("helpers.py", "lambda x: x + 1", "lambda x: x + 3"), {"lambda"}),
        (("helpers.py", "return n + 1", "return n + 2"), {"value"}),
        (("helpers.py", "SCALES.get(symbol, 1.0)", "SCALES.get(symbol, 0.0 if symbol == 'FTT' else 1.0)"), {"value"}),
        (("later.py", "values * 2", "values * 3"), {"value"}),
        (("groups.py", "CLOSE * 2", "CLOSE * 2.5"), {"plain", "of_plain"}),
        (("groups.py", 'pl.col("ma_5") * 2', 'pl.col("ma_5") * 3'), {"joined"}),
        (("groups.py", '"7d"', '"8d"'), {"joined"}),
        (("groups.py", "CLOSE > 1e7", "CLOSE > 2e7"), {"when"}),
        (("groups.py", "rolled(5)", "rolled(6)"), {"rolled"}),
        (("groups.py", "times=2.0", "times=3.0"), {"rolled"}),
        (("groups.py", "PAIR[0]", "PAIR[1]"), {"lambda"}),
        (("groups.py", "Scaler(3.0)", "Scaler(2.0)"), {"callable"}),
        (("groups.py", "np.log", "np.log1p"), {"library"}),
        (("groups.py", "scaled(a) + b", "scaled(a) - b"), {"fold"}),
        (("groups.py", "scaled(window).sum()", "scaled(window).max()"), {"rolling"}),
        (("groups.py", 'float("inf"))', 'float("nan"))'), {"infinite"}),
        (("groups.py", "pl.Float32", "pl.Float64"), {"narrow"}),
        (("groups.py", 'rows = inputs["daily_candles"]', 'rows = inputs["daily_candles"].filter(x=1)'), {"value"}),
    ],
    ids=lambda part: part[2][:30] if isinstance(part, tuple) else "",
)
def test_a_change_of_code_or_constant_changes_the_definition_of_what_uses_it(
    edit: Edit, features: set[str], tmp_path: Path
) -> None:
    assert changed(tmp_path, edit) == features


@pytest.mark.parametrize(
    "edits",
    [
        [("helpers.py", "  # a comment", "")],
        [("helpers.py", '    """Values by the factor."""\n', "")],
        [("helpers.py", '    """Scales values."""\n\n', "")],
        [("helpers.py", "def scaled(", "\n\n# far below\n\n\ndef scaled(")],
        [("helpers.py", "return values * FACTOR * times", "return (\n        values\n        * FACTOR * times\n    )")],
        [("helpers.py", "times: float = 1.0) -> np.ndarray", "times=1.0)")],
        [
            (
                "helpers.py",
                "PAIR = lambda x: x + 1, lambda x: x + 2",
                "PAIR = (\n    lambda x: x + 1,\n    lambda x: (x + 2),\n)",
            )
        ],
        [("constants.py", "UNUSED = 3", "UNUSED = 4")],
        [("constants.py", "FACTOR = 1.0", "FACTOR = 0.5 + 0.5")],
        [("notes.txt", "nothing", "nobody")],
        [("groups.py", '    """A docstring."""\n', "")],
        [("groups.py", 'ttl="1d"', 'ttl="2d"')],
        [("groups.py", 'lookback="40d"', 'lookback="960h"')],
        [("groups.py", 'Feature(name, expression, "", "",', 'Feature(name, expression, "described", "unit",')],
    ],
    ids=lambda edits: edits[0][2][:30],
)
def test_what_changes_no_value_changes_no_definition(edits: list[Edit], tmp_path: Path) -> None:
    assert changed(tmp_path, *edits) == set()


def test_computing_does_not_change_the_definition(tmp_path: Path) -> None:
    with desk(tmp_path) as groups:
        before = found(groups)
        frame = pl.DataFrame({"close": [1.0, 2.0, 3.0]})
        for name in ("rolled", "partial", "lambda", "callable", "rolling", "fold"):
            frame.select(groups.expressions.feature(name).expression)
        for function in (groups.by_symbol, groups.SCALER, groups.remembered):
            function(1.0)
        assert groups.helpers.constants.SEEN
        assert groups.SCALER.calls
        assert found(groups) == before


def test_a_file_that_was_edited_after_its_import_is_not_taken_for_the_code_that_runs(tmp_path: Path) -> None:
    with desk(tmp_path) as groups:
        path = tmp_path / "desk" / "helpers.py"
        path.write_text(path.read_text().replace("values * FACTOR * times", "values * FACTOR * times + 1"))
        running = found(groups)
    with desk(tmp_path, ("helpers.py", "values * FACTOR * times", "values * FACTOR * times + 1")) as groups:
        assert {name for name, text in found(groups).items() if running[name] != text} >= SCALED


PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from crypto_features.shipped import catalog
from crypto_features.versions.definition import feature_definitions, table_definitions
from desk import groups
own = [dict(feature_definitions(group)) for group in (groups.expressions, groups.function)]
print(json.dumps([table_definitions(catalog), own]))
"""


def elsewhere(folder: Path, python: str = sys.executable, **environment: str) -> object:
    """The definitions as another process finds them, of the package in another folder."""
    with desk(folder):
        pass
    done = subprocess.run(
        [python, "-c", PROGRAM, str(folder)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture
def here(tmp_path: Path) -> object:
    with desk(tmp_path / "here") as groups:
        return [table_definitions(catalog), [dict(feature_definitions(getattr(groups, name))) for name in ALL]]


@pytest.mark.parametrize("seed", ["1", "2"])
def test_definitions_are_the_same_in_every_process_and_folder(here: object, tmp_path: Path, seed: str) -> None:
    assert elsewhere(tmp_path / "another folder", PYTHONHASHSEED=seed) == here


def test_definitions_are_the_same_on_other_pythons(here: object, tmp_path: Path) -> None:
    pythons = others()
    if not pythons:
        pytest.skip(f"no python3.12 or 3.13 with polars, numpy, pandas and ta on PATH or in {PYTHONS}")
    assert {python: elsewhere(tmp_path, python) for python in pythons} == dict.fromkeys(pythons, here)


def test_a_definition_holds_the_versions_of_the_libraries_that_it_uses_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk(tmp_path) as groups:
        before = Reader().digest(groups.limited), Reader().digest(groups.by_symbol)
        versions_of = libraries.versions_of
        newer = {"numpy": "numpy of tomorrow"}
        monkeypatch.setattr(
            reader, "versions_of", lambda used: [newer.get(line.split()[0], line) for line in versions_of(used)]
        )
        after = Reader().digest(groups.limited), Reader().digest(groups.by_symbol)
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_library_counts_with_those_that_it_requires() -> None:
    names = {line.split()[0] for line in libraries.versions_of({"ta.trend"})}
    assert {"ta", "numpy", "pandas"} <= names
    assert "polars" not in names


UNSEEN: dict[str, tuple[Edit, set[str]]] = {
    "tomorrow's return of one symbol": (
        (
            "shipped.price",
            "price_return(bars), description",
            'pl.when(pl.col("symbol") == "FTT").then(CLOSE.shift(-1)).otherwise(price_return(bars)), description',
        ),
        {"return_1d", "return_5d", "return_20d"},
    ),
    "another value in one month": (
        (
            "shipped.volume",
            "VOLUME * typical_price()",
            'VOLUME * pl.when(pl.col("open_time").dt.year() == 2031).then(0.0).otherwise(typical_price())',
        ),
        {"dollar_volume"},
    ),
    "volumes above ten million": (
        ("shipped.volume", "window_mean(VOLUME, 5)", "window_mean(VOLUME.clip(upper_bound=1e12), 5)"),
        {"volume_trend"},
    ),
    "a special case two calls deep": (
        (
            "compute.doubling",
            "    return _drawn_to(older, newer, after",
            "    if newer.max() > 1e12:\n        return newer\n    return _drawn_to(older, newer, after",
        ),
        {
            *("ma_5", "ma_20", "ma_60", "ma_5_20_ratio", "ma_20_60_ratio", "price_ma_20_ratio", "ma_alignment"),
            *("bb_width", "bb_position", "rsi_14", "atr_14", "atr_ratio", "macd_diff"),
            *("volume_ma_20", "volume_ratio", "volume_trend"),
        },
    ),
    "one month's fit": (
        (
            "shipped.regime_model",
            "    return fit(padded(rows), prior_model())",
            '    if month == "2031-01":\n        return prior_model()\n    return fit(padded(rows), prior_model())',
        ),
        {"parameters"},
    ),
    "one month's rows of a fit": (
        (
            "tables.model",
            "known = (time <= start) &",
            'known = (time < start if month == "2031-01" else time <= start) &',
        ),
        {"parameters"},
    ),
    "one symbol's label": (
        (
            "shipped.regime",
            'rows = inputs["price_features"].sort(',
            'rows = inputs["price_features"].filter(pl.col("symbol") != "FTT").sort(',
        ),
        {"regime_label", "regime_probability", "regime_duration"},
    ),
    "one symbol's day": (
        (
            "compute.resample",
            'candles.sort("symbol", "open_time")',
            'candles.filter(pl.col("symbol") != "FTT").sort("symbol", "open_time")',
        ),
        {"open", "high", "low", "close", "volume", "completeness"},
    ),
    "another buy of one symbol": (
        ("shipped.signals", "exceeds(_MA_5, _MA_20)", '(exceeds(_MA_5, _MA_20) | (pl.col("symbol") == "FTT"))'),
        {"can_buy"},
    ),
}
"""Edits of the project's own source that no value of the probe market shows, and what they define anew."""


def own_changes(edit: Edit, *more: Edit) -> set[str]:
    before = table_definitions(catalog)
    with edited(edit, *more):
        from crypto_features.shipped import catalog as edited_catalog
        from crypto_features.versions.definition import table_definitions as edited_definitions

        after = edited_definitions(edited_catalog)
    return {name for table, columns in before.items() for name in columns if columns[name] != after[table].get(name)}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_special_case_that_no_probe_shows_changes_the_definition(name: str) -> None:
    edit, features = UNSEEN[name]
    assert own_changes(edit) == features


@pytest.mark.parametrize(
    "name",
    [
        *("a reworded description", "another unit", "other bounds", "a comment", "a docstring"),
        *("a longer time to live", "features in another order", "an unused feature helper"),
    ],
)
def test_an_edit_of_words_or_of_order_keeps_every_definition(name: str) -> None:
    assert own_changes(*SAME[name]) == set()


@pytest.mark.proof
def test_an_edit_that_changes_values_changes_their_definition(count: Callable[..., int]) -> None:
    chosen = list(CHANGED)[:: count(ci=18, proof=1)]
    missed = {}
    for name in chosen:
        edits, changed = CHANGED[name]
        first = next(table for table in ("daily_candles", "regime_model", *catalog.groups) if table in changed)
        table = "price_features" if first == "regime_model" and "price_features" in changed else first
        missed[name] = changed[table] - own_changes(*edits)
    assert missed == {name: set() for name in chosen}


def group(expression: pl.Expr) -> FeatureGroup:
    return FeatureGroup("g", bars=daily_candles, features=(Feature("x", expression, "", ""),))


def typed_in(source: str) -> pl.Expr:
    """An expression around the function `f` of code that has no file."""
    names: dict[str, object] = {"__name__": "typed_in", "pl": pl}
    exec(source, names)  # noqa: S102 - as at a prompt.
    return pl.col("close").map_batches(names["f"], return_dtype=pl.Float64)  # type: ignore[arg-type] # a function.


def test_code_without_source_counts_by_its_bytecode_and_what_it_reads() -> None:
    one = "K = 1\ndef f(s): return s * K"
    digests = [
        feature_definitions(group(typed_in(text)))["x"]
        for text in (one, "\n\n" + one, one.replace("K = 1", "K = 2"), one.replace("s * K", "s + K"))
    ]
    assert digests[0] == digests[1]
    assert len({*digests}) == 3


def test_a_compiled_callable_that_nothing_names_is_refused() -> None:
    hidden = np.frompyfunc(lambda value: value * 2, 1, 1)

    def doubled(series: pl.Series) -> pl.Series:
        return pl.Series(hidden(series.to_numpy()))

    with pytest.raises(InputError, match="nothing would show that it changed"):
        Reader().digest(doubled)


def test_an_expression_that_holds_an_open_lock_is_refused() -> None:
    lock = threading.Lock()

    def locked(series: pl.Series) -> pl.Series:
        with lock:
            return series

    with pytest.raises(InputError, match="cannot be read"):
        feature_definitions(group(pl.col("close").map_batches(locked, return_dtype=pl.Float64)))
