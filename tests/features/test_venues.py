"""A second exchange is a second raw table, and a group may read both: the premium between them."""

import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from crypto_features.compute.windows import window_mean
from crypto_features.errors import InputError
from crypto_features.leak import leak_test
from crypto_features.settings import Settings
from crypto_features.sources import source_of
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.derivative_rows import FUNDING
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Join
from tests.features.disk_lake import HOUR, DiskLake
from tests.market.market import Offer

START = datetime(2024, 1, 20, tzinfo=UTC)
NOW = datetime(2024, 2, 20, tzinfo=UTC)
MONTHS = ("2024-01", "2024-02")
DAY = timedelta(days=1)

candles = RawTable("candles", "Candles of Binance.")
okx = RawTable("candles_okx", "Candles of OKX.", source="ccxt:okx")
days, okx_days = Bars("days", of=candles, every="1d"), Bars("okx_days", of=okx, every="1d")
funding = RawTable("funding", "Funding.", rows=FUNDING, source="ccxt")
premium = FeatureGroup(
    "premium",
    bars=days,
    joins=(Join(okx_days, "40d", {"mean_3": window_mean(pl.col("close"), 3)}, window=3), Join(funding, "40d")),
    features=(
        Feature("gap", pl.col("okx_days.close") / pl.col("close").shift(1) - 1, "OKX over Binance.", "ratio", window=2),
        Feature("mean_3", pl.col("okx_days.mean_3"), "Mean of OKX.", "quote currency"),
        Feature("rate", pl.col("funding.rate"), "Last settlement.", "share"),
    ),
)
catalog = Catalog(premium)


