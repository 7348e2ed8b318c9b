"""The ledger counts each candle once, and ranks who came by REST or late."""

from datetime import timedelta

from crypto_features.lake.journal import Entry
from crypto_features.live.ledger import ledger
from tests.market.market import HOUR, START


def entry(symbol: str, number: int, late: float, how: str) -> Entry:
    opened = START + number * HOUR
    return Entry(
        symbol, opened, opened + HOUR + timedelta(seconds=late), how, {} if how == "agreed" else {"close": 1.0}
    )


def test_each_symbol_has_its_counts_and_its_lateness_the_worst_first() -> None:
    entries = [
        entry("BTC", 0, 0.1, "flag"),
        entry("BTC", 1, 0.3, "flag"),
        entry("BTC", 2, 0.2, "flag"),
        entry("BTC", 2, 90.0, "rest"),
        entry("BTC", 1, 91.0, "agreed"),
        entry("BTC", 1, 92.0, "agreed"),
        entry("ETH", 0, 2.5, "rest"),
        entry("ETH", 1, 0.5, "successor"),
    ]
    assert ledger(entries, HOUR, "bybit").rows() == [
        ("bybit", 5, 3, 1, 1, 1, 1, 0.3, 2.5),
        ("ETH", 2, 0, 1, 1, 0, 0, 1.5, 2.5),
        ("BTC", 3, 3, 0, 0, 1, 1, 0.2, 0.3),
    ]


def test_an_empty_journal_has_no_rows() -> None:
    assert ledger([], HOUR, "bybit").is_empty()
