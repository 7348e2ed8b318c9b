"""After any history of a lake the plan lists what a full build would change, and running it leaves nothing behind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from crypto_features.cli.plan import ranges
from crypto_features.errors import InputError
from crypto_features.ingest.merge import merge
from crypto_features.lake.candles import current
from crypto_features.shipped import catalog as shipped
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup
from crypto_features.versions.plan import Reason, Stale
from crypto_features.versions.probe_market import START, probe_market
from crypto_features.versions.provenance import column_digests
from tests.features.cross_catalog import catalog as cross
from tests.features.markets import DAY, HOUR
from tests.features.memory_lake import Key, MemoryLake, behaviour
from tests.features.mixed_catalog import catalog as mixed
from tests.features.other_catalog import catalog as other
from tests.features.weekly_catalog import catalog as weekly

DAYS = 45
OPEN, MINUTE = pl.col("open_time"), timedelta(minutes=1)
MARKET = probe_market().filter(pl.col("symbol").is_in(["HUGE", "TINY"]), OPEN < START + DAYS * DAY)
MARKET = MARKET.with_columns(completeness=1.0)
ADDED = MARKET.filter(symbol="TINY").with_columns(pl.col("open", "high", "low", "close") * 3, symbol=pl.lit("ADDED"))
SYMBOLS = ["HUGE", "TINY", "ADDED"]
_BUILT: dict[object, Mapping[Key, Mapping[str, str]]] = {}


def edited(group: FeatureGroup, feature: str, edit: Callable[[pl.Expr], pl.Expr]) -> FeatureGroup:
    """The group with another expression for one feature."""
    return replace(
        group,
        features=tuple(
            replace(f, expression=edit(f.expression)) if f.name == feature and f.expression is not None else f
            for f in group.features
        ),
    )


def for_added(expression: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("symbol") == "ADDED").then(expression * 1.5).otherwise(expression)


CodeEdit = tuple[str, str, Callable[[pl.Expr], pl.Expr], bool]
"""Group, feature, edit, and whether the probe market sees it: a special case for a symbol that it lacks it does not."""
EDITS: Mapping[str, CodeEdit] = {
    "another volume ratio": ("volume_features", "volume_ratio", lambda e: e * 1.01, True),
    "another signal": ("trading_signals", "signal_strength", lambda e: e + 1, True),
    "a return of one symbol": ("price_features", "return_20d", for_added, False),
    "an RSI of one symbol": ("price_features", "rsi_14", for_added, False),
    "the same, written otherwise": ("price_features", "ma_20", lambda e: e + 0, False),
    "another algebra": ("volume_features", "volume_ma_20", lambda e: e / 3 * 3, False),
}
OTHER_EDITS: Mapping[str, CodeEdit] = {
    "another momentum": ("momentum", "rise", lambda e: e * 1.01, True),
    "a range of one symbol": ("momentum", "mean_range", for_added, False),
    "another entry": ("entries", "above", lambda e: e + 1, True),
    "the same momentum, written otherwise": ("momentum", "mean_range", lambda e: e + 0, False),
    "another algebra of momentum": ("momentum", "mean_range", lambda e: e / 3 * 3, False),
}


WEEKLY_EDITS: Mapping[str, CodeEdit] = {
    "another swing": ("swings", "swing", lambda e: e * 1.01, True),
    "a swing of one symbol": ("swings", "swing", for_added, False),
    "the same swing, written otherwise": ("swings", "swing", lambda e: e + 0, False),
    "another entry of weeks": ("entries_of_weeks", "above", lambda e: e + 1, True),
}


class Histories(RuleBasedStateMachine):
    """A lake, what happens to its market, its code and its processes, and the law."""

    catalog: ClassVar[Catalog] = shipped
    code: ClassVar[Mapping[str, CodeEdit]] = EDITS

    @initialize(day=st.integers(25, 38), without=st.sampled_from(["nobody", "TINY"]))
    def begin(self, day: int, without: str) -> None:
        self.clock, self.factors, self.held_back, self.late = (
            START + day * DAY,
            dict[tuple[str, datetime], float](),
            set[datetime](),
            dict[str, int](),
        )
        self.listed, self.edits = {"HUGE", "TINY"} - {without}, dict[str, int]()
        self.lake = MemoryLake(MARKET, self.catalog)
        self._fetch()
        self._describe()
        self.lake.build()

    @rule(hours=st.sampled_from([1, 5, 24, 24, 72, 200]), minutes=st.sampled_from([0, 1, 59]))
    def append(self, hours: int, minutes: int) -> None:
        self.clock = min(self.clock + hours * HOUR, START + DAYS * DAY) + minutes * MINUTE
        self._fetch()

    @rule(hours=st.sampled_from([1, 2, 24]))
    def wait(self, hours: int) -> None:
        """Time goes by, and no candle comes."""
        self.lake.clock = self.clock = self.clock + hours * HOUR

    @rule(symbol=st.sampled_from(SYMBOLS), hours=st.sampled_from([0, 4, 30]))
    def halt(self, symbol: str, hours: int) -> None:
        """The newest candles of a symbol do not come, or come after all."""
        self.late[symbol] = hours
        self._fetch()

    @rule(
        day=st.sampled_from([5, 20, 30, 31, 36]),
        hour=st.sampled_from([0, 12, 23]),
        symbol=st.sampled_from(SYMBOLS),
        up=st.booleans(),
    )
    def correct(self, day: int, hour: int, symbol: str, *, up: bool) -> None:
        self.factors[symbol, START + day * DAY + hour * HOUR] = 1.02 if up else 0.97
        self._fetch()

    @rule(day=st.integers(25, DAYS), hour=st.sampled_from([0, 5, 22, 23]))
    def hold_back(self, day: int, hour: int) -> None:
        """Candles that are not stored yet do not come with the others, or come after all."""
        self.held_back ^= {START + day * DAY + hour * HOUR}
        self._fetch()

    @rule(symbol=st.sampled_from(["ADDED", "TINY"]))
    def list_or_remove(self, symbol: str) -> None:
        """A symbol is fetched from now on, or no more: what is stored of it stays."""
        self.listed ^= {symbol}
        self._fetch()

    @rule(number=st.integers(0, len(EDITS) - 1))
    def edit_some(self, number: int) -> None:
        self.edit([*self.code][number % len(self.code)])

    def edit(self, name: str) -> None:
        self.edits[name] = self.edits.get(name, 0) + 1
        self._describe()

    @rule()
    def tick(self) -> None:
        """What a schedule does: the newest month of every table."""
        month = self.lake.months[-1]
        self._materialize((node.name, month) for node in self.lake.graph)

    @rule(table=st.integers(0, 6), month=st.integers(0, 1))
    def materialize_one(self, table: int, month: int) -> None:
        months, nodes = self.lake.months, self.lake.graph
        self._materialize([(nodes[table % len(nodes)].name, months[month % len(months)])])

    @precondition(lambda self: self.lake.frames)
    @rule(number=st.integers(0, 50))
    def delete(self, number: int) -> None:
        asset, month = sorted(self.lake.frames)[number % len(self.lake.frames)]
        del self.lake.frames[asset, month], self.lake.notes[asset][month]

    @precondition(lambda self: self.lake.frames)
    @rule(number=st.integers(0, 9))
    def delete_table(self, number: int) -> None:
        names = sorted({asset for asset, _ in self.lake.frames})
        for key in [key for key in self.lake.frames if key[0] == names[number % len(names)]]:
            del self.lake.frames[key], self.lake.notes[key[0]][key[1]]

    @rule(steps=st.integers(0, 9))
    def run_the_plan_and_be_killed(self, steps: int) -> None:
        self._materialize(_in_order(self.lake, self.lake.whole_plan(exact=True).stale)[:steps])

    @rule()
    def law(self) -> None:
        lake, truth = self.lake.copy(), self._truth()
        plan = lake.whole_plan(exact=True)
        assert {(item.asset, item.partition) for item in plan.stale} == _differ(lake.digests(), truth)
        listed, exact = lake.stale(), {(i.asset, i.partition) for i in plan.stale} - _bits(plan.stale)
        assert {(i.asset, i.partition) for i in listed} >= exact - _unconfirmed(lake, listed)
        for key in _in_order(lake, plan.stale):
            lake.build([key])
        lake.renote(plan.settled)
        assert _differ(lake.digests(), truth) == set()
        again = lake.whole_plan(exact=True)
        assert (again.stale, again.settled, lake.stale()) == ((), (), ())

    def teardown(self) -> None:
        if hasattr(self, "lake"):
            self.law()

    def _materialize(self, keys: Iterable[Key]) -> None:
        """Partition after partition; a run ends at one that lacks an input."""
        with suppress(InputError):
            for key in keys:
                self.lake.build([key])

    def _market(self) -> pl.DataFrame:
        candles = pl.concat([MARKET, ADDED]).filter(
            pl.col("symbol").is_in(list(self.listed)), self.clock >= OPEN + HOUR, ~OPEN.is_in(list(self.held_back))
        )
        for symbol, hours in self.late.items():
            candles = candles.filter((pl.col("symbol") != symbol) | (OPEN + hours * HOUR < self.clock - HOUR))
        for (symbol, time), factor in self.factors.items():
            this = (pl.col("symbol") == symbol) & (time == OPEN)
            prices = pl.col("open", "high", "low", "close")
            candles = candles.with_columns(pl.when(this).then(prices * factor).otherwise(prices))
        return candles.sort("symbol", "open_time")

    def _fetch(self) -> None:
        """New and changed candles are appended to what is stored."""
        added = merge(self.lake.raw, self._market(), self.clock)
        raw = added.append_to(self.lake.raw)
        if raw is not None:
            self.lake.raw = raw.sort("symbol", "open_time", "known_at")
            self.lake.candles = current(self.lake.raw).drop("known_at")
        self.lake.clock = self.clock

    def _describe(self) -> None:
        """The lake's code: groups, behaviour and definitions after the edits."""
        replaced = dict[str, FeatureGroup]()
        seen = {name: dict(columns) for name, columns in behaviour(self.catalog).items()}
        defined = {name: dict.fromkeys(columns, "as shipped") for name, columns in seen.items()}
        for name, times in self.edits.items():
            group, feature, edit, visible = self.code[name]
            if times % 2:
                replaced[group] = edited(replaced.get(group, self.catalog.groups[group]), feature, edit)
                defined[group][feature] += f", {name}"
                if visible:
                    seen[group][feature] += f", {name}"
        self.lake.replaced, self.lake.versions, self.lake.definitions = replaced, seen, defined

    def _truth(self) -> Mapping[Key, Mapping[str, str]]:
        """What a full build gives, remembered by all that it depends on."""
        assert self.lake.raw is not None
        facts = {key: frame["version"][0] for key, frame in self.lake.frames.items() if "version" in frame.columns}
        noted = {key: self.lake.notes[key[0]][key[1]]["fingerprints"] for key in facts}
        key = (
            self.clock,
            str(column_digests(self.lake.raw)),
            str(self.lake.raw["known_at"].hash().sum()),
            str(self.lake.definitions),
            str(sorted(facts.items())),
            str(noted),
        )
        if key not in _BUILT:
            _BUILT[key] = self.lake.full_build().digests()
        return _BUILT[key]


