"""What was known of another project's view: a row whose content became known later is left out."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from my_desk import catalog, momentum

from crypto_features.known.history import History
from crypto_features.known.past import missed
from crypto_features.store.offline.join import FeatureTable
from crypto_features.store.offline.known import Knowledge, join_as_known

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")
T = datetime(2024, 1, 10, tzinfo=UTC)
CORRECTED = T + 5 * DAY
"""When the row of the second day became known as it is now."""
ROWS = pl.DataFrame(
    {
        "symbol": ["BTC"] * 3,
        "event_timestamp": [T, T + DAY, T + 2 * DAY],
        "created_timestamp": [T, CORRECTED, T + 2 * DAY],
        "rsi_14": [1.0, 2.0, 3.0],
    },
    {"symbol": pl.String, "event_timestamp": TIME, "created_timestamp": TIME, "rsi_14": pl.Float64},
)


def history() -> History:
    empty = pl.DataFrame(schema={"symbol": pl.String, "open_time": TIME, "known_at": TIME})
    return History(lambda *_: ROWS, {catalog.raw.name: (lambda *_: empty, {})}, {}, catalog, HOUR, HOUR)


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [(None, [1.0, None, 3.0]), (T + DAY, [1.0, None, None]), (CORRECTED, [1.0, 2.0, 3.0])],
)
def test_a_borrowed_row_is_joined_once_its_content_was_known(
    as_of: datetime | None, expected: list[float | None]
) -> None:
    table = FeatureTable(ROWS, {"symbol": "symbol"}, "event_timestamp", "created_timestamp", {"rsi_14": "rsi_14"}, HOUR)
    rows = ROWS.select("symbol", "event_timestamp")
    found = join_as_known(rows, "event_timestamp", [("price_features", table)], Knowledge(history(), as_of))
    assert found["rsi_14"].to_list() == expected


def test_a_group_that_joins_a_borrowed_row_knows_when_that_became_known() -> None:
    found = missed(history(), [momentum], ["BTC"], T, T + 2 * DAY)
    assert found.select("symbol", "open_time", "known", "candle").unique().rows() == [
        ("BTC", T + DAY - timedelta.resolution, CORRECTED, False)
    ]
