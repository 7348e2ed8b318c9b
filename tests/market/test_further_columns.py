"""Quote volume, trades and taker-buy volume are kept where a source tells them, and cost nothing where none does."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table, stored
from crypto_features.shipped import catalog
from tests.market.market import HOUR, LATER, START, Offer, candles

FURTHER = ["quote_volume", "trades", "taker_buy_volume"]
PLAIN = candles("BTC", count=800)
TOLD = PLAIN.with_columns(
    quote_volume=pl.col("volume") * 2, trades=pl.col("close").cast(pl.Int64), taker_buy_volume=pl.lit(1.5)
)
MONTHS = ("2024-01", "2024-02")


class Lake:
    """The candles of the shipped catalog in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = UPath(root)
        self.candles, self.quarantine = (stored(self.root, catalog, name) for name in ("candles", "quarantine"))

    def take(
        self, frame: pl.DataFrame, now: timedelta = timedelta(0), months: tuple[str, ...] = MONTHS
    ) -> IngestReport:
        offer, names = Offer(frame), frame["symbol"].unique().to_list()
        return ingest(offer, self.candles, self.quarantine, months, names, interval=HOUR, now=LATER + now)

    def written(self, month: str) -> list[str]:
        return pl.read_parquet(Path(str(self.root)) / "candles" / f"{month}.parquet").columns

    def bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.root / "candles").glob("*.parquet")}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def test_what_a_source_tells_is_kept(lake: Lake) -> None:
    lake.take(TOLD)
    assert current(lake.candles.read()).drop("known_at").equals(TOLD)


def test_without_them_a_month_is_written_as_before_and_reads_as_null(lake: Lake, tmp_path: Path) -> None:
    lake.take(PLAIN)
    assert lake.written("2024-01") == [*PLAIN.columns, "known_at"]
    assert lake.candles.read().select(pl.col(FURTHER).null_count()).row(0) == (800, 800, 800)
    assert lake.candles.read().columns == [*TOLD.columns, "known_at"]
    plain = Table(UPath(tmp_path), "candles", "open_time", raw=True)
    assert plain.read().columns == [*PLAIN.columns, "known_at"]


def test_a_stored_month_is_not_written_again_for_them(lake: Lake) -> None:
    lake.take(PLAIN)
    before = lake.bytes()
    report = lake.take(TOLD, HOUR)
    assert (report.new, report.corrected.height, lake.bytes()) == (0, 0, before)


def test_what_is_new_has_them_beside_what_was_stored_without(lake: Lake) -> None:
    lake.take(PLAIN.head(100))
    lake.take(TOLD, HOUR)
    found = current(lake.candles.read()).drop("known_at")
    without = pl.when(pl.col("open_time") >= START + 100 * HOUR).then(pl.col(FURTHER))
    assert found.equals(TOLD.with_columns(without))


def test_a_source_that_tells_less_corrects_nothing(lake: Lake) -> None:
    lake.take(TOLD)
    before = lake.bytes()
    assert lake.take(PLAIN, HOUR).corrected.height == 0
    assert lake.bytes() == before


def test_another_value_is_a_correction_with_what_it_was(lake: Lake) -> None:
    lake.take(TOLD)
    third = pl.col("open_time") == START + 3 * HOUR
    other = TOLD.with_columns(trades=pl.when(third).then(7).otherwise("trades").cast(pl.Int64))
    corrected = lake.take(other, HOUR).corrected
    assert corrected.select("open_time", "trades", "trades_was").rows() == [(START + 3 * HOUR, 7, 103)]


def test_one_that_cannot_be_is_quarantined(lake: Lake) -> None:
    third = pl.col("open_time") == START + 3 * HOUR
    wrong = TOLD.with_columns(taker_buy_volume=pl.when(third).then(-1.0).otherwise("taker_buy_volume"))
    assert lake.take(wrong).rejected.select("open_time", "rule").rows() == [(START + 3 * HOUR, "taker_buy_volume|min")]
    assert lake.quarantine.read()["taker_buy_volume"].to_list() == [-1.0]
    assert lake.candles.read().height == 799
