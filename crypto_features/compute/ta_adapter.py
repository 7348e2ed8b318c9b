"""The long tail of indicators, from the library `ta`, without its look-ahead, its zero-filled warm-up and its memory.

What `ta` leaves to pandas to sum, average or smooth depends on its window alone (`ta_windows`).

```python
cci = ta_indicator("trend.CCIIndicator.cci", warm_up=19, high=pl.col("high"), low=pl.col("low"), close=pl.col("close"))
```
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from crypto_features.compute.ta_windows import price_series
from crypto_features.errors import InputError, UnknownNameError

_MODULES = ("momentum", "others", "trend", "volatility", "volume")
_FILLS = "it fills its warm-up with the mean of the whole sample, so the first values know the last candle"
_EVER = "it smooths over every bar since the first one on hand"
_RUNNING = "it adds and subtracts as its window slides, so its last bits depend on where history starts"
_TWIN = "use crypto_features.compute.indicators."
_SINCE_LISTING = "it sums since the first candle on hand, so its value depends on where history starts"
REFUSED = {
    "trend.KSTIndicator": _FILLS,
    "trend.IchimokuIndicator(visual=True)": _FILLS,
    "trend.PSARIndicator": "it depends on where history starts and never converges to Wilder's definition",
    "trend.AroonIndicator": "it does not converge to Chande's definition",
    "momentum.KAMAIndicator": _EVER,
    "momentum.StochRSIIndicator": f"{_RUNNING}; {_TWIN}rsi with window_min and window_max",
    "momentum.UltimateOscillator": f"{_RUNNING}; {_TWIN}true_range with window_sum",
    "others.CumulativeReturnIndicator": _SINCE_LISTING,
    "trend.ADXIndicator": f"{_EVER}; {_TWIN}adx",
    "trend.VortexIndicator": f"{_RUNNING}; {_TWIN}true_range with window_sum",
    "volatility.AverageTrueRange": f"{_EVER}; {_TWIN}atr",
    "volatility.KeltnerChannel(original_version=False)": f"{_EVER}; {_TWIN}ema and atr",
    "volume.AccDistIndexIndicator": _SINCE_LISTING,
    "volume.NegativeVolumeIndexIndicator": _SINCE_LISTING,
    "volume.OnBalanceVolumeIndicator": f"{_SINCE_LISTING}, and it adds volume on an unchanged close",
    "volume.VolumePriceTrendIndicator": _SINCE_LISTING,
}
"""`ta` indicators that the adapter refuses, and why."""


def ta_indicator(name: str, *, warm_up: int, **arguments: pl.Expr | float | str | bool) -> pl.Expr:
    """An indicator of `ta` as an expression over one symbol's bars.

    Args:
        name: `"<module>.<class>.<method>"` in `ta`, such as `"trend.MACD.macd_diff"`.
        warm_up: How many first bars have no full window yet; their values are null whatever `ta` fills in.
        **arguments: The class's arguments: expressions for the price series, constants for the rest.

    Raises:
        InputError: if the indicator looks ahead or depends on where history starts, is asked to fill its warm-up, or
            lacks a price series.
        UnknownNameError: if `ta` has no such indicator, or the indicator no such argument.
    """
    module, indicator, method = _known(name)
    _refuse(f"{module}.{indicator}", arguments)
    _bind(f"{module}.{indicator}", _indicators(module)[indicator], arguments)
    series = {key: value for key, value in arguments.items() if isinstance(value, pl.Expr)}
    constants = {key: value for key, value in arguments.items() if key not in series}

    def apply(columns: pl.Series) -> pl.Series:
        if len(columns) <= warm_up:
            return pl.Series([None] * len(columns), dtype=pl.Float64)
        prices = {key: price_series(columns.struct.field(key)) for key in series}
        computed = getattr(import_module(f"ta.{module}"), indicator)(**prices, **constants)
        values = getattr(computed, method)().to_numpy(dtype="float64", copy=True)
        values[:warm_up] = float("nan")
        return pl.Series(values, nan_to_null=True)

    fields = [value.cast(pl.Float64).alias(key) for key, value in series.items()]
    return pl.struct(fields).map_batches(apply, return_dtype=pl.Float64)


def _known(name: str) -> tuple[str, str, str]:
    module, _, rest = name.partition(".")
    indicator, _, method = rest.partition(".")
    if module not in _MODULES:
        raise UnknownNameError("module of ta", module, _MODULES)
    indicators = _indicators(module)
    if indicator not in indicators:
        raise UnknownNameError(f"indicator of ta.{module}", indicator, indicators)
    if method not in indicators[indicator].methods:
        raise UnknownNameError(f"method of ta.{module}.{indicator}", method, indicators[indicator].methods)
    return module, indicator, method


@dataclass(frozen=True)
class _Indicator:
    """What `ta` offers: the methods of a class, the price series that it needs, and its other arguments."""

    methods: Sequence[str]
    series: Sequence[str]
    options: Sequence[str]


@cache
def _indicators(module: str) -> Mapping[str, _Indicator]:
    """The indicators of a module, read off the source: importing `ta` and pandas takes half a second."""
    package = find_spec("ta")
    if package is None or package.origin is None:
        raise InputError("the library ta is not installed; `make run` installs every dependency.")
    source = Path(package.origin).with_name(f"{module}.py").read_text(encoding="utf-8")
    return {
        node.name: _indicator([part for part in node.body if isinstance(part, ast.FunctionDef)])
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "IndicatorMixin" for base in node.bases)
    }


def _indicator(functions: Sequence[ast.FunctionDef]) -> _Indicator:
    arguments = next(f.args.args[1:] for f in functions if f.name == "__init__")
    series = [a.arg for a in arguments if a.annotation is not None and ast.unparse(a.annotation) == "pd.Series"]
    options = [a.arg for a in arguments if a.arg not in series]
    return _Indicator([f.name for f in functions if f.name[0] != "_"], series, options)


def _bind(name: str, indicator: _Indicator, arguments: Mapping[str, pl.Expr | float | str | bool]) -> None:
    for argument, value in arguments.items():
        if argument not in (*indicator.series, *indicator.options):
            raise UnknownNameError(f"argument of ta.{name}", argument, (*indicator.series, *indicator.options))
        if isinstance(value, pl.Expr) != (argument in indicator.series):
            kind = "an expression, such as pl.col('close')" if argument in indicator.series else "a constant"
            raise InputError(f"ta.{name} takes {argument} as {kind}; got {value!r}.")
    if missing := [series for series in indicator.series if series not in arguments]:
        given = ", ".join(f"{series}=pl.col({series!r})" for series in missing)
        raise InputError(f"ta.{name} needs {', '.join(missing)} as well; add {given}.")


def _refuse(indicator: str, arguments: dict[str, pl.Expr | float | str | bool]) -> None:
    if arguments.get("fillna"):
        raise InputError(f"ta.{indicator} with fillna=True invents values for its warm-up; leave fillna out.")
    for refused, reason in REFUSED.items():
        name, _, option = refused.removesuffix(")").partition("(")
        argument, _, value = option.partition("=")
        if name == indicator and (not option or str(arguments.get(argument)) == value):
            raise InputError(
                f"ta.{refused} cannot be a feature: {reason}. Write its definition as an expression with "
                "crypto_features.compute.indicators; the leak test shows whether it is honest."
            )
