"""The plan is exact: it lists the partitions whose content differs, and no others."""

from collections.abc import Callable, Iterable, Sequence

import polars as pl
import pytest

from crypto_features.versions.plan import Reason
from crypto_features.versions.probe_market import START, probe_market
from tests.features.edits import Edit, edited
from tests.features.markets import DAY, HOUR
from tests.features.memory_lake import Key, MemoryLake
from tests.features.test_versions import CHANGED, SAME

Listed = dict[Key, str]
Event = Callable[[pl.DataFrame], pl.DataFrame]
OPEN = pl.col("open_time")


def at(day: int, hour: int = 12, symbol: str = "HUGE") -> pl.Expr:
    return (pl.col("symbol") == symbol) & (START + day * DAY + hour * HOUR == OPEN)


def corrected(column: str, factor: float, where: pl.Expr) -> Event:
    return lambda candles: candles.with_columns(
        pl.when(where).then(pl.col(column) * factor).otherwise(column).alias(column)
    )


EVENTS: dict[str, Event] = {
    "nothing": lambda candles: candles,
    "a corrected close inside a day": corrected("close", 1.01, at(100)),
    "a corrected last close of a day": corrected("close", 1.01, at(100, 23)),
    "a corrected close of the first month": corrected("close", 1.02, at(3, 23)),
    "a corrected volume": corrected("volume", 2.0, at(60)),
    "a high that stays below the day's": corrected("high", 1.0 + 1e-9, at(60)),
    "a wick taken back": corrected("low", 1.5, pl.col("low") == pl.col("low").filter(symbol="HUGE").min()),
    "a lost candle in the middle": lambda candles: candles.filter(~at(70)),
    "a lost day": lambda candles: candles.filter(
        ~((pl.col("symbol") == "TINY") & (OPEN.dt.date() == (START + 80 * DAY).date()))
    ),
    "a late candle": lambda candles: candles,
    "a new symbol": lambda candles: pl.concat(
        [candles, candles.filter(symbol="LATE").with_columns(symbol=pl.lit("NEW"))]
    ),
    "a delisted symbol": lambda candles: candles.filter(pl.col("symbol") != "FLAT"),
    "a few hours more": lambda candles: candles,
    "a day more": lambda candles: candles,
}
EARLIER: dict[str, Event] = {
    "a late candle": lambda candles: candles.filter(~at(90, 5, "TINY")),
    "a few hours more": lambda candles: candles.filter(OPEN < START + 129 * DAY + 7 * HOUR),
    "a day more": lambda candles: candles.filter(OPEN < START + 129 * DAY),
}
"""What the market looked like before those events that add candles."""


def truth(before: MemoryLake, after: MemoryLake) -> set[Key]:
    old, new = before.digests(), after.digests()
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


@pytest.fixture(scope="module")
def built() -> MemoryLake:
    lake = MemoryLake(probe_market())
    lake.build()
    return lake


@pytest.mark.parametrize("event", EVENTS)
def test_candle_events_make_stale_what_really_differs(built: MemoryLake, event: str) -> None:
    lake = built.copy()
    if event in EARLIER:
        lake = MemoryLake(EARLIER[event](probe_market()))
        lake.build()
    lake.candles = EVENTS[event](probe_market())
    predicted = lake.plan()
    fresh = lake.full_build()
    assert predicted == truth(lake, fresh)
    lake.build(predicted)
    assert truth(lake, fresh) == set()
    assert lake.plan() == set()


def test_an_empty_lake_is_never_built() -> None:
    lake = MemoryLake(probe_market())
    assert {item.reason for item in lake.stale()} == {Reason.NEVER_BUILT}
    assert len(lake.plan()) == len(lake.graph) * len(lake.months)


def test_a_reason_says_which_candles_and_which_partition(built: MemoryLake) -> None:
    lake = built.copy()
    lake.candles = EVENTS["a corrected last close of a day"](probe_market())
    reasons = {(item.asset, item.partition): str(item) for item in lake.stale()}
    assert reasons["daily_candles", "2024-04"] == "daily_candles 2024-04: input corrected (candles of 2024-04)"
    assert reasons["price_features", "2024-05"] == "price_features 2024-05: upstream changed (daily_candles 2024-04)"


