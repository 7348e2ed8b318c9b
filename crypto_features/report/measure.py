"""The report on a feature: how its ranks went with the ranks of the returns, or of the label, that followed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from crypto_features.durations import timeframe
from crypto_features.errors import InputError
from crypto_features.report.bootstrap import block_length, intervals
from crypto_features.report.comparison import Method, by_time, mean, method_of, turnover
from crypto_features.report.ranks import Floats, paired
from crypto_features.report.returns import ForwardReturns

PAST = "It describes the past: neither a forecast nor advice."
Part = tuple[str, str]
"""Kind and name of a part of the times, such as `("year", "2024")`."""
Parts = Mapping[Part, NDArray[np.bool_]]
"""Which times belong to each part."""
WHOLE: Part = ("", "")
Row = Mapping[str, object]
ROUNDING = 1e-12
"""A correlation of 0 may come out as 1e-17."""


@dataclass(frozen=True, eq=False)
class FeatureReport:
    """How a feature went with what followed it. It describes the past: neither a forecast nor advice.

    The information coefficient (IC) is Spearman's rank correlation of values known at the close of a bar with returns
    that begin there (Grinold and Kahn, Active Portfolio Management, 2nd ed. 1999). `across symbols` it is the mean over
    times of the correlation among the symbols at one time; where too few can be compared, `through time` it is that of
    each symbol's values with its own returns, all symbols together. A label takes the place of the returns: it is known
    when its window is over, begins at the same close, and has one horizon.

    Args:
        feature: What was looked at.
        label: The label that it was held against in place of returns; empty for returns.
        method: How its values are compared.
        bar: Length of a bar, the unit of horizons and delays.
        stride: How many bars lie between one time that counts and the next: 1 if every bar does.
        symbols: How many symbols it has.
        first: The first time that counts, UTC.
        last: The last one.
        level: Share of intervals like `low` to `high` that hold the truth, such as 0.95.
        by_horizon: A row for each `horizon` (bars): `ic`, `low`, `high`; `deviation` of the IC over times and `ratio`
            (`ic` over it), null through time; `positive`, the share of times with an IC over 0; `times`, `pairs` and
            `block` (times that are drawn together); `autocorrelation`, the rank correlation of the values with those a
            horizon later; and `turnover`, the share of positions by rank that changes over a horizon, 0 to 1.
        by_year: `year`, `horizon`, `ic`, `low`, `high`, `times`.
        by_regime: `regime`, `horizon`, `ic`, `low`, `high`, `times`; empty without regimes.
        decay: `delay` (bars) and the `ic` of the return over the shortest horizon that begins so much later.
        series: `event_timestamp`, `horizon` and the `ic` of each time, of which the mean is taken.
    """

    feature: str
    label: str
    method: Method
    bar: timedelta
    stride: int
    symbols: int
    first: datetime | None
    last: datetime | None
    level: float
    by_horizon: pl.DataFrame
    by_year: pl.DataFrame
    by_regime: pl.DataFrame
    decay: pl.DataFrame
    series: pl.DataFrame

    def __str__(self) -> str:
        span = f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}" if self.first and self.last else "no times"
        what = f"rank IC with {self.label} {self.method}" if self.label else f"rank IC {self.method}"
        head = f"{self.feature}: {what}, {self.symbols} symbols, {span}, bars of {timeframe(self.bar)}"
        lines = [
            f"{'bars':>6} {'IC':>7} {f'{self.level:.0%} interval':>18} {'times':>7} {'autocorr.':>10} {'turnover':>9}"
        ]
        for row in self.by_horizon.iter_rows(named=True):
            between = f"{_signed(row['low'])} to {_signed(row['high'])}"
            more = f"{_signed(row['autocorrelation']):>10} {_signed(row['turnover'], ''):>9}"
            lines.append(f"{row['horizon']:>6} {_signed(row['ic']):>7} {between:>18} {row['times']:>7,} {more}")
        return "\n".join([head, *lines, PAST])


def measure(
    features: Sequence[str],
    values: pl.DataFrame,
    returns: ForwardReturns,
    *,
    level: float = 0.95,
    seed: int = 0,
    label: str = "",
) -> dict[str, FeatureReport]:
    """The report on each of some columns.

    Args:
        features: Names of the columns.
        values: `symbol`, `event_timestamp` (when the values were known, UTC) and the columns: numbers or truth values.
        returns: What followed, as `forward_returns` or `label_outcomes` gives it.
        level: Share of intervals that hold the truth, between 0 and 1.
        seed: Of the bootstrap: the same one gives the same reports.
        label: Name of the label, of what `label_outcomes` gives.

    Raises:
        InputError: if a column has no order, or the level is not a share.
    """
    for name in features:
        dtype = values.schema[name]
        if not (dtype.is_numeric() or dtype == pl.Boolean):
            raise InputError(f"{name} is {dtype!r}, which has no ranks; a report needs numbers or truth values.")
    if not 0 < level < 1:
        raise InputError(f"level={level} is not a share between 0 and 1; expected such as 0.95.")
    placed, parts = returns.cells.placed(values), _parts(returns)
    moved = (0, *returns.after)
    return {
        name: _report(
            name,
            {bars: placed(values[name], bars * returns.bar) for bars in moved},
            returns,
            parts,
            label=label,
            level=level,
            seed=seed,
        )
        for name in features
    }


def _report(
    feature: str,
    values: Mapping[int, Floats],
    returns: ForwardReturns,
    parts: Parts,
    *,
    label: str,
    level: float,
    seed: int,
) -> FeatureReport:
    """The report on the values at each time, and so many bars later."""
    known, times = values[0], returns.cells.times
    method = method_of(known, next(iter(returns.after.values())))
    rows, of_parts, series = list[Row](), list[Row](), list[pl.DataFrame]()
    for horizon, after in returns.after.items():
        found, weights = by_time(method, known, after)
        centred = found - np.nan_to_num(mean(found, weights)) * weights
        block = block_length(centred, horizon=-(-horizon // returns.stride))
        bounds = intervals(found, weights, parts, block=block, level=level, seed=seed)
        rows.append(
            {
                "horizon": horizon,
                **_bounds(bounds[WHOLE]),
                **_spread(method, found, weights),
                "times": int((weights > 0).sum()),
                "pairs": int((~np.isnan(paired(known, after)[0])).sum()),
                "block": block,
                "autocorrelation": _or_none(mean(*by_time(method, known, values[horizon]))),
                "turnover": _or_none(turnover(method, known, values[horizon])),
            }
        )
        of_parts += [
            {"kind": kind, kind: name, "horizon": horizon, **_bounds(bounds[kind, name]), "times": count}
            for (kind, name), mask in parts.items()
            if (count := int((mask & (weights > 0)).sum()))
        ]
        series.append(_series(times, horizon, found, weights))
    decay = [(delay, _or_none(mean(*by_time(method, known, later)))) for delay, later in returns.later.items()]
    there = ~np.isnan(known)
    span = np.flatnonzero(there.any(axis=1))
    return FeatureReport(
        feature=feature,
        label=label,
        method=method,
        bar=returns.bar,
        stride=returns.stride,
        symbols=int(there.any(axis=0).sum()),
        first=times[int(span[0])] if span.size else None,
        last=times[int(span[-1])] if span.size else None,
        level=level,
        by_horizon=pl.DataFrame(rows, _BY_HORIZON, orient="row"),
        by_year=_by_part(of_parts, "year", pl.Int32()),
        by_regime=_by_part(of_parts, "regime", pl.String()),
        decay=pl.DataFrame(decay, {"delay": pl.Int64, "ic": pl.Float64}, orient="row"),
        series=pl.concat(series),
    )


def _by_part(rows: Sequence[Row], kind: str, dtype: pl.DataType) -> pl.DataFrame:
    mine = [
        {**row, kind: int(str(row[kind])) if dtype.is_integer() else row[kind]} for row in rows if row["kind"] == kind
    ]
    bounds = dict.fromkeys(("ic", "low", "high"), pl.Float64())
    schema: dict[str, pl.DataType] = {kind: dtype, "horizon": pl.Int64(), **bounds, "times": pl.Int64()}
    return pl.DataFrame([{name: row[name] for name in schema} for row in mine], schema, orient="row")


_BY_HORIZON = {
    "horizon": pl.Int64,
    **dict.fromkeys(("ic", "low", "high", "deviation", "ratio", "positive"), pl.Float64),
    **dict.fromkeys(("times", "pairs", "block"), pl.Int64),
    **dict.fromkeys(("autocorrelation", "turnover"), pl.Float64),
}


def _parts(returns: ForwardReturns) -> Parts:
    """The times of the whole, of each year and of each regime."""
    years = returns.cells.times.dt.year().cast(pl.String)
    parts = {WHOLE: np.ones(len(years), dtype=bool)}
    for kind, named in (("year", years), ("regime", returns.regimes)):
        parts |= {
            (kind, name): (named == name).fill_null(value=False).to_numpy()
            for name in named.drop_nulls().unique().sort()
        }
    return parts


def _spread(method: Method, found: Floats, weights: Floats) -> dict[str, float | None]:
    """How the ICs of the times differ, of which there is one for each time only across symbols."""
    if method == "through time" or not weights.sum():
        return dict.fromkeys(("deviation", "ratio", "positive"))
    coefficients = found[weights > 0]
    deviation = float(coefficients.std(ddof=1)) if coefficients.size > 1 else math.nan
    ratio = float(coefficients.mean()) / deviation if deviation > 0 else math.nan
    return {
        "deviation": _or_none(deviation),
        "ratio": _or_none(ratio),
        "positive": float((coefficients > ROUNDING).mean()),
    }


def _bounds(found: tuple[float, float, float]) -> dict[str, float | None]:
    return dict(zip(("ic", "low", "high"), map(_or_none, found), strict=True))


def _series(times: pl.Series, horizon: int, found: Floats, weights: Floats) -> pl.DataFrame:
    there = np.flatnonzero(weights)
    ics = found[there] / weights[there]
    return pl.DataFrame({"event_timestamp": times.gather(there), "horizon": np.full(there.size, horizon), "ic": ics})


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _signed(value: float | None, sign: str = "+") -> str:
    return "" if value is None else f"{value:{sign}.3f}"
