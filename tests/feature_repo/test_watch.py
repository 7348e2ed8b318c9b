"""Whoever watches is told of the newest features once, and of each change."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import polars as pl
import pytest

from crypto_features.errors import InputError
from crypto_features.lake.live_rows import PARTIAL
from crypto_features.live.publish import OnlinePublisher
from crypto_features.shipped import trading_signals
from crypto_features.store import FeastResource
from crypto_features_reader.budget import Budget, Heard
from feature_repo import OnlineFeatures, get_online_features, watch_online_features

from .conftest import NOW, rows

REFS = ["trading_signals:target_price", "trading_signals:can_buy"]
HOUR = timedelta(hours=1)


def newer(target: float) -> pl.DataFrame:
    """The row of the hour after the last published one."""
    last = rows(trading_signals).filter(pl.col("event_timestamp") == pl.col("event_timestamp").max())
    event = pl.col("event_timestamp") + HOUR
    return last.with_columns(event, event.alias("created_timestamp"), pl.lit(target).alias("target_price"))


def test_each_change_is_told_once_the_newest_first_and_expiry_too(
    own: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = OnlinePublisher()

    async def watched() -> list[OnlineFeatures]:
        found = list[OnlineFeatures]()
        async with aclosing(watch_online_features(["BTC"], REFS, every=timedelta(milliseconds=1))) as told:
            found.append(await anext(told))
            monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + HOUR).isoformat())
            publish("trading_signals", newer(1.0))
            publish("trading_signals", newer(2.0))
            found.append(await anext(told))
            publish("trading_signals", newer(2.0))
            publish("trading_signals", newer(3.0))
            found.append(await anext(told))
            monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + 3 * HOUR).isoformat())
            found.append(await anext(told))
        return found

    found = asyncio.run(asyncio.wait_for(watched(), 60))
    assert [one["target_price"][0] for one in found[1:]] == [2.0, 3.0, None]
    assert [one.statuses["target_price"][0] for one in found] == ["PRESENT"] * 3 + ["EXPIRED"]
    assert found[1].ages["trading_signals"] == [timedelta(minutes=30)]


def test_a_publish_is_told_at_once_and_not_when_the_store_would_be_asked_again(
    own: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = OnlinePublisher()
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + HOUR).isoformat())

    async def watched() -> list[object]:
        async with aclosing(watch_online_features(["BTC"], REFS, every=timedelta(hours=1))) as told:
            await anext(told)
            found = list[object]()
            for number in (1.0, 2.0):
                await asyncio.to_thread(publish, "trading_signals", newer(number))
                found.append((await anext(told))["target_price"])
        return found

    assert asyncio.run(asyncio.wait_for(watched(), 60)) == [[1.0], [2.0]]


def test_an_answer_says_where_the_time_went_of_rows_that_were_published_live(
    own: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, close = OnlinePublisher(), NOW.replace(minute=0) + HOUR
    second = timedelta(seconds=1)
    before = get_online_features(["BTC"], REFS)
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (close + 3 * second).isoformat())
    heard = {"BTC": Heard(close, close + second, close + 1.5 * second), "ETH": Heard(close - HOUR, None, close)}
    publish("trading_signals", newer(1.0), heard)
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (close + 3.25 * second).isoformat())
    told = get_online_features(["BTC", "ETH"], [*REFS, "price_features:rsi_14"])
    assert told.budgets == {
        "trading_signals": [Budget(second, 0.5 * second, 1.5 * second, 0.25 * second), None],
        "price_features": [None, None],
    }
    assert before.budgets == {"trading_signals": [None]}
    silent = {"BTC": Heard(close, None, close + 2 * second)}
    publish("trading_signals", newer(2.0), silent)
    told = get_online_features(["BTC"], REFS)
    assert told.budgets["trading_signals"] == [Budget(None, 2 * second, 1.25 * second, 0 * second)]


def test_a_row_that_lacks_symbols_is_told_as_partial_and_again_when_it_lacks_none(
    own: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, refs = OnlinePublisher(), [*REFS, "price_features:rsi_14"]
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + HOUR).isoformat())
    partial = newer(1.0).with_columns(pl.Series(PARTIAL, [True, False]))  # of BTC and ETH.

    async def watched() -> list[OnlineFeatures]:
        found = list[OnlineFeatures]()
        async with aclosing(watch_online_features(["BTC", "ETH"], refs, every=HOUR)) as told:
            found.append(await anext(told))
            for rows in (partial, newer(1.0).with_columns(pl.lit(value=False).alias(PARTIAL)), partial, newer(1.0)):
                await asyncio.to_thread(publish, "trading_signals", rows)
                found.append(await anext(told))
        return found

    found = asyncio.run(asyncio.wait_for(watched(), 60))[1:]
    assert [one["target_price"] for one in found] == [[1.0, 1.0]] * 4
    lacking, whole = ["PARTIAL", "PRESENT"], ["PRESENT", "PRESENT"]
    assert [one.statuses["target_price"] for one in found] == [lacking, whole] * 2
    assert {tuple(one.statuses["rsi_14"]) for one in found} == {("PRESENT", "PRESENT")}


@pytest.mark.parametrize("every", [timedelta(0), 0.02, None])
def test_what_is_no_duration_is_refused(every: timedelta) -> None:
    with pytest.raises(InputError, match="every="):
        asyncio.run(anext(watch_online_features(["BTC"], REFS, every=every)))