def test_a_lost_partition_is_never_built_and_touches_nothing_else_if_it_comes_back_the_same(built: MemoryLake) -> None:
    lake = built.copy()
    del lake.frames["volume_features", "2024-02"]
    del lake.notes["volume_features"]["2024-02"]
    assert [(i.asset, i.partition, i.reason) for i in lake.stale()] == [
        ("volume_features", "2024-02", Reason.NEVER_BUILT)
    ]


def after(lake: MemoryLake, edits: Sequence[Edit]) -> tuple[Listed, Listed, set[Key]]:
    """What the plan and the exact plan list once the code is edited, and what a full build really changes."""
    with edited(*edits):
        from tests.features.memory_lake import MemoryLake as Edited

        kept = Edited(lake.candles)
        kept.frames, kept.notes = lake.frames, lake.notes
        return listed(kept, exact=False), listed(kept, exact=True), truth(lake, kept.full_build())


def listed(lake: MemoryLake, *, exact: bool) -> Listed:
    """What the plan lists, by the name of the reason: edited modules have reasons of their own."""
    return {(item.asset, item.partition): item.reason.name for item in lake.stale(exact=exact)}


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_an_edit_that_changes_values_makes_stale_what_really_differs(
    built: MemoryLake, count: Callable[..., int]
) -> None:
    for name in ["an unfinished day resampled", *list(CHANGED)[:: count(ci=40, proof=1)]]:
        quick, exact, differs = after(built, CHANGED[name][0])
        assert exact.keys() == differs, name
        assert quick.keys() >= {key for key, reason in exact.items() if reason != "LAST_BITS"}, name
        reached = dependents(CHANGED[name][1])
        unsure = {"DEFINITION_CHANGED", "LAST_BITS"}
        assert {asset for (asset, _), reason in quick.items() if reason not in unsure} <= reached, name
        assert {asset for (asset, _), reason in exact.items() if reason not in unsure} <= reached, name


def settled(lake: MemoryLake, edits: Sequence[Edit]) -> tuple[set[Key], set[Key]]:
    """What the plan lists once the code is edited, and what it lists after exactly that is computed."""
    with edited(*edits):
        from tests.features.memory_lake import MemoryLake as Edited

        kept = Edited(lake.candles)
        kept.frames, kept.notes = dict(lake.frames), {asset: dict(notes) for asset, notes in lake.notes.items()}
        first = kept.whole_plan(exact=True)
        kept.build((item.asset, item.partition) for item in first.stale)
        kept.renote(first.settled)
        return {(item.asset, item.partition) for item in first.stale}, kept.plan()


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_nothing_is_stale_once_what_the_plan_lists_is_computed(built: MemoryLake, count: Callable[..., int]) -> None:
    assert settled(built, CHANGED["RSI over 13 bars"][0])[0]
    for name in ["RSI over 13 bars", *list(CHANGED)[:: count(ci=60, proof=1)]]:
        assert settled(built, CHANGED[name][0])[1] == set(), name


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_an_edit_that_keeps_the_values_leaves_only_last_bits_to_publish(
    built: MemoryLake, count: Callable[..., int]
) -> None:
    for name in list(SAME)[:: count(ci=18, proof=1)]:
        quick, exact, differs = after(built, SAME[name])
        assert set(quick.values()) <= {"DEFINITION_CHANGED"}, name
        assert exact.keys() == differs, name
        assert set(exact.values()) <= {"LAST_BITS", "UPSTREAM_CHANGED"}, name


def dependents(tables: Iterable[str]) -> set[str]:
    """The tables and every table that reads one of them."""
    found = set(tables)
    for node in MemoryLake(probe_market()).graph:
        found |= {node.name for read in node.inputs if read.table in found}
    return found


def test_a_lost_partition_that_others_read_touches_none_of_them_once_it_is_computed(built: MemoryLake) -> None:
    lake = built.copy()
    del lake.frames["price_features", "2024-02"]
    del lake.notes["price_features"]["2024-02"]
    assert lake.plan(exact=True) == {("price_features", "2024-02")}


def test_what_was_built_while_an_input_was_lost_is_built_again(built: MemoryLake) -> None:
    lake = built.copy()
    del lake.frames["daily_candles", "2024-04"], lake.notes["daily_candles"]["2024-04"]
    lake.build([(node.name, "2024-05") for node in lake.graph])
    assert ("price_features", "2024-05") in lake.plan()
    assert lake.plan() == truth(lake, lake.full_build())
