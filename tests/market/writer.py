"""A process that keeps ingesting, round after round, until it is killed: `python -m tests.market.writer ROOT ROUND`."""

import random
import sys
from datetime import timedelta
from itertools import count
from pathlib import Path

import polars as pl
from upath import UPath

from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.table import Table
from tests.market.market import HOUR, LATER, START, Offer, candles

MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05")
SYMBOLS = ("BTC", "ETH")
_CORRECTIONS = 20


def offered(round_: int, *symbols: str) -> pl.DataFrame:
    """The candles of a round: one hour more each round, some corrected, one that breaks the contract."""
    frame = candles(*(symbols or SYMBOLS), start=START, count=2000 + round_)
    rng = random.Random(round_)
    corrected = [START + rng.randrange(2000) * HOUR for _ in range(_CORRECTIONS)]
    volume = pl.when(pl.col("open_time").is_in(corrected)).then(float(round_ + 100)).otherwise("volume")
    broken = pl.col("open_time") == START + rng.randrange(2000) * HOUR
    return frame.with_columns(volume=volume, high=pl.when(broken).then(0.5).otherwise("high"))


def tables(root: Path) -> tuple[Table, Table]:
    """The table of candles, and the quarantine."""
    return Table(UPath(root), "candles", "open_time", raw=True, by_symbol=True), Table(
        UPath(root), "quarantine", "open_time", raw=True
    )


def take(root: Path, frame: pl.DataFrame, round_: int) -> IngestReport:
    """Ingest the candles of a round, month by month, each round a minute later."""
    source = Offer(frame)
    source.rows_at_once = 1
    return ingest(source, *tables(root), MONTHS, source.symbols(), interval=HOUR, now=LATER + timedelta(minutes=round_))


if __name__ == "__main__":
    root, first, symbols = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[4:]
    for round_ in range(first, first + int(sys.argv[3])) if sys.argv[3] != "0" else count(first):
        print("started", round_, flush=True)
        take(root, offered(round_, *symbols), round_)
        print("finished", round_, flush=True)
