"""What was known at a time equals, to the bit, a build that was made then from what was known then."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest

from crypto_features.known.history import History
from crypto_features.shipped import catalog as shipped
from crypto_features.store.offline.join import FeatureTable
from crypto_features.store.offline.known import Knowledge, join_as_known
from crypto_features.tables.catalog import Catalog
from crypto_features.versions.probe_market import START, probe_market
from tests.features.cross_catalog import catalog as cross
from tests.features.markets import DAY, HOUR, TIME
from tests.features.other_catalog import catalog as other
from tests.features.replay import (
    DAYS,
    END,
    SYMBOLS,
    Replay,
    Version,
    history_of,
    market_with_a_past,
    models_with_a_past,
)
from tests.features.weekly_catalog import catalog as weekly

WANTED = {
    "price_features": ["rsi_14", "ma_60", "volatility_20d"],
    "volume_features": ["volume_ratio"],
    "regime_features": ["regime_label", "regime_probability", "regime_duration"],
    "trading_signals": ["target_price", "can_buy", "should_sell", "signal_strength"],
}
OTHER_WANTED = {
    "momentum": ["rise", "steadiness"],
    "scores": ["score", "unusual"],
    "entries": ["above", "steady", "calm"],
}
WEEKLY_WANTED = {
    "swings": ["swing", "against_blocks"],
    "entries_of_weeks": ["above"],
    "scores": ["score"],
}
CROSS_WANTED = {
    "against": ["beta", "ratio", "before"],
    "strength": ["rank_rise", "z_beta", "share_traded", "rising", "unusual"],
    "followers": ["strong", "held"],
}
Wanted = Mapping[str, Sequence[str]]
KEYS = {"symbol": "symbol"}
QUARTER = HOUR / 4


def features(wanted: Wanted) -> list[str]:
    return [name for names in wanted.values() for name in names]


def joined(
    now: Replay, history: History, rows: pl.DataFrame, as_of: datetime | None, wanted: Wanted = WANTED
) -> pl.DataFrame:
    ttl = {view: now.catalog.groups[view].time_to_live(HOUR) for view in wanted}
    tables = [
        (view, FeatureTable(now.tables[view], KEYS, "event_timestamp", None, {n: n for n in names}, ttl[view]))
        for view, names in wanted.items()
    ]
    return join_as_known(rows, "event_timestamp", tables, Knowledge(history, as_of)).select(features(wanted))


def replayed(then: Replay, rows: pl.DataFrame, wanted: Wanted = WANTED) -> pl.DataFrame:
    return pl.concat([then.joined(rows, view, names) for view, names in wanted.items()], how="horizontal")


def entity_rows(draw: random.Random) -> pl.DataFrame:
    times = [START + draw.randrange(DAYS * 24 * 4) * QUARTER for _ in range(40)]
    times += [START + draw.randrange(DAYS) * DAY for _ in range(40)]
    times += [START + draw.randrange(DAYS * 6) * 4 * HOUR for _ in range(40)]
    rows = [(draw.choice(SYMBOLS), time) for time in times]
    schema = pl.Schema({"symbol": pl.String(), "event_timestamp": TIME})
    return pl.DataFrame(rows, schema, orient="row").with_row_index("row")


@pytest.mark.proof
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("catalog", "wanted"),
    [(shipped, WANTED), (other, OTHER_WANTED), (weekly, WEEKLY_WANTED), (cross, CROSS_WANTED)],
    ids=["shipped", "another catalog", "weeks", "across symbols"],
)
def test_features_as_known_equal_a_build_that_was_made_then(
    catalog: Catalog, wanted: Wanted, count: Callable[..., int]
) -> None:
    differ = 0
    for seed in range(count(ci=1, proof=100)):
        draw = random.Random(seed)
        versions = market_with_a_past(draw)
        models = models_with_a_past(draw, versions, catalog)
        now = Replay.at(versions, models, END + 200 * DAY, catalog)
        history, rows = history_of(versions, models, now), entity_rows(draw)
        for at in [START + draw.randrange(DAYS * 24 * 4) * QUARTER for _ in range(3)]:
            expected = replayed(Replay.at(versions, models, at, catalog), rows, wanted)
            assert joined(now, history, rows, at, wanted).equals(expected), f"seed {seed}, as of {at}"
        own = joined(now, history, rows, None, wanted)
        for (time,), mine in list(rows.group_by("event_timestamp", maintain_order=True))[::5]:
            assert isinstance(time, datetime)
            expected = replayed(Replay.at(versions, models, time, catalog), mine, wanted)
            assert own[mine["row"].to_list()].equals(expected), f"seed {seed}, row of {time}"
        differ += (
            own.height - own.join(replayed(now, rows, wanted), on=features(wanted), how="semi", nulls_equal=True).height
        )
    assert differ, "no row was known otherwise than now: the histories prove nothing"


def test_a_model_that_was_replaced_is_in_force_until_then() -> None:
    draw = random.Random(1)
    candles = probe_market().filter(pl.col("symbol") == "HUGE", pl.col("open_time") < END).rows()
    versions = [Version("HUGE", opened, tuple(v), opened + HOUR, opened + HOUR) for _, opened, *v in candles]
    replaced = START + 93 * DAY  # in the first month before which there are rows to fit.
    first = models_with_a_past(draw, versions)
    second = models_with_a_past(draw, [v._replace(values=(*(x**1.5 for x in v.values[:4]), 1.0)) for v in versions])
    models = {m: [fitted[0], replace(second[m][0], published_at=replaced)] for m, fitted in first.items()}
    models = {m: [replace(one, published_at=START), other] for m, (one, other) in models.items()}
    now = Replay.at(versions, models, END)
    rows = pl.DataFrame({"symbol": "HUGE", "event_timestamp": [replaced - DAY, replaced]}).with_row_index("row")
    rows = rows.with_columns(pl.col("event_timestamp").cast(TIME))
    got = joined(now, history_of(versions, models, now), rows, None)["regime_probability"]
    old, new = replayed(Replay.at(versions, models, replaced - DAY), rows), replayed(now, rows)
    assert got[0] == old["regime_probability"][0] != new["regime_probability"][0]
    assert got[1] == new["regime_probability"][1]
