"""Plots are small, the same whenever drawn, and readable on white and on black."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from crypto_features import plots
from crypto_features.graph import inline as inlined
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.pictures import pictures
from crypto_features.plots import style
from crypto_features.shipped import catalog
from crypto_features.shipped.plots import price_with_signals, regime_ribbon

START = datetime(2024, 1, 1, tzinfo=UTC)
WHITE, DAGSTER_DARK = "#ffffff", "#0f1317"


def hours(count: int) -> pl.Series:
    return pl.Series([START + timedelta(hours=i) for i in range(count)], dtype=pl.Datetime("us", "UTC"))


def market(count: int = 24 * 400) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Candles, signals, daily candles and regimes of one symbol."""
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    candles = pl.DataFrame({"symbol": "BTC", "open_time": hours(count), "close": close})
    signals = pl.DataFrame(
        {
            "symbol": "BTC",
            "event_timestamp": hours(count) + timedelta(hours=1),
            "target_price": close * 1.01,
            "can_buy": rng.integers(0, 2, count),
            "should_sell": rng.integers(0, 2, count),
        }
    )
    daily = candles.gather_every(24)
    regimes = daily.select(
        "symbol",
        event_timestamp=pl.col("open_time") + timedelta(days=1),
        regime_label=pl.Series(rng.choice(["BULL", "SIDEWAYS", "BEAR"], daily.height)),
        regime_probability=pl.Series(rng.random(daily.height)),
    )
    return candles, signals, daily, regimes


def draw(name: str, count: int = 24 * 400) -> Figure:
    """One plot of the market of that many hours."""
    candles, signals, daily, regimes = market(count)
    names = [f"feature_{i}" for i in range(19)]
    features = signals.select("symbol", "event_timestamp").with_columns(candles["close"].alias(n) for n in names)
    newest = pl.DataFrame(
        {
            "table": ["price_features", "trading_signals"],
            "event_timestamp": [START, START + timedelta(days=2)],
            "allowed": [timedelta(days=1), timedelta(hours=1)],
        },
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )
    rejected = pl.DataFrame({"rule": ["high_low"] * 3 + ["on_grid"]})
    figures: dict[str, Callable[[], Figure]] = {
        "price": lambda: price_with_signals(candles, signals, "BTC"),
        "regime": lambda: regime_ribbon(daily, regimes, "BTC"),
        "distributions": lambda: plots.feature_distributions(features, names),
        "nulls": lambda: plots.null_heat_map(features, names),
        "quarantine": lambda: plots.quarantine_by_rule(rejected),
        "freshness": lambda: plots.freshness(newest, START + timedelta(days=2)),
    }
    return figures[name]()


@pytest.mark.parametrize("name", ["price", "regime", "distributions", "nulls", "quarantine", "freshness"])
def test_each_plot_is_small_and_drawn_alike_twice(name: str) -> None:
    first, second = (plots.png(draw(name)) for _ in range(2))
    assert first == second
    assert 2_000 < len(first) <= inlined.MAX_BYTES


def test_an_empty_table_still_draws() -> None:
    candles, signals, daily, regimes = (frame.clear() for frame in market(96))
    for drawn in (
        price_with_signals(candles, signals, "BTC"),
        regime_ribbon(daily, regimes, "BTC"),
        plots.feature_distributions(signals, ["target_price"]),
        plots.null_heat_map(signals, ["target_price"]),
        plots.quarantine_by_rule(pl.DataFrame(schema={"rule": pl.String})),
    ):
        assert plots.png(drawn)


def test_a_signal_is_drawn_where_it_begins_and_at_the_close_of_its_own_candle() -> None:
    candles, signals, _, _ = market(48)
    signals = signals.with_columns(can_buy=pl.Series([0] * 40 + [1] * 8), should_sell=pl.lit(0))
    (axes,) = price_with_signals(candles, signals, "BTC").axes
    buys = axes.collections[0].get_offsets()
    assert np.asarray(buys)[:, 1].tolist() == [candles["close"][40]]


def test_the_heat_map_counts_a_row_stamped_at_midnight_of_the_first_in_the_month_that_closed() -> None:
    rows = pl.DataFrame(
        {
            "symbol": ["BTC", "BTC"],
            "event_timestamp": [datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 1, 1, tzinfo=UTC)],
            "x": [None, 1.0],
        },
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )
    mesh = plots.null_heat_map(rows, ["x"]).axes[0].collections[0]
    assert np.asarray(mesh.get_array()).ravel().tolist() == [1.0, 0.0]


