"""What the live process published beside what the batch computed: a true run passes, a planted value is named."""

import asyncio
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.graph.checks.finding import Finding
from crypto_features.graph.checks.live import LiveRowsCompared
from crypto_features.graph.lake import LakeResource
from crypto_features.lake import journal, live_rows
from crypto_features.lake.journal import Journal
from crypto_features.lake.live_rows import LiveRows
from crypto_features.lake.table import Table, stored
from crypto_features.live.compute import Following
from crypto_features.live.process import Edges, Live
from crypto_features.live.simulated import SimulatedExchange
from crypto_features.live.told import binance
from crypto_features.live.virtual_time import run
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.provenance import FINGERPRINTS
from tests.live.minutes import catalog
from tests.live.test_replay import END, SYMBOLS, before, candles, load, tables
from tests.live.walks import BEGIN, MINUTE, TERMS
from tests.market.market import HOUR

CODE = {"behaviour": "of this test"}
VERSION, MONTH = combined(CODE), "2024-01"
GROUPS = tuple(catalog.groups)


def table(root: Path, name: str) -> Table:
    return stored(UPath(root), catalog, name)


def published(root: Path, changed: Mapping[str, pl.DataFrame]) -> None:
    """What the batch computes, in the lake."""
    for name in GROUPS:
        rows = changed.get(name, tables()[name])
        rows = rows.with_columns(created_timestamp="event_timestamp")
        table(root, name).publish(MONTH, rows, {FINGERPRINTS: json.dumps(CODE)})


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder on which the live process ran, whose candles the batch then merged."""
    root = tmp_path_factory.mktemp("lived")
    exchange = SimulatedExchange(candles(), BEGIN, MINUTE, 3)
    kept, written = LiveRows(root / live_rows.FOLDER, BEGIN), Journal(root / journal.FOLDER)
    edges = Edges(
        transport=exchange,
        read=binance,
        symbols={symbol: symbol for symbol in SYMBOLS},
        rest=exchange.rest,
        append=written.append,
        publish=lambda view, rows, *_: kept.append(view, rows, exchange.now(), VERSION),
        now=exchange.now,
        note=lambda _: None,
    )

    async def followed() -> None:
        following = Following(catalog, SYMBOLS, TERMS, lambda name, months: before(load(name, months)))
        with suppress(TimeoutError):
            async with asyncio.timeout((END - BEGIN).total_seconds() + 120):
                await Live(edges, following, MINUTE, HOUR).run()

    run(followed())
    written.close()
    history = before(tables()["ticks"]).with_columns(known_at=pl.col("open_time") + MINUTE)
    told = journal.frame(entry for entry, _, _ in journal.read(root / journal.FOLDER))
    told = told.select(history.columns)
    table(root, "ticks").publish(MONTH, pl.concat([history, told]), {})
    published(root, {})
    return root


@pytest.fixture
def root(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, and the settings that belong to it."""
    monkeypatch.setenv("CRYPTO_FEATURES_CATALOG", "tests.live.minutes:catalog")
    monkeypatch.setenv("CRYPTO_FEATURES_INTERVAL", "1m")
    return Path(shutil.copytree(lived, tmp_path / "lived"))


def compared(root: Path, name: str) -> LiveRowsCompared:
    lake = LakeResource(root=str(root), interval_minutes=1)
    return LiveRowsCompared(lake, table(root, name), catalog.groups[name])


def found(root: Path, name: str) -> Finding:
    return compared(root, name).finding([MONTH])


@pytest.mark.parametrize("name", GROUPS)
def test_a_true_run_passes_with_every_row_compared(root: Path, name: str) -> None:
    finding = found(root, name)
    assert finding.passed, finding.text
    assert "0 are not computed by the batch yet, 0 are of other code, 0 differ." in finding.text
    assert int(finding.text.split(" ")[0]) > 3 * (END - BEGIN) / MINUTE / (5 if name == "blocks" else 1) / 2


def test_a_live_value_that_is_not_the_batchs_fails_and_is_named(root: Path) -> None:
    right = tables()["moves"].filter(symbol="B", event_timestamp=END)
    wrong = right.with_columns(pl.col("return_3") * (1 + 2**-52), created_timestamp="event_timestamp")
    LiveRows(root / live_rows.FOLDER, END).append("moves", wrong, END + HOUR, VERSION)
    finding = found(root, "moves")
    values = wrong["return_3"].item(), right["return_3"].item()
    assert not finding.passed
    assert (
        f"1 differ. The first: return_3 of B at {END:%Y-%m-%d %H:%M:%S} UTC is {values[0]!r} live and " in finding.text
    )
    assert finding.text.endswith(f"{values[1]!r} in the batch.")
    assert "differences" in finding.facts
    assert found(root, "ranks").passed


def test_a_candle_that_only_the_batch_knows_otherwise_is_a_correction(root: Path) -> None:
    ticks, at = table(root, "ticks"), END - 2 * MINUTE
    stored_rows = ticks.read([MONTH])
    fixed = stored_rows.filter(symbol="C", open_time=at).tail(1).with_columns(known_at=END + HOUR)
    fixed = fixed.with_columns(pl.col("close") * 0.999, low=pl.col("low") * 0.99)
    ticks.publish(MONTH, pl.concat([stored_rows, fixed.select(stored_rows.columns)]), {})
    close = pl.when(symbol="C", open_time=at).then(pl.col("close") * 0.999).otherwise("close").alias("close")
    again = tables()["ticks"].with_columns(close)
    published(root, {"moves": catalog.groups["moves"].whole({**tables(), "ticks": again}, MINUTE)})
    finding = found(root, "moves")
    assert finding.passed, finding.text
    assert "; 0 rest on candles" not in finding.text
    assert "0 differ." in finding.text
    ticks.publish(MONTH, stored_rows, {})
    assert not found(root, "moves").passed, "without the correction the same rows differ"


def test_what_was_compared_is_removed_after_a_day_and_what_differs_stays(root: Path) -> None:
    compared(root, "moves").prune(END + timedelta(days=1))
    assert live_rows.read(root / live_rows.FOLDER / "moves").height
    moved = tables()["ranks"].with_columns(rank=pl.lit(0.123))
    published(root, {"ranks": moved})
    for name in GROUPS:
        compared(root, name).prune(END + timedelta(days=2))
    left = {name: live_rows.read(root / live_rows.FOLDER / name).height > 0 for name in GROUPS}
    assert left == {"moves": False, "blocks": False, "ranks": True}
    assert found(root, "moves").text.startswith("Nothing was published live")
