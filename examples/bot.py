"""A trading bot's loop: reads `trading_features`, refuses what must not be used, and outlives a restart of the store.

`python examples/bot.py BTC ETH` prints what it would do each minute; it places no order.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from crypto_features.errors import TransientError
from feature_repo import OnlineFeatures, get_online_features

NEEDED = ("target_price", "can_buy", "should_sell", "regime_label")
"""Without each of these the bot does nothing."""


def decisions(features: OnlineFeatures) -> Iterator[tuple[str, str, str]]:
    """For each symbol what to do, `buy`, `sell` or `wait`, and why."""
    for row, symbol in enumerate(features["symbol"]):
        unusable = [f"{n} is {features.statuses[n][row]}" for n in NEEDED if features.statuses[n][row] != "PRESENT"]
        if unusable:
            yield symbol, "wait", ", ".join(unusable)
        elif features["should_sell"][row]:
            yield symbol, "sell", "the hour closed below the 5-day mean, or the day is over"
        elif features["can_buy"][row] and features["regime_label"][row] != "BEAR":
            yield symbol, "buy", f"the hour closed above {features['target_price'][row]:g}"
        else:
            yield symbol, "wait", "no breakout"


def step(symbols: Sequence[str]) -> list[tuple[str, str, str]]:
    """One turn of the loop; while the store is away the bot waits, and the next turn asks again."""
    try:
        return list(decisions(get_online_features(symbols, "trading_features", max_age=timedelta(days=1, minutes=5))))
    except TransientError as error:
        return [(symbol, "wait", str(error)) for symbol in symbols]


if __name__ == "__main__":
    while True:
        for symbol, action, why in step(sys.argv[1:] or ["BTC"]):
            print(f"{symbol}: {action}, {why}")
        time.sleep(60)