def _in_order(lake: MemoryLake, stale: tuple[Stale, ...]) -> list[Key]:
    """The partitions in the order in which `plan --run` materializes them."""
    names = [node.name for node in lake.graph]
    return [
        (asset, month)
        for first, last, assets in (ranges(stale) if stale else ())
        for asset in sorted(assets, key=names.index)
        for month in lake.months
        if first <= month <= last
    ]


def _differ(one: Mapping[Key, Mapping[str, str]], other: Mapping[Key, Mapping[str, str]]) -> set[Key]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def _bits(stale: tuple[Stale, ...]) -> set[Key]:
    return {(item.asset, item.partition) for item in stale if item.reason is Reason.LAST_BITS}


def _unconfirmed(lake: MemoryLake, listed: tuple[Stale, ...]) -> set[Key]:
    """What reads a partition whose values are to be confirmed: until then nobody knows whether it changes."""
    unsure = {(i.asset, i.partition) for i in listed if i.reason is Reason.DEFINITION_CHANGED}
    for node in lake.graph:
        for month in lake.months:
            if any(read.table == table and read.covers(month, m) for read in node.inputs for table, m in unsure):
                unsure.add((node.name, month))
    return unsure


Step = tuple[str, Mapping[str, object]]
ADD: Step = "list_or_remove", {"symbol": "ADDED"}
RUN: Step = "run_the_plan_and_be_killed", {"steps": 100}
CORRECT: Step = "correct", {"day": 20, "hour": 12, "symbol": "HUGE", "up": True}
CORRECT_AN_OPEN: Step = "correct", {"day": 30, "hour": 0, "symbol": "TINY", "up": False}
DAYS_OF_JANUARY: Step = "materialize_one", {"table": 0, "month": 0}
TICK: Step = "tick", {}
LATE: Mapping[str, Sequence[Step]] = {
    "a correction, and a run that is killed": [CORRECT, ("run_the_plan_and_be_killed", {"steps": 1})],
    "days made by hand, and a correction that prices do not read": [CORRECT, DAYS_OF_JANUARY, CORRECT_AN_OPEN],
    "a symbol, downtime and a tick": [ADD, ("append", {"hours": 200, "minutes": 0}), TICK],
    "a late hour, and its day": [("hold_back", {"day": 36, "hour": 22}), ("append", {"hours": 24, "minutes": 1}), TICK],
    "prices and models deleted": [("delete_table", {"number": 1}), ("delete_table", {"number": 1})],
    "a training set made while a table is missing": [
        ("delete_table", {"number": 6}),
        ("materialize_one", {"table": 6, "month": 0}),
    ],
    "a deleted month under a correction": [CORRECT, ("delete", {"number": 0})],
    "a training set by hand while a view is lost": [
        *[("delete", {"number": number}) for number in (2, 2, 2, 2)],
        ("materialize_one", {"table": -1, "month": 0}),
    ],
}
"""Histories that tell a wrong plan from a right one, each in a few steps."""


