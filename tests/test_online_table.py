"""What a person reads at the end of `crypto-features run`."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console
from rich.table import Table

from crypto_features.cli import online_table

NOW, END = datetime(2026, 11, 26, 16, tzinfo=UTC), datetime(2023, 5, 1, tzinfo=UTC)
NAMES = [name for names in online_table.SERVICE.features.values() for name in names]


def test_a_value_that_is_not_served_is_shown_as_its_status() -> None:
    values = {name: [1.25, None] for name in NAMES}
    statuses = {name: ["PRESENT", "EXPIRED"] for name in NAMES}
    console = Console(width=120, record=True, file=StringIO())
    console.print(online_table.filled(Table(), ["BTC", "ETH"], values, statuses))
    shown = console.export_text()
    assert shown.count("1.25") == shown.count("EXPIRED") == len(NAMES)
    assert "none" not in shown.lower()


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
