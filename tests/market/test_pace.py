"""One pace for all who ask a server: spaced, and held back together."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from crypto_features.errors import PermanentError, TransientError
from crypto_features.sources.pace import BusyError
from tests.market.test_exchange import Naps


def failing(*errors: Exception) -> Callable[[], str]:
    """A question that is answered after these errors."""
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return ask


def test_requests_are_spaced_by_what_the_one_before_costs() -> None:
    pace = Naps()
    for cost in (0.5, 2.0, 0.0, 1.0):
        pace.wait(cost)
    assert pace.slept == [0.5, 2.0]


def test_a_wait_that_a_server_asks_of_one_holds_back_all() -> None:
    pace = Naps()
    assert pace.persist(failing(BusyError("busy", 30.0)), patience=60) == "answer"
    pace.wait()
    assert pace.slept == [30.0]


def test_waits_double_up_to_a_minute_and_end_before_they_pass_the_patience() -> None:
    pace = Naps()
    ask = failing(*[TransientError("away")] * 20)

    def counted() -> str:
        pace.wait()
        return ask()

    patience = timedelta(minutes=5).total_seconds()
    with pytest.raises(TransientError, match=r"^away \(asked again for 244 s\)$"):
        pace.persist(counted, patience)
    waits = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert pace.slept == waits
    assert sum(waits) + 60.0 > patience


def test_a_fault_that_stays_is_raised_at_once() -> None:
    pace = Naps()
    with pytest.raises(PermanentError, match=r"^no$"):
        pace.persist(failing(PermanentError("no")), patience=60)
    pace.wait()
    assert pace.slept == []


def test_the_error_of_a_busy_server_keeps_its_type_and_says_what_it_asked_for() -> None:
    with pytest.raises(BusyError, match=r"^busy \(asked again for 0 s; to wait 90 s, as it asks, is longer than"):
        Naps().persist(failing(BusyError("busy", 90.0)), patience=60)