class OtherHistories(Histories):
    """Those of a catalog that is not ours."""

    catalog = other
    code = OTHER_EDITS


class WeeklyHistories(Histories):
    """Those of a catalog with weeks, of which one opens in January and closes in February."""

    catalog = weekly
    code = WEEKLY_EDITS


CROSS_EDITS: Mapping[str, CodeEdit] = {
    "another rank": ("strength", "rank_rise", lambda e: e * 1.01, True),
    "a beta of one symbol": ("against", "beta", for_added, False),
}


class CrossHistories(Histories):
    """Those of a catalog whose rows depend on other symbols."""

    catalog = cross
    code = CROSS_EDITS


MIXED_EDITS: Mapping[str, CodeEdit] = {
    "another excess": ("standing", "excess", lambda e: e * 1.01, True),
    "a correlation of one symbol": ("against", "correlation", for_added, False),
}


class MixedHistories(Histories):
    """Those of a catalog that mixes a cross-section, a universe, a leader, several bars, settlements and a model."""

    catalog = mixed
    code = MIXED_EDITS


COSTLY = frozenset({MixedHistories})
"""Histories of which a step takes seconds."""
TELLING = (
    "a correction, and a run that is killed",
    "a symbol, downtime and a tick",
    "a late hour, and its day",
    "prices and models deleted",
)
"""Those of `LATE` that costly ones play."""


