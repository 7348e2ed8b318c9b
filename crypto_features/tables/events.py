"""Events as the rows of a training set: the bars at which a price has moved, instead of every bar."""

from dataclasses import KW_ONLY, dataclass

import polars as pl

from crypto_features.errors import InputError
from crypto_features.tables.bars import Bars
from crypto_features.tables.raw import RawTable


@dataclass(frozen=True, eq=False, repr=False)
class Cusum:
    """The bars at which the price has moved by a threshold since the symbol's last event.

    Source: Marcos López de Prado, Advances in Financial Machine Learning, 2018, section 2.5.2.1. Which bars these are
    depends on all bars since a symbol's first.

    Args:
        bars: The bars.
        threshold: A log return, such as 0.05; or an expression over the bars of one symbol in time order, such as a
            multiple of their volatility. Where it is null there is no event.

    Raises:
        InputError: if the bars have no prices, or the threshold is not above 0.
    """

    bars: Bars | RawTable
    _: KW_ONLY
    threshold: float | pl.Expr

    def __post_init__(self) -> None:
        if isinstance(self.bars, RawTable) and not self.bars.has_prices:
            raise InputError(f"events of {self.bars.name} need prices, which it does not hold; expected bars.")
        if not isinstance(self.threshold, pl.Expr) and not self.threshold > 0:
            raise InputError(f"Cusum declares threshold={self.threshold}; expected a log return above 0, such as 0.05.")

    def __repr__(self) -> str:
        return f"Cusum({self.bars.name!r}, threshold={self.threshold})"
