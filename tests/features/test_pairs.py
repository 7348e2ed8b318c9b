"""Kernels of two series: exact, over their window alone, and equal to pandas'."""

import polars as pl
import pytest

from crypto_features.compute.pairs import beta, window_correlation, window_covariance
from crypto_features.errors import InputError
from tests.features.markets import bars

X, Y = pl.col("close"), pl.col("volume")
KERNELS = {"covariance": window_covariance, "correlation": window_correlation, "beta": beta}


def pairs(length: int = 400) -> pl.DataFrame:
    x = [1000 + (i * 7919) % 101 / 7 for i in range(length)]
    y = [3 + (i * 104729) % 97 / 11 for i in range(length)]
    return bars(x, columns={"volume": y})


@pytest.mark.parametrize("window", [2, 3, 20, 37, 64])
def test_pair_kernels_equal_those_of_pandas(window: int) -> None:
    frame = pairs()
    found = frame.select(**{name: kernel(X, Y, window) for name, kernel in KERNELS.items()}).to_pandas()
    x, y = (frame[name].to_pandas() for name in ("close", "volume"))
    covariance = x.rolling(window).cov(y)
    expected = {
        "covariance": covariance,
        "correlation": x.rolling(window).corr(y),
        "beta": covariance / y.rolling(window).var(),
    }
    for name, values in expected.items():
        assert found[name].isna().sum() == window - 1
        assert (found[name] - values).abs().max() < 1e-9 * max(values.abs().max(), 1)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_pair_kernels_depend_on_their_window_alone_to_the_bit(kernel: type) -> None:
    frame = pairs()
    whole = frame.select(kernel(X, Y, 20)).to_series()
    for start in (1, 7, 100, 380):
        assert frame[start:].select(kernel(X, Y, 20)).to_series()[19:].equals(whole[start + 19 :])


def test_pairs_of_which_one_is_null_spoil_the_windows_that_hold_them() -> None:
    frame = bars([1.0, 2, 4, 8, 16], columns={"volume": [1, 3, 5, 7, 9]})
    frame = frame.with_columns(pl.when(pl.col("volume") != 3).then("volume").alias("volume"))
    assert frame.select(window_covariance(X, Y, 2)).to_series().to_list() == [None, None, None, 4.0, 8.0]


def test_a_series_that_does_not_move_has_covariance_0_and_no_correlation_and_no_beta() -> None:
    frame = bars([1.0, 2, 4], columns={"volume": [0.1, 0.1, 0.1]})
    found = frame.select(**{name: kernel(X, Y, 3) for name, kernel in KERNELS.items()})[-1]
    assert found.row(0) == (0.0, None, None)


def test_beta_of_twice_the_market_is_2() -> None:
    frame = bars([2.0, 4, 8], columns={"volume": [1, 2, 4]})
    assert frame.select(beta(X, Y, 3)).to_series()[2] == 2.0


def test_a_window_of_one_pair_is_refused() -> None:
    with pytest.raises(InputError, match="A window of 1 bars has no value here; expected bars=2 or more"):
        window_covariance(X, Y, 1)
