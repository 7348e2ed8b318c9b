"""A file's candles are as long as the greatest step between them, whatever holes it has; mixtures are refused."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from crypto_features.errors import InputError
from tests.market.market import HOUR, START
from tests.market.vendors import DAY, MINUTE, candles_in, opens, put, text, times_in

QUARTER = 15 * MINUTE


@pytest.mark.parametrize("share", [0.0115, 0.05, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("step", [MINUTE, QUARTER, HOUR])
def test_the_candles_of_an_illiquid_market_have_their_own_length(tmp_path: Path, share: float, step: timedelta) -> None:
    chance = random.Random(0)
    traded = [time for time in opens(5000, step) if chance.random() < share]
    found = candles_in(put(tmp_path / "f", BTC__csv=text(traded)))
    assert found["open_time"].to_list() == sorted({START + (time - START) // HOUR * HOUR for time in traded})
    assert found["completeness"].sum() == pytest.approx(len(traded) * (step / HOUR))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (opens(400, DAY, START - 400 * DAY), opens(1440)),
        (opens(7, DAY, START - 7 * DAY), opens(1440)),
        (opens(1440), opens(20, DAY, START + 60 * DAY)),
        (opens(1440), opens(48, QUARTER, START + 60 * DAY)),
        (opens(960, QUARTER), opens(240, HOUR, START + 10 * DAY)),
        (opens(500), opens(30, 4 * HOUR, START + 500 * HOUR)),
    ],
    ids=["days, hours", "few days, hours", "hours, days", "hours, quarters", "quarters, hours", "hours, four hours"],
)
def test_candles_of_two_lengths_are_refused(tmp_path: Path, first: list[object], second: list[object]) -> None:
    folder = put(tmp_path / "f", BTC__csv=text([*first, *second]))  # type: ignore[list-item]  # a parametrized list.
    with pytest.raises(InputError, match=r"are mixed, as near .*split the file.*FILES_INTERVAL"):
        candles_in(folder)


def test_outages_are_not_candles_of_another_length(tmp_path: Path) -> None:
    times = [*opens(100), *opens(100, start=START + 137 * HOUR), *opens(500, start=START + 300 * HOUR)]
    assert times_in(put(tmp_path / "f", BTC__csv=text(times))) == times


@pytest.mark.parametrize("around", [20, 300])
def test_a_row_beside_the_grid_shortens_no_other(tmp_path: Path, around: int) -> None:
    times = [*opens(around), START + around * HOUR - 30 * MINUTE, *opens(around, start=START + around * HOUR)]
    assert times_in(put(tmp_path / "f", BTC__csv=text(times))) == times


@pytest.mark.parametrize("hours", [[0, 2], [0, 2, 6], [0, 7, 21]])
def test_a_few_candles_with_holes_do_not_tell_their_length(tmp_path: Path, hours: list[int]) -> None:
    times = [START + hour * HOUR for hour in hours]
    folder = put(tmp_path / "f", BTC__csv=text(times))
    with pytest.raises(
        InputError, match="leave their length open: set CRYPTO_FEATURES_FILES_INTERVAL to it, such as 1h"
    ):
        candles_in(folder)
    assert times_in(folder, length=HOUR) == times


@pytest.mark.parametrize(("name", "step"), [("BTC-5m__csv", HOUR), ("BTC_1h__csv", QUARTER), ("BTC_d__csv", HOUR)])
def test_a_name_that_says_another_length_is_refused(tmp_path: Path, name: str, step: timedelta) -> None:
    folder = put(tmp_path / "f", **{name: text(opens(100, step))})
    with pytest.raises(InputError, match=r"the file's name says candles of .* apart; rename it, or set"):
        candles_in(folder)
    assert candles_in(folder, length=step).height > 0
