"""What was seen after a time was not known before it, when a build of that time is repeated."""

from dataclasses import replace
from datetime import datetime

import polars as pl

from crypto_features.known.history import FittedVersion, History
from crypto_features.store.offline.join import FeatureTable
from crypto_features.store.offline.known import Knowledge, join_as_known
from crypto_features.tables.months import month_span
from crypto_features.versions.probe_market import START, probe_market
from tests.features.markets import DAY, HOUR
from tests.features.memory_lake import MemoryLake
from tests.features.other_catalog import catalog as other

BEFORE, UNTIL, AFTER = START + 80 * DAY, START + 90 * DAY, START + 100 * DAY


def scores_of(past: History, lake: MemoryLake, at: datetime) -> list[float | None]:
    """The score of each row of one time, as of that time."""
    frame = pl.concat(rows for (asset, _), rows in lake.frames.items() if asset == "scores")
    table = FeatureTable(frame, {"symbol": "symbol"}, "event_timestamp", None, {"score": "score"}, DAY)
    rows = pl.DataFrame({"symbol": sorted(past.symbols), "event_timestamp": at})
    return join_as_known(rows, "event_timestamp", [("scores", table)], Knowledge(past))["score"].to_list()


def test_a_model_that_was_first_published_later_was_not_there_and_one_that_replaced_another_neither() -> None:
    lake = MemoryLake(probe_market().filter(pl.col("open_time") < START + 70 * DAY), other)
    lake.build()
    past, (month, *_) = lake.past(), [m for m in lake.months if m == "2024-02"]
    at, (published,) = month_span(month)[0] + 9 * DAY, lake.past().models["rises"][month]
    now = scores_of(past, lake, at)
    assert None not in now

    def with_models(*fitted: FittedVersion) -> History:
        models = {"rises": {**past.models["rises"], month: fitted}}
        return replace(past, models=models, until=UNTIL)

    first = replace(published, published_at=BEFORE)
    assert scores_of(with_models(first), lake, at) == now
    assert scores_of(with_models(replace(first, published_at=AFTER)), lake, at) == [None] * len(now)
    (older,) = lake.past().models["rises"]["2024-01"]
    replaced = with_models(replace(older, published_at=BEFORE), replace(first, published_at=AFTER))
    parameters = pl.DataFrame({"a": [older.parameters], "b": [published.parameters]})
    assert parameters["a"][0] != parameters["b"][0]
    found = scores_of(replaced, lake, at)
    assert None not in found
    assert found != now


def test_a_version_that_was_seen_later_counts_from_then_and_moves_no_other() -> None:
    opened = [START + n * HOUR for n in range(4)]
    live = [opened[0] + HOUR, opened[3] + 2 * HOUR, opened[3] + 2 * HOUR]  # two came late, in one fetch.
    frame = pl.DataFrame({"symbol": "AAA", "open_time": [opened[0], *opened[2:]], "known_at": live})
    backfilled = pl.DataFrame(
        {"symbol": ["AAA"] * 2, "open_time": [START - 5 * HOUR, opened[1]], "known_at": [AFTER] * 2}
    )
    times = pl.col("open_time", "known_at").cast(pl.Datetime("us", "UTC"))

    def known(*parts: pl.DataFrame, until: datetime | None) -> dict[datetime, datetime]:
        rows = pl.concat(parts).with_columns(times).sort("symbol", "open_time", "known_at")

        def versions(months: object, columns: object, symbols: object) -> pl.DataFrame:
            assert months, (columns, symbols)
            return rows.filter(pl.col("open_time").dt.strftime("%Y-%m").is_in(list(months)))  # type: ignore[call-overload] # months.

        raws = {"trades": (versions, {"AAA": live[0]})}
        past = History(lambda *_: pl.DataFrame(), raws, {}, other, HOUR, HOUR, until=until)
        months = [past.known("trades", month, [], ["AAA"]) for month in ("2023-12", "2024-01")]
        return dict(pl.concat(months).select("open_time", "known").iter_rows())

    then = known(frame, until=None)
    assert known(frame, backfilled, until=UNTIL) == {**then, START - 5 * HOUR: AFTER, opened[1]: AFTER}
    bulk = known(frame, backfilled, until=None)
    assert bulk[START - 5 * HOUR] == START - 4 * HOUR, "a backfill counts as known at its close without `until`"
