"""The page that a run writes knows what the run did: checks, leak tests, versions in Feast, and what computing cost."""

import re
from pathlib import Path

import polars as pl
from upath import UPath

from crypto_features.lake.table import Table
from crypto_features.shipped import catalog
from crypto_features.versions.provenance import CPU_MS


def section(platform: Path, table: str) -> str:
    """The words of a table's part of the page."""
    text = (platform / "catalog.html").read_text()
    found = re.search(rf'<section class="table" id="t-{table}".*?</section>', text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_every_group_says_what_its_leak_test_probed(platform: Path) -> None:
    for name in catalog.groups:
        assert re.search(r"leak-tested; markets altered by probe: .*truncate \d+", section(platform, name))


def test_checks_of_the_run_are_shown(platform: Path) -> None:
    assert re.search(r"passed schema \d+ columns; none differ", section(platform, "price_features"))
    assert "passed in_range" in section(platform, "trading_signals")


def test_the_version_in_feast_is_shown(platform: Path) -> None:
    assert re.search(r"In Feast: v0 of 20\d\d-\d\d-\d\d", section(platform, "price_features"))


def test_the_cost_is_what_the_partitions_note(platform: Path) -> None:
    table = Table(UPath(platform), "price_features")
    noted = sum(float(table.metadata(month)[CPU_MS]) for month in table.months())
    rows = table.read().select(pl.len()).item()
    found = re.search(r"Computing ([\d.,]+) ms of processor time per 1,000 rows", section(platform, "price_features"))
    assert found is not None
    assert abs(float(found[1].replace(",", "")) - 1000 * noted / rows) <= 0.5 + 1e-9


def test_values_and_reports_are_those_of_the_lake(platform: Path) -> None:
    words = section(platform, "price_features")
    assert "through time; 2 symbols" in words
    assert "It describes the past" in words
    values = Table(UPath(platform), "price_features").read()["rsi_14"]
    assert f"{100 * values.null_count() / len(values):.2f} % null" in words