def test_inks_have_a_contrast_of_three_or_more_on_white_and_on_black() -> None:
    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted([luminance(one), luminance(other)])
        return (high + 0.05) / (low + 0.05)

    inks = [style.INK, style.LINE, style.ACCENT, style.GOOD, style.BAD, style.QUIET]
    assert min(contrast(ink, ground) for ink in inks for ground in (WHITE, DAGSTER_DARK)) >= 3
    assert min(contrast(style.INK, ground) for ground in (WHITE, DAGSTER_DARK)) >= 4.2


def test_inline_metadata_is_markdown_that_holds_the_picture() -> None:
    text = inlined.inline(draw("quarantine"), "quarantine by rule").value
    assert text is not None
    assert text.startswith("![quarantine by rule](data:image/png;base64,")
    assert base64.b64decode(text.split("base64,")[1].rstrip(")")).startswith(b"\x89PNG")


def nulls(symbols: int, months: int) -> pl.DataFrame:
    """A row a symbol and week, of which a different share is null in every symbol and month."""
    rng = np.random.default_rng(5)
    weeks = [START + timedelta(days=7 * i) for i in range(months * 30 // 7)]
    count = symbols * len(weeks)
    values = {f"f{i}": pl.Series(rng.random(count)) for i in range(8)}
    frame = pl.DataFrame(
        {
            "symbol": [f"S{i:03}" for i in range(symbols) for _ in weeks],
            "event_timestamp": pl.Series(weeks * symbols, dtype=pl.Datetime("us", "UTC")),
            "often": [i / symbols for i in range(symbols) for _ in weeks],
            **values,
        }
    )
    return frame.with_columns(
        pl.when(pl.col(name) >= pl.col("often")).then(pl.col(name)).alias(name) for name in values
    )


def test_a_heat_map_of_500_symbols_and_36_months_shows_the_40_with_most_nulls_and_stays_small() -> None:
    table = nulls(500, 36)
    drawn = plots.null_heat_map(table, [f"f{i}" for i in range(8)])
    assert len(plots.png(drawn)) <= inlined.MAX_BYTES
    assert drawn.get_suptitle() == "Share of null values by month and symbol: the 40 of 500 symbols with most"
    shown = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    assert len(shown) == 40
    assert min(shown) > "S440"


@pytest.mark.parametrize("months", [1, 12, 13, 23, 35, 36])
def test_the_months_of_a_heat_map_stand_beside_each_other(months: int) -> None:
    (axes, _) = plots.null_heat_map(nulls(2, months), [f"f{i}" for i in range(8)]).axes
    drawn = axes.figure
    assert isinstance(drawn, Figure)
    drawn.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert len(boxes) > min(months, 6) - 1
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_each_symbol_has_a_distribution_of_its_own() -> None:
    """Ten values of one symbol are as visible as a thousand of another."""
    low, high = [float(i % 10) for i in range(1000)], [90.0 + i for i in range(10)]
    table = pl.DataFrame({"symbol": ["BTC"] * 1000 + ["NEW"] * 10, "x": low + high})
    (axes,) = plots.feature_distributions(table, ["x"]).axes
    lines = [patch.get_path().vertices for patch in axes.patches]
    assert len(lines) == 2
    reach = [max(x for x, y in line if y > 0) for line in np.asarray(lines)]
    assert reach[0] < 20
    assert reach[1] > 90


def test_a_plot_that_is_too_large_is_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inlined, "MAX_BYTES", 100)
    text = inlined.inline(draw("price", 96), "BTC with signals").value or ""
    assert text.startswith("No picture of BTC with signals: it has ")
    assert text.endswith(" bytes, more than 100.")


def test_a_picture_that_cannot_be_drawn_is_a_text_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Figure:
        raise RuntimeError("no font")

    group = catalog.groups["volume_features"]
    lake = LakeResource(root=str(tmp_path), interval_minutes=60)
    names = ["symbol", "event_timestamp", *(feature.name for feature in group.features)]
    rows = pl.DataFrame([["BTC", START + timedelta(days=1), *range(len(group.features))]], names, orient="row")
    lake.table(group.name).publish("2024-01", rows.cast({"event_timestamp": pl.Datetime("us", "UTC")}))
    monkeypatch.setattr(plots, "feature_distributions", broken)
    shown = pictures(group, lake)
    assert shown["distributions"].value == "No picture of feature distributions: RuntimeError('no font')."
    assert str(shown["nulls"].value).startswith("![share of nulls by month and symbol](data:image/png")
