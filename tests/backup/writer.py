"""A process that goes on fetching, computing, publishing, switching and applying: `python -m tests.backup.writer`.

Round n writes the number n everywhere, in the order in which the platform does: candles, daily candles, features,
journal, online rows, switch, and then it applies.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import count

import polars as pl

from crypto_features.lake import journal
from crypto_features.lake.table import Table
from crypto_features.live.start import journal_folder
from crypto_features.settings import Settings
from crypto_features.store import FeastResource
from crypto_features.store.publish_view import publish_view
from crypto_features.store.switch import disable
from tests.backup.world import MONTHS, NOW, table

MONTH = MONTHS[-1]
COLUMNS = {"candles": "volume", "daily_candles": "volume", "price_features": "rsi_14"}
"""By table, in the order in which they are written, the column with the number."""


def write(one: Table, number: int) -> None:
    """Publish the last month again, as of the next microsecond."""

    def change(rows: pl.DataFrame | None) -> tuple[pl.DataFrame, Mapping[str, str]]:
        assert rows is not None
        named = rows.with_columns(pl.lit(float(number)).alias(COLUMNS[one.name]))
        if "created_timestamp" in rows.columns:
            time = pl.lit(NOW - timedelta(minutes=1) + timedelta(microseconds=number), pl.Datetime("us", "UTC"))
            named = named.with_columns(created_timestamp=time)
        return named, one.metadata(MONTH)

    one.update(MONTH, change)


def main() -> None:
    """Write rounds forever."""
    feast = FeastResource()
    folder = journal_folder(Settings.load())
    written, root = journal.Journal(folder), folder.parents[1]
    for number in count(1):
        for name in COLUMNS:
            write(table(root, name), number)
        written.append([journal.Entry("BTC", NOW, NOW, "flag", {"close": number})])
        publish_view("price_features", NOW - timedelta(days=1), NOW)
        disable("ETH", str(number))
        feast.apply()
        print(number, flush=True)


if __name__ == "__main__":
    main()