def market(seed: int, *symbols: str, scale: float = 1.0) -> pl.DataFrame:
    """Hourly candles, one in a hundred lost."""
    draw, rows = random.Random(seed), []
    for symbol in symbols:
        price = 100.0
        for i in range((NOW - START) // HOUR):
            opened, price = price, price * math.exp(draw.gauss(0, 0.01))
            if draw.random() > 0.01:
                body = sorted([opened * scale, price * scale])
                rows.append((symbol, START + i * HOUR, opened * scale, body[1], body[0], price * scale, 1.0, 1.0))
    names = ("symbol", "open_time", "open", "high", "low", "close", "volume", "completeness")
    return pl.DataFrame(rows, names, orient="row").with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")))


def settled(seed: int, *symbols: str) -> pl.DataFrame:
    draw, rows = random.Random(seed), []
    for symbol in symbols:
        times = (START + i * 8 * HOUR for i in range((NOW - START) // (8 * HOUR)))
        rows += [(symbol, time, draw.gauss(0, 0.001), 8.0) for time in times]
    return pl.DataFrame(rows, FUNDING.full_schema, orient="row")


HERE, THERE, RATES = market(1, "BTC", "ETH"), market(2, "BTC", "ETH", scale=1.001), settled(3, "BTC", "ETH")


@pytest.fixture
def lake(tmp_path: Path) -> DiskLake:
    lake = DiskLake(tmp_path, catalog, MONTHS)
    lake.take("candles", Offer(HERE, venue="binance spot USDT"), NOW)
    lake.take("candles_okx", Offer(THERE, venue="okx spot USDT"), NOW)
    lake.take("funding", Offer(RATES, venue="binance contract USDT"), NOW)
    lake.build(NOW)
    return lake


def rebuilt(lake: DiskLake, root: Path, now: datetime) -> DiskLake:
    """A lake with the same raw tables, everything else built again."""
    other = DiskLake(root, catalog, MONTHS)
    for name in catalog.raws:
        for month in lake.table(name).months():
            table = lake.table(name)
            notes = table.metadata(month)
            other.table(name).publish(month, table.read([month]), notes)
    other.build(now)
    return other


def test_the_premium_is_what_a_plain_computation_gives(lake: DiskLake) -> None:
    def closes(frame: pl.DataFrame) -> dict[tuple[str, datetime], float]:
        found: dict[tuple[str, datetime], float] = {}
        for symbol, time, close in frame.sort("open_time").select("symbol", "open_time", "close").iter_rows():
            found[symbol, time.replace(hour=0)] = close
        return found

    here, there = closes(HERE), closes(THERE)
    rates = {(symbol, time): rate for symbol, time, rate, _ in RATES.iter_rows()}
    rows = lake.table("premium").read().sort("symbol", "event_timestamp")
    for symbol, closed, gap, rate in rows.select("symbol", "event_timestamp", "gap", "rate").iter_rows():
        opened = closed - DAY
        assert rate == rates[symbol, opened]
        before = opened - DAY
        if before < START:
            assert gap is None
        else:
            assert gap == pytest.approx(there[symbol, before] / here[symbol, before] - 1, rel=1e-12)
    assert rows.height == 2 * 31


def test_nothing_is_stale_after_a_build_and_each_table_keeps_its_venue(lake: DiskLake) -> None:
    assert (lake.plan(NOW).stale, lake.plan(NOW).settled) == ((), ())
    with pytest.raises(InputError, match=r"holds real candles of 1h of okx spot USDT .* has real candles"):
        lake.take("candles_okx", Offer(THERE, venue="binance spot USDT"), NOW)


CHANGES = {
    "the other venue is corrected": ("candles_okx", THERE, datetime(2024, 2, 5, 23, tzinfo=UTC), "BTC"),
    "the other venue is corrected at the end of a month": (
        *("candles_okx", THERE, datetime(2024, 1, 30, 23, tzinfo=UTC)),
        "ETH",
    ),
    "the own venue is corrected": ("candles", HERE, datetime(2024, 2, 5, 23, tzinfo=UTC), "ETH"),
    "a settlement is corrected": ("funding", RATES, datetime(2024, 2, 5, tzinfo=UTC), "BTC"),
    "a settlement that nobody reads is corrected": ("funding", RATES, datetime(2024, 2, 5, 8, tzinfo=UTC), "BTC"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_plan_equals_what_a_full_build_changes(
    lake: DiskLake, tmp_path: Path, change: tuple[str, pl.DataFrame, datetime, str]
) -> None:
    name, frame, time, symbol = change
    hit = (pl.col("open_time") == time) & (pl.col("symbol") == symbol)
    value = "rate" if name == "funding" else "close"
    moved = pl.when(hit).then(pl.col(value) * 1.0001).otherwise(value)
    bounds = (
        {} if name == "funding" else {"high": pl.max_horizontal("high", moved), "low": pl.min_horizontal("low", moved)}
    )
    venue = {"candles": "binance spot USDT", "candles_okx": "okx spot USDT", "funding": "binance contract USDT"}[name]
    later = NOW + DAY
    report = lake.take(name, Offer(frame.with_columns(moved.alias(value), **bounds), venue=venue), later)
    assert report.corrected.height == 1
    before, full = lake.digests(), rebuilt(lake, tmp_path / "full", later).digests()
    listed = lake.plan(later).stale
    told = f"{symbol} {time:%Y-%m-%d %H:%M} corrected"
    own = {"funding": f"funding of {told}", "candles": told, "candles_okx": f"candles_okx of {told}"}[name]
    assert all(item.details == (own,) for item in listed[:1])
    stale = {(item.asset, item.partition) for item in listed}
    assert stale == {key for key in full if full[key] != before.get(key)}
    assert bool(stale) == (name != "funding" or time.hour == 0)
    lake.build(later, stale)
    assert lake.digests() == full


def test_what_comes_later_is_built_to_the_same_bits_as_all_at_once(tmp_path: Path) -> None:
    lake = DiskLake(tmp_path / "grown", catalog, MONTHS)
    for end in (START + 5 * DAY, START + 11 * DAY, START + 20 * DAY, NOW):
        until = pl.col("open_time") < end
        lake.take("candles", Offer(HERE.filter(until), venue="binance spot USDT"), end)
        lake.take("candles_okx", Offer(THERE.filter(until), venue="okx spot USDT"), end)
        lake.take("funding", Offer(RATES.filter(until), venue="binance contract USDT"), end)
        lake.build(end, {(item.asset, item.partition) for item in lake.plan(end).stale})
    assert lake.digests() == rebuilt(lake, tmp_path / "full", NOW).digests()


def test_no_probe_finds_a_leak_in_the_premium() -> None:
    assert leak_test(premium).leaks == ()


def test_the_source_of_a_table_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-01")
    assert source_of(Settings.load(), candles).name.startswith("sample")
    assert getattr(source_of(Settings.load(), okx), "venue", "") == "okx spot USDT"


def test_two_tables_of_candles_without_a_source_are_refused() -> None:
    other = RawTable("other", "Candles.")
    with pytest.raises(InputError, match=r'this one has 2 \(candles\) \(other\).*RawTable\("candles_okx", source='):
        Catalog(candles, other)


def test_bars_are_made_of_candles_only() -> None:
    with pytest.raises(InputError, match="hours is made of funding, which holds no prices; expected candles"):
        Bars("hours", of=funding, every="1h")


def test_the_age_of_a_further_raw_table_is_not_judged_by_the_length_of_a_candle() -> None:
    assert [table.name for table in catalog.timed] == ["candles", "days", "okx_days", "premium"]


class History:
    """What three sources offer, changed step by step: late rows, corrections and new symbols."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.offered = {"candles": HERE, "candles_okx": THERE, "funding": RATES}
        self.withheld = {name: self._some(frame) for name, frame in self.offered.items()}

    def step(self) -> tuple[str, pl.DataFrame]:
        """One table after something happened to it."""
        name = self.draw.choice(sorted(self.offered))
        frame = self.offered[name]
        what = self.draw.choice(["late", "corrected", "new"])
        if what == "late":
            self.withheld[name] = self.withheld[name].head(self.draw.randrange(max(1, self.withheld[name].height)))
        elif what == "corrected":
            value = "rate" if name == "funding" else "volume" if self.draw.random() < 0.3 else "close"
            hit = pl.int_range(pl.len()) == self.draw.randrange(frame.height)
            moved = pl.when(hit).then(pl.col(value) * 1.0001).otherwise(value)
            wider = [] if value != "close" else [pl.max_horizontal("high", moved).alias("high")]
            self.offered[name] = frame.with_columns(moved.alias(value), *wider)
        else:
            one = frame.filter(pl.col("symbol") == "BTC").with_columns(symbol=pl.lit(self.draw.choice(["SOL", "XRP"])))
            self.offered[name] = pl.concat([frame, one]).unique(["symbol", "open_time"], maintain_order=True)
        return name, self.now(name)

    def now(self, name: str) -> pl.DataFrame:
        """What a source offers now."""
        return self.offered[name].join(self.withheld[name], on=["symbol", "open_time"], how="anti")

    def _some(self, frame: pl.DataFrame) -> pl.DataFrame:
        numbers = sorted(self.draw.sample(range(frame.height), 12))
        return frame[numbers].select("symbol", "open_time")


@pytest.mark.parametrize("seed", range(2))
def test_the_plan_is_true_whatever_comes_late_is_corrected_or_new(tmp_path: Path, seed: int) -> None:
    venues = {"candles": "binance spot USDT", "candles_okx": "okx spot USDT", "funding": "binance contract USDT"}
    lake, past = DiskLake(tmp_path / "lake", catalog, MONTHS), History(seed)
    for name, venue in venues.items():
        lake.take(name, Offer(past.now(name), venue=venue), NOW)
    lake.build(NOW)
    for number in range(1, 7):
        at = NOW + number * DAY
        name, frame = past.step()
        lake.take(name, Offer(frame, venue=venues[name]), at)
        before, full = lake.digests(), rebuilt(lake, tmp_path / f"full {number}", at).digests()
        stale = {(item.asset, item.partition) for item in lake.plan(at).stale}
        assert stale == {key for key in full if full[key] != before.get(key)}, (number, name)
        lake.build(at, stale)
        assert lake.digests() == full
