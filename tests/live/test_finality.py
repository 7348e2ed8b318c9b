"""A candle is final by the exchange's flag, by a successor or by REST, and by nothing else."""

from datetime import datetime, timedelta

from crypto_features.live.finality import Final, Finality, How
from crypto_features.live.told import Told
from tests.market.market import START

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def told(minute: int, price: float = 1.0, *, closed: bool | None = False, symbol: str = "BTC") -> Told:
    return Told(symbol, START + minute * MINUTE, closed, (price,) * 5)


def at(minute: float) -> datetime:
    return START + minute * MINUTE


def follow(*messages: Told, known: int = -1, now: float = 100) -> tuple[Finality, list[Final]]:
    """What is final after these messages of one session; candle `known` is stored already."""
    finality = Finality(MINUTE, {"BTC": at(known)})
    finality.connected()
    return finality, [final for message in messages for final in finality.take(message, at(now))]


def said(finals: list[Final]) -> list[tuple[int, float, How]]:
    return [((final.open_time - START) // MINUTE, final.prices[0], final.how) for final in finals]


def test_the_flag_makes_a_candle_final_and_nothing_else_of_its_messages() -> None:
    _, finals = follow(told(0, 1), told(0, 2), told(0, 3, closed=True), told(1, 4))
    assert said(finals) == [(0, 3, How.FLAG)]


def test_no_clock_makes_an_open_candle_final() -> None:
    finality, finals = follow(told(0, 1), told(0, 2), now=10_000)
    assert finals == []
    (span,) = finality.missing(at(10_000))["BTC"]
    assert span[1] - span[0] == 9_999


def test_a_successor_of_a_flagged_candle_does_not_make_it_final_but_missing() -> None:
    finality, finals = follow(told(0, 1), told(0, 2), told(1, 3), told(2, 3), now=1)
    assert finals == []
    assert [end - start for start, end in finality.missing(at(1))["BTC"]] == [1]


def test_without_a_flag_the_successor_makes_a_candle_final_that_began_in_the_session() -> None:
    _, finals = follow(*(told(minute, 10 * minute + i, closed=None) for minute in (0, 1, 2) for i in (1, 2)))
    assert said(finals) == [(1, 12, How.SUCCESSOR)]


def test_the_first_message_of_a_session_only_primes_even_with_the_flag() -> None:
    finality, finals = follow(told(0, 1, closed=True), told(1, 2), told(1, 3, closed=True))
    assert said(finals) == [(1, 3, How.FLAG)]
    finality.connected()
    assert finality.take(told(2, 4, closed=True), at(100)) == []
    assert said(finality.take(told(3, 5, closed=True), at(100))) == [(3, 5, How.FLAG)]


def test_what_an_old_session_told_of_a_candle_is_not_final_by_a_successor_in_the_new_one() -> None:
    finality, _ = follow(told(0, 1, closed=None), told(1, 2, closed=None))
    finality.connected()
    assert finality.take(told(2, 3, closed=None), at(100)) == []
    assert finality.take(told(3, 3, closed=None), at(100)) == []


def test_a_repeated_or_stale_message_of_a_final_candle_changes_nothing() -> None:
    finality, finals = follow(told(0), told(0, 3, closed=True), told(0, 3, closed=True), told(0, 2))
    assert said(finals) == [(0, 3, How.FLAG)]
    assert finality.missing(at(1)) == {}


def test_a_final_candle_that_comes_again_with_other_values_is_decided_by_rest() -> None:
    finality, _ = follow(told(0), told(0, 3, closed=True), told(0, 4, closed=True))
    assert len(finality.missing(at(1))["BTC"]) == 1
    corrected, agreed = finality.filled("BTC", [(at(0), (4.0,) * 5)], at(1))
    assert said(corrected) == [(0, 4, How.REST)]
    assert corrected[0].corrects
    assert agreed == []
    assert finality.missing(at(1)) == {}
    assert finality.filled("BTC", [(at(0), (4.0,) * 5)], at(1)) == ([], [at(0)])


def test_a_late_candle_is_asked_for_after_two_seconds_and_only_what_is_missing() -> None:
    finality, _ = follow(told(2), told(3, closed=True), known=1, now=4)
    assert finality.missing(at(3) + SECOND) == {}
    (span,) = finality.missing(at(3) + 2 * SECOND)["BTC"]
    assert span[1] - span[0] == 1
    assert finality.waits("BTC", at(3))
    assert said(finality.filled("BTC", [(at(2), (7.0,) * 5)], at(4))[0]) == [(2, 7, How.REST)]
    assert finality.missing(at(4)) == {}
    assert not finality.waits("BTC", at(3))


def test_what_was_given_up_is_final_when_it_comes_all_the_same() -> None:
    finality, _ = follow(told(2), told(3, closed=True), known=1, now=4)
    finality.give_up("BTC", finality.missing(at(4))["BTC"][0])
    assert finality.missing(at(4)) == {}
    assert said(finality.take(told(2, 9, closed=True), at(5))) == [(2, 9, How.FLAG)]


def test_a_stored_candle_is_not_taken_again() -> None:
    _, finals = follow(told(4), told(5, closed=True), told(3, closed=True), known=5)
    assert finals == []


def test_a_stamp_from_the_future_or_off_the_grid_says_nothing() -> None:
    finality, finals = follow(
        told(0), told(50, closed=True), Told("BTC", at(0.5), closed=True, prices=(1.0,) * 5), now=1
    )
    assert finals == []
    assert finality.missing(at(1)) == {}
