"""A catalog holds what is declared and all that it reads, once, in an order in which each finds its inputs."""

from collections.abc import Callable
from dataclasses import replace

import polars as pl
import pytest

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.shipped import candles, daily_candles, price_features, regime_model, trading_signals
from crypto_features.shipped import catalog as shipped
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog, Declared, clock_of, upstream
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet
from tests.features.other_catalog import blocks, desk_features, entries, momentum, rises, scores, trades, training
from tests.features.other_catalog import catalog as other
from tests.features.planted import daily_feature

CLOSE = pl.col("close")


def test_a_table_brings_all_that_it_reads_each_after_its_inputs() -> None:
    assert [*Catalog(entries).tables.values()] == [trades, blocks, momentum, rises, scores, entries]
    assert [*Catalog(rises).tables] == ["trades", "blocks", "momentum", "rises"]
    assert [*Catalog(training, momentum, scores).tables] == ["trades", "blocks", "momentum", "rises", "scores"]


def test_the_kinds_of_tables_are_told_apart() -> None:
    assert other.raw is trades
    assert other.bars == {"blocks": blocks}
    assert other.models == {"rises": rises}
    assert other.groups == {"momentum": momentum, "scores": scores, "entries": entries}
    assert other.computed == (blocks, momentum, rises, scores, entries)
    assert other.timed == (trades, blocks, momentum, scores, entries)
    assert other["blocks"] is blocks
    assert [other.time_of(name) for name in ("trades", "quarantine", "blocks", "scores", "training/desk_features")] == [
        *["open_time"] * 3,
        *["event_timestamp"] * 2,
    ]


def test_a_training_set_brings_its_service_and_its_bars() -> None:
    found = Catalog(training, momentum, scores)
    assert found.services == {"desk_features": desk_features}
    assert found.training == (training,)
    bars = Bars("noons", of=trades, every="12h")
    assert "noons" in Catalog(momentum, scores, TrainingSet(desk_features, rows=bars)).bars
    assert training.name == "training/desk_features"


def test_a_catalog_of_a_catalog_has_all_of_it_and_more() -> None:
    more = daily_feature(CLOSE)
    found = Catalog(shipped, more, more)
    assert [*found.tables.values()] == [*shipped.tables.values(), more]
    assert (found.services, found.training) == (shipped.services, shipped.training)


def test_the_bars_that_give_a_table_its_times_are_found_through_groups() -> None:
    assert [clock_of(table) for table in (scores, momentum, blocks, entries, trades)] == [
        *[blocks] * 3,
        *[trades] * 2,
    ]
    assert {table.name for table in upstream(scores)} == {"scores", "momentum", "blocks", "trades", "rises"}


def test_an_unknown_table_is_told_the_near_name() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown table 'momentun' \(did you mean 'momentum'\?\)"):
        other["momentun"]


REFUSED: dict[str, tuple[Callable[[], tuple[Declared | Catalog, ...]], str]] = {
    "two groups of one name": (
        lambda: (momentum, replace(momentum, description="another")),
        "two tables of the catalog are named 'momentum'; give one of them another name",
    ),
    "a group named as what it reads": (
        lambda: (FeatureGroup("daily_candles", bars=daily_candles, features=(Feature("x", CLOSE, "", ""),)),),
        "two tables of the catalog are named 'daily_candles'",
    ),
    "two groups that read different tables of one name": (
        lambda: (trading_signals, replace(regime_model, of=replace(price_features, ttl="2d"))),
        "two tables of the catalog are named 'price_features'",
    ),
    "two services of one name": (
        lambda: (other, FeatureService("desk_features", "", {"momentum": ("rise",)})),
        "two services of the catalog are named 'desk_features'; give one of them another name",
    ),
    "two training sets of one service": (
        lambda: (other, TrainingSet(desk_features, rows=momentum)),
        "two training sets of the catalog are named 'training/desk_features'; give one of them another name",
    ),
    "the name of the rejected candles": (
        lambda: (replace(momentum, name="quarantine"),),
        r"FeatureGroup\('quarantine'\) has the name of the table of rejected candles; give it another name",
    ),
    "two raw tables": (
        lambda: (other, candles),
        r"a catalog has exactly one raw table of candles, and this one has 2 \(trades\) \(candles\)",
    ),
    "candles of another source joined": (
        lambda: (replace(momentum, joins=(Join(daily_candles, "2d"),)),),
        r"exactly one raw table of candles, and this one has 2 \(trades\) \(candles\)",
    ),
    "nothing": (lambda: (), "a catalog has exactly one raw table of candles, and this one has 0; declare bars"),
    "a service alone": (lambda: (desk_features,), "this one has 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_one_graph_of_one_raw_table_is_refused(name: str) -> None:
    declared, why = REFUSED[name]
    with pytest.raises(InputError, match=why):
        Catalog(*declared())


def test_equal_declarations_are_two_tables() -> None:
    one, two = (RawTable("candles", "Candles.") for _ in range(2))
    assert one != two
    assert len({one, two}) == 2
    with pytest.raises(InputError, match="two tables of the catalog are named 'candles'"):
        Catalog(one, two)


def test_a_lookback_of_what_a_model_reads_is_a_length() -> None:
    with pytest.raises(InputError, match="the lookback of rises: 'a month' is not a duration"):
        replace(rises, lookback="a month")
