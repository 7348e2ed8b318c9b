"""What a person reads at the end of `crypto-features run`."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console
from rich.table import Table

from crypto_features.cli import online_table
from crypto_features.shipped import catalog, trading_features
from crypto_features.tables.catalog import Catalog

NOW, END = datetime(2026, 11, 26, 16, tzinfo=UTC), datetime(2023, 5, 1, tzinfo=UTC)
SERVICE = online_table.shown(catalog)
NAMES = [name for names in SERVICE.features.values() for name in names]


def test_a_value_that_is_not_served_is_shown_as_its_status() -> None:
    values = {name: [1.25, None] for name in NAMES}
    statuses = {name: ["PRESENT", "EXPIRED"] for name in NAMES}
    units = {view: dict.fromkeys(names, "") for view, names in SERVICE.features.items()}
    console = Console(width=120, record=True, file=StringIO())
    console.print(online_table.filled(Table(), units, ["BTC", "ETH"], values, statuses))
    shown = console.export_text()
    assert shown.count("1.25") == shown.count("EXPIRED") == len(NAMES)
    assert "none" not in shown.lower()


def test_the_service_that_reads_most_views_is_shown_or_without_services_every_feature() -> None:
    assert SERVICE is trading_features
    tables = Catalog(*catalog.tables.values())
    assert online_table.shown(tables).features == {name: group.columns for name, group in catalog.groups.items()}


def test_an_old_history_is_told_its_newest_candle_the_clock_and_the_setting() -> None:
    statuses = {"can_buy": ["EXPIRED", "PRESENT"], "ma_5": ["NOT_FOUND", "NULL_VALUE"]}
    hint = online_table.why_withheld(statuses, [None, END, END.replace(year=2022)], NOW)
    assert hint is not None
    for part in (
        "EXPIRED and NOT_FOUND",
        "closed at 2023-05-01 00:00 UTC",
        "2026-11-26 16:00 UTC",
        "CRYPTO_FEATURES_CLOCK=2023-05-01T00:00Z",
    ):
        assert part in hint


def test_features_that_are_served_or_switched_off_need_no_hint() -> None:
    assert online_table.why_withheld({"can_buy": ["PRESENT", "NULL_VALUE", "DISABLED"]}, [END], NOW) is None
    assert online_table.why_withheld({"can_buy": ["EXPIRED"]}, [None], NOW) is None
