"""A user's package: features whose code is in several modules, written to a folder and imported from there."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

PACKAGE = {
    "__init__.py": "",
    "constants.py": """
import json
from pathlib import Path

FACTOR = 1.0
UNUSED = 3
SCALES = {"BTC": 1.0, "ETH": 2.0}
LIMITS = json.loads(Path(__file__).with_name("limits.json").read_text())
SEEN: dict[str, int] = {}
""",
    "limits.json": '{"low": 0.0, "high": 9.0}',
    "weights.csv": "symbol,weight\nBTC,1.0\n",
    "notes.txt": "read by nothing",
    "helpers.py": '''
import functools
from enum import Enum
from importlib.resources import files

import numpy as np
import polars as pl

from desk import constants
from desk.constants import FACTOR, SCALES


class Side(Enum):
    LONG = 1
    SHORT = -1


class Base:
    OFFSET = 0.5

    def shift(self, values):
        return values + self.OFFSET


class Scaler(Base):
    """Scales values."""

    def __init__(self, power: float = 1.0) -> None:
        self.power = power
        self.calls = 0

    def __call__(self, values):
        self.calls += 1
        return self.shift(values) ** self.power

    @classmethod
    def square(cls):
        return cls(2.0)

    @staticmethod
    def sign(values):
        return np.sign(values)


SCALER = Scaler()


def scaled(values: np.ndarray, times: float = 1.0) -> np.ndarray:
    """Values by the factor."""
    return values * FACTOR * times  # a comment


def by_symbol(symbol):
    constants.SEEN[symbol] = constants.SEEN.get(symbol, 0) + 1
    return SCALES.get(symbol, 1.0)


def limited(values):
    return np.clip(values, constants.LIMITS["low"], constants.LIMITS["high"])


def weights():
    return files("desk").joinpath("weights.csv").read_text()


def late(values):
    from desk import later

    return later.doubled(values)


@functools.lru_cache(maxsize=4)
def remembered(n):
    return n + 1


def powered(values, exponent):
    return values**exponent


POWER = functools.partial(powered, exponent=2)
PAIR = lambda x: x + 1, lambda x: x + 2
''',
    "later.py": "def doubled(values):\n    return values * 2\n",
    "groups.py": '''
import polars as pl

from crypto_features.shipped import daily_candles, price_features
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join
from desk import helpers
from desk.helpers import PAIR, POWER, SCALER, Scaler, Side, by_symbol, late, limited, remembered, scaled, weights

CLOSE = pl.col("close")


def rolled(bars, times=2.0):
    def kernel(series):
        return pl.Series(scaled(series.to_numpy()) / bars * times)

    return CLOSE.map_batches(kernel, return_dtype=pl.Float64)


def elements(function):
    return CLOSE.map_batches(function, return_dtype=pl.Float64)


def feature(name, expression, **declared):
    return Feature(name, expression, "", "", **declared)


expressions = FeatureGroup(
    "expressions",
    bars=daily_candles,
    joins=(Join(price_features, "7d", columns={"twice": pl.col("ma_5") * 2}),),
    ttl="1d",
    features=(
        feature("plain", CLOSE * 2),
        feature("of_plain", pl.col("plain") + 1),
        feature("joined", CLOSE - pl.col("price_features.twice")),
        feature("when", pl.when(CLOSE > 1e7).then(0.0).otherwise(CLOSE)),
        feature("rolled", rolled(5)),
        feature("partial", elements(POWER)),
        feature("lambda", elements(PAIR[0])),
        feature("method", elements(SCALER.shift)),
        feature("callable", elements(Scaler(3.0))),
        feature("library", elements(helpers.np.log)),
        feature("rolling", CLOSE.rolling_map(lambda window: helpers.scaled(window).sum(), 3)),
        feature("fold", pl.fold(pl.lit(0.0), lambda a, b: scaled(a) + b, [CLOSE])),
        feature("infinite", CLOSE.clip(float("-inf"), float("inf"))),
        feature("narrow", CLOSE, dtype=pl.Float32),
    ),
)


def filled(inputs):
    """A docstring."""
    rows = inputs["daily_candles"]
    side = Side.LONG.value
    sizes = [len(scaled(rows["close"].to_numpy())), remembered(1), len(weights())]
    values = limited(late(rows["close"].to_numpy())) * Scaler.square()(1.0) * side
    weight = {symbol: by_symbol(symbol) for symbol in rows["symbol"].unique()}
    return rows.with_columns(value=values + sum(sizes) + sum(weight.values()))


function = FeatureGroup(
    "function",
    bars=daily_candles,
    lookback="40d",
    ttl="1d",
    features=(feature("value", None, sources=(("daily_candles", "close"),)),),
    function=filled,
)
''',
}
"""Files of the package."""


@contextmanager
def desk(folder: Path, *edits: tuple[str, str, str]) -> Iterator[ModuleType]:
    """The module `desk.groups`, of a package written with these edits: file, text, and the text in its place."""
    files: Mapping[str, str] = dict(PACKAGE)
    for name, old, new in edits:
        assert old in files[name], f"{name} has no {old!r}"
        files = {**files, name: files[name].replace(old, new)}
    folder = folder / "desk"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    without_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder.parent))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("desk.groups")
    finally:
        sys.path.remove(str(folder.parent))
        sys.dont_write_bytecode = without_bytecode
        for name in [name for name in sys.modules if name.partition(".")[0] == "desk"]:
            del sys.modules[name]
