"""What came live reaches the lake by the next batch: every version once, known when it was known."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
from upath import UPath

from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.journalled import merge_journal
from crypto_features.lake.candles import current
from crypto_features.lake.journal import FOLDER, Entry, Journal
from crypto_features.lake.table import Table
from tests.market.market import HOUR, LATER, START, Offer, candles

SECOND = timedelta(seconds=1)
SOURCE = Offer(candles("BTC", "ETH", count=40))


def table(root: Path) -> Table:
    return Table(UPath(root), "candles", "open_time", raw=True, by_symbol=True)


def entries(rows: pl.DataFrame, late: timedelta = SECOND) -> list[Entry]:
    """The rows as entries that were known so long after they closed."""
    prices = ("open", "high", "low", "close", "volume")
    return [
        Entry(r["symbol"], r["open_time"], r["open_time"] + HOUR + late, "flag", {name: r[name] for name in prices})
        for r in rows.iter_rows(named=True)
    ]


def journalled(root: Path, told: Sequence[Entry]) -> None:
    journal = Journal(root / FOLDER)
    for entry in told:
        journal.append([entry])
    journal.close()


def fetched(root: Path, rows: pl.DataFrame) -> None:
    ingest(
        Offer(rows),
        table(root),
        Table(UPath(root), "quarantine", "open_time", raw=True),
        ["2024-01"],
        ["BTC", "ETH"],
        interval=HOUR,
        now=LATER,
    )


def test_the_lake_gains_what_came_live_with_the_time_at_which_it_was_known(tmp_path: Path) -> None:
    offered = SOURCE.frame
    fetched(tmp_path, offered.filter(pl.col("open_time") < START + 30 * HOUR))
    told = offered.filter(pl.col("open_time") >= START + 30 * HOUR)
    journalled(tmp_path, entries(told))
    assert merge_journal(SOURCE, table(tmp_path), interval=HOUR) == 20
    stored = table(tmp_path).read()
    assert stored.drop("known_at").equals(offered)
    live = stored.filter(pl.col("open_time") >= START + 30 * HOUR)
    assert (live["known_at"] - live["open_time"]).unique().to_list() == [HOUR + SECOND]
    digest = table(tmp_path).digest("2024-01")
    assert merge_journal(SOURCE, table(tmp_path), interval=HOUR) == 0
    (tmp_path / FOLDER / "merged.json").unlink()
    assert merge_journal(SOURCE, table(tmp_path), interval=HOUR) == 0
    fetched(tmp_path, offered)
    assert table(tmp_path).digest("2024-01") == digest


def test_a_correction_that_came_live_is_a_version_of_its_own(tmp_path: Path) -> None:
    rows = SOURCE.frame.filter(symbol="BTC")
    wrong = rows.with_columns(volume=pl.col("volume") + 1)
    journalled(tmp_path, [*entries(wrong), *entries(rows.head(3), 5 * SECOND)])
    assert merge_journal(SOURCE, table(tmp_path), interval=HOUR) == rows.height + 3
    stored = table(tmp_path).read()
    assert current(stored).drop("known_at").equals(pl.concat([rows.head(3), wrong.tail(37)]))


def test_what_the_batch_knew_later_is_not_undone_by_the_journal(tmp_path: Path) -> None:
    rows = SOURCE.frame.filter(symbol="BTC")
    fetched(tmp_path, rows)
    journalled(tmp_path, entries(rows.with_columns(volume=pl.col("volume") + 1)))
    assert merge_journal(SOURCE, table(tmp_path), interval=HOUR) == 0
    assert current(table(tmp_path).read()).drop("known_at").equals(rows)


def test_a_folder_without_a_journal_stays_as_it_is(tmp_path: Path) -> None:
    assert merge_journal(SOURCE, table(tmp_path), interval=HOUR) == 0
    assert [*tmp_path.iterdir()] == []


def test_a_journal_is_not_mixed_with_the_candles_of_another_venue(tmp_path: Path) -> None:
    fetched(tmp_path, SOURCE.frame.head(10))
    journalled(tmp_path, entries(SOURCE.frame.tail(5)))
    digest = table(tmp_path).digest("2024-01")
    assert merge_journal(Offer(SOURCE.frame, venue="elsewhere"), table(tmp_path), interval=HOUR) == 0
    assert table(tmp_path).digest("2024-01") == digest
    assert merge_journal(SOURCE, table(tmp_path), interval=HOUR) == 5
