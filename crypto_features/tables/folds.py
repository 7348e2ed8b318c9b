"""How the rows of a training set are divided into folds: each trains on some days and tests on others.

A day is never torn: all rows that close within one UTC day, of every symbol, are on one side.
"""

from dataclasses import dataclass
from datetime import timedelta

from crypto_features.durations import length
from crypto_features.errors import InputError


@dataclass(frozen=True, kw_only=True)
class WalkForward:
    """Tests that follow one another in time, each trained on what was known before it began.

    Args:
        folds: How many tests; they hold about equal numbers of rows.
        embargo: How long before a test begins the label of a training row must be known.
        min_train: How long the first test comes after the first row, such as `"365d"`; by default as many rows come
            before it as each test has.
        max_train: How long before a test its training rows begin; by default with the first row.

    Raises:
        InputError: if it has no fold, or a length is not one.
    """

    folds: int
    embargo: timedelta | str = "0d"
    min_train: timedelta | str | None = None
    max_train: timedelta | str | None = None

    def __post_init__(self) -> None:
        _check(type(self).__name__, "folds", self.folds, least=1)
        for name in ("embargo", "min_train", "max_train"):
            _check_length(f"the {name} of WalkForward", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class KFold:
    """Spans of days, each of them the test of one fold and training data of the others.

    Args:
        folds: How many spans; they hold about equal numbers of rows.
        embargo: How long after the last label of a test is known training rows begin again.

    Raises:
        InputError: if it has fewer than 2 folds, or the embargo is not a length of time.
    """

    folds: int
    embargo: timedelta | str = "0d"

    def __post_init__(self) -> None:
        _check(type(self).__name__, "folds", self.folds, least=2)
        _check_length("the embargo of KFold", self.embargo)


@dataclass(frozen=True, kw_only=True)
class Combinatorial:
    """Spans of days of which every choice of some is the test of one fold.

    Source: Marcos López de Prado, Advances in Financial Machine Learning, 2018, chapter 12.

    Args:
        groups: How many spans; they hold about equal numbers of rows.
        test_groups: How many of them a test has.
        embargo: How long after the last label of a span is known training rows begin again.

    Raises:
        InputError: if no span is left for training, or the embargo is not a length of time.
    """

    groups: int
    test_groups: int = 2
    embargo: timedelta | str = "0d"

    def __post_init__(self) -> None:
        _check(type(self).__name__, "test_groups", self.test_groups, least=1)
        _check(type(self).__name__, "groups", self.groups, least=self.test_groups + 1)
        _check_length("the embargo of Combinatorial", self.embargo)


Folds = WalkForward | KFold | Combinatorial


def _check(scheme: str, name: str, value: int, *, least: int) -> None:
    if value < least:
        raise InputError(f"{scheme} declares {name}={value}; expected {least} or more.")


def _check_length(what: str, value: timedelta | str | None) -> None:
    if value is not None and length(value, what) < timedelta(0):
        raise InputError(f"{what} is {value}; expected a length of time, such as 5d.")