def short(kind: type[Histories]) -> Mapping[str, Sequence[Step]]:
    """`LATE`, and each edit of the code after a symbol was added."""
    late = {name: LATE[name] for name in (TELLING if kind in COSTLY else LATE)}
    return {**{name: [ADD, RUN, ("edit", {"name": name})] for name in kind.code}, **late}


@pytest.mark.proof
@pytest.mark.parametrize(
    ("kind", "each"),
    [(Histories, 1), (OtherHistories, 3), (WeeklyHistories, 3), (CrossHistories, 3), (MixedHistories, 3)],
    ids=["shipped", "another catalog", "weeks", "across symbols", "all mixed"],
)
def test_the_plan_of_a_short_history_equals_what_a_full_build_changes(
    kind: type[Histories], each: int, count: Callable[..., int]
) -> None:
    for name, steps in [*short(kind).items()][:: count(ci=each, proof=1)]:
        print(name)
        history = kind()
        history.begin(36, "nobody")
        for step, arguments in steps:
            getattr(history, step)(**arguments)
            history.law()


Cell = tuple[str, datetime]
"""A symbol and the time of one of its rows."""


def changed(before: pl.DataFrame, after: pl.DataFrame, column: str) -> set[Cell]:
    """The rows of which a column was changed to any other bit."""
    keys = ["symbol", "event_timestamp"]
    both = before.select(*keys, was=column).join(after.select(*keys, now=column), on=keys, how="full", coalesce=True)
    return {*both.filter(pl.col("was").ne_missing(pl.col("now"))).select(keys).iter_rows()}


@pytest.mark.parametrize(("symbol", "reached"), [("HUGE", {"TINY", "ADDED"}), ("TINY", {"TINY"})])
def test_a_correction_reaches_whoever_joins_its_symbol_and_every_rank_of_its_bars(
    symbol: str, reached: set[str]
) -> None:
    history = MixedHistories()
    history.begin(36, "nobody")
    history.list_or_remove("ADDED")
    history.run_the_plan_and_be_killed(100)
    before = history.lake.copy()
    history.correct(20, 23, symbol, up=True)  # the last hour of a block and of a day.
    history.run_the_plan_and_be_killed(100)

    def cells(table: str, column: str) -> set[Cell]:
        was, now = (pl.concat([lake.frames[table, month] for month in lake.months]) for lake in (before, history.lake))
        return changed(was, now, column)

    moved = cells("momentum", "rise")
    assert {name for name, _ in moved} == {symbol}
    assert {name for name, _ in cells("against", "beta")} == reached
    there = {
        *history.lake.frames["standing", "2024-01"].drop_nulls("excess").select("symbol", "event_timestamp").iter_rows()
    }
    times = {time for _, time in moved}
    assert cells("standing", "excess") == {(name, time) for name, time in there if time in times}
    assert times


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("kind", "few", "many"),
    [
        (Histories, 10, 500),
        (OtherHistories, 4, 200),
        (WeeklyHistories, 4, 200),
        (CrossHistories, 3, 200),
        (MixedHistories, 1, 50),
    ],
)
def test_the_plan_equals_what_a_full_build_changes(
    kind: type[Histories], few: int, many: int, count: Callable[..., int]
) -> None:
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=count(ci=few, proof=many),
            stateful_step_count=10,
            deadline=None,
            database=None,
            derandomize=count(ci=1, proof=0) == 1,
            report_multiple_bugs=False,
        ),
    )
