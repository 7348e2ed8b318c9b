"""The Polars store gives what Feast's DuckDB store gives, on generated tables."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import polars as pl
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.store import factory

CASES = 50
"""Cases that one query answers at once, each with symbols of its own; to DuckDB a query costs more than a row."""

HOURS = st.integers(-3, 12)
SYMBOLS = st.sampled_from(["BTC", "ETH", "XRP"])
PRICES = st.one_of(st.none(), st.floats(-10, 10), st.just(float("inf")))
COUNTS = st.one_of(st.none(), st.integers(-5, 5))
TTLS = [timedelta(hours=h) for h in (0, 1, 3, 24)]
ZONES = [UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-5)), None]


class Row(NamedTuple):
    """A row of a table."""

    symbol: str
    event: int
    created: int | None
    value: float | None


class Entity(NamedTuple):
    """A row of the entity frame."""

    symbol: str
    hour: int


class Case(NamedTuple):
    """Two small tables and what is asked of them."""

    left: list[Row]
    right: list[Row]
    entities: list[Entity]


def rows(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    """Rows of a table; equal (symbol, event, created) would leave the answer open, so each of these is unique."""
    row = st.builds(Row, SYMBOLS, HOURS, st.one_of(st.none(), HOURS), values)
    return st.lists(row, max_size=8, unique_by=lambda row: row[:3])


CASE = st.builds(
    Case,
    rows(PRICES),
    rows(COUNTS),
    st.lists(st.builds(Entity, st.sampled_from(["BTC", "ETH", "XRP", "NONE"]), HOURS), min_size=1, max_size=6),
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, FeatureStore, FeatureStore]]:
    """For some pairs of TTLs, two Feast stores, ours and DuckDB's, over the same files."""
    made = []
    for ttls in zip(TTLS, [*TTLS[1:], TTLS[0]], strict=True):
        folder = tmp_path_factory.mktemp("pair")
        views = [
            factory.view(folder, "left", {"price": pl.Float64}, ttl=ttls[0], path=f"{folder}/left/2024-01.parquet"),
            factory.view(folder, "right", {"count": pl.Int64}, ttl=ttls[1], path=f"{folder}/right/2024-01.parquet"),
        ]
        ours = factory.store(folder, views)
        made.append((folder, ours, FeatureStore(config=factory.config(folder, offline="duckdb"))))
    return made


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis calls it in DuckDB.
def test_every_generated_join_equals_that_of_feasts_duckdb_store(
    pairs: Sequence[tuple[Path, FeatureStore, FeatureStore]], count: Callable[..., int]
) -> None:
    compared = 0

    @seed(20240101)
    @settings(
        max_examples=count(ci=600, proof=6000) // CASES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # shrinking would take minutes of DuckDB.
    )
    @given(
        cases=st.lists(CASE, min_size=CASES, max_size=CASES),
        pair=st.sampled_from(pairs),
        zone=st.sampled_from(ZONES),
        full_names=st.booleans(),
        as_known_then=st.booleans(),
    )
    def compare(
        cases: list[Case],
        pair: tuple[Path, FeatureStore, FeatureStore],
        zone: timezone | None,
        full_names: bool,  # noqa: FBT001 - Hypothesis passes by name.
        as_known_then: bool,  # noqa: FBT001 - as above.
    ) -> None:
        nonlocal compared
        folder, ours, theirs = pair
        factory.table(folder, "left", table([case.left for case in cases], "price", pl.Float64))
        factory.table(folder, "right", table([case.right for case in cases], "count", pl.Int64))
        frame = entity_df([case.entities for case in cases], zone)
        asked: dict[str, Any] = {
            "features": ["left:price", "right:count"],
            "full_feature_names": full_names,
            "filter_by_created_timestamp": as_known_then,
        }
        got = ours.get_historical_features(frame.copy(), **asked).to_df()
        expected = theirs.get_historical_features(frame.copy(), **asked).to_df()
        assert got["row"].tolist() == frame["row"].tolist(), "the order of the entity frame is kept"
        # DuckDB promises no order.
        expected = expected.sort_values("row").reset_index(drop=True)
        pd.testing.assert_frame_equal(got, expected, check_exact=True, check_dtype=False)
        compared += len(cases)

    compare()
    assert compared >= 500


def table(cases: Sequence[Sequence[Row]], feature: str, dtype: type[pl.DataType]) -> pl.DataFrame:
    found = [(f"{row.symbol}-{number}", row) for number, rows in enumerate(cases) for row in rows]
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol, _ in found],
            "event_timestamp": [factory.hour(row.event) for _, row in found],
            "created_timestamp": [None if row.created is None else factory.hour(row.created) for _, row in found],
            feature: [row.value for _, row in found],
        },
        schema={
            "symbol": pl.String,
            "event_timestamp": pl.Datetime("us", "UTC"),
            "created_timestamp": pl.Datetime("us", "UTC"),
            feature: dtype,
        },
    )


def entity_df(cases: Sequence[Sequence[Entity]], zone: timezone | None) -> pd.DataFrame:
    asked = [(f"{entity.symbol}-{number}", entity) for number, entities in enumerate(cases) for entity in entities]
    times: list[datetime] = [factory.hour(entity.hour) for _, entity in asked]
    return pd.DataFrame(
        {
            "symbol": [symbol for symbol, _ in asked],
            "event_timestamp": [t.astimezone(zone) if zone else t.replace(tzinfo=None) for t in times],
            "row": range(len(asked)),
        }
    )
