"""How much each row of a training set counts."""

from dataclasses import dataclass
from datetime import timedelta

from crypto_features.durations import length
from crypto_features.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The weight of a row: the product of what is chosen here, in the column `weight`.

    Args:
        uniqueness: Whether labels that overlap share what they tell: the mean, over a label's window, of 1 / the
            number of its symbol's labels then.
        half_life: How long before the newest row a row counts half, such as `"365d"`; `None` if age does not count.

    Raises:
        InputError: if neither is chosen, or the half-life is not a length of time above 0.
    """

    uniqueness: bool = True
    half_life: timedelta | str | None = None

    def __post_init__(self) -> None:
        if not self.uniqueness and self.half_life is None:
            raise InputError("Weights(uniqueness=False) weighs nothing; give it a half_life, or leave weights out.")
        if self.half_life is not None and length(self.half_life, "the half-life of weights") <= timedelta(0):
            raise InputError(
                f"the half-life of weights is {self.half_life}; expected a length of time above 0, such as 365d."
            )
