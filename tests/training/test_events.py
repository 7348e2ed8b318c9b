"""The CUSUM filter, against the book's own loop."""

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from crypto_features.errors import InputError
from crypto_features.training.events import cusum


def book(closes: list[float], threshold: float) -> list[bool]:
    """Snippet 2.4 of López de Prado, 2018, on log prices."""
    found, positive, negative = [False], 0.0, 0.0
    for before, after in pairwise(closes):
        move = math.log(after) - math.log(before)
        positive, negative = max(0.0, positive + move), min(0.0, negative + move)
        if negative < -threshold:
            negative = 0.0
        elif positive > threshold:
            positive = 0.0
        else:
            found.append(False)
            continue
        found.append(True)
    return found


def walk(seed: int, bars: int = 500) -> list[float]:
    return [float(price) for price in np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.02, bars)))]


def test_events_are_those_of_the_book_each_symbol_by_itself() -> None:
    first, second = walk(1), walk(2)
    found = cusum(pl.Series(["A"] * 500 + ["B"] * 500), pl.Series(first + second), 0.05)
    assert found.to_list() == book(first, 0.05) + book(second, 0.05)
    assert 100 < found.sum() < 500


def test_a_move_of_exactly_the_threshold_is_not_an_event() -> None:
    closes = [1.0, math.e, math.e, 1.0, math.exp(-0.5)]
    symbol = pl.Series(["A"] * 5)
    assert cusum(symbol, pl.Series(closes), 1.0).to_list() == [False, False, False, False, True]
    assert cusum(symbol, pl.Series(closes), 0.9).to_list() == [False, True, False, True, False]


def test_a_threshold_for_each_bar_moves_with_the_market_and_null_gives_no_event() -> None:
    closes, symbol = pl.Series([1.0, 1.1, 1.2, 1.3]), pl.Series(["A"] * 4)
    assert cusum(symbol, closes, pl.Series([0.05, None, None, 0.05])).to_list() == [False, False, False, True]
    assert cusum(symbol, closes, pl.Series([0.05, 0.5, 0.05, 0.5])).to_list() == [False, False, True, False]


def test_input_that_has_no_events_is_refused() -> None:
    symbol, closes = pl.Series(["A", "A"]), pl.Series([1.0, 2.0])
    with pytest.raises(InputError, match=r"^a close is null or not above 0"):
        cusum(symbol, pl.Series([1.0, None]), 0.1)
    with pytest.raises(InputError, match=r"^a threshold is not above 0"):
        cusum(symbol, closes, 0)
    with pytest.raises(InputError, match=r"^2 symbols, 2 closes and 1 thresholds"):
        cusum(symbol, closes, pl.Series([0.1]))
    assert cusum(symbol.head(0), closes.head(0), 0.1).to_list() == []
