"""What a bot gets: values with status, event time, age and the rest, of the answers of some views."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crypto_features_reader.answer import ViewAnswer
from crypto_features_reader.budget import Budget, budget
from crypto_features_reader.guard import time_of


class OnlineFeatures(dict[str, list[Any]]):
    """Values by column, `symbol` first; a value that must not be used is `None`.

    Attributes:
        statuses: For each feature and symbol `PRESENT`, `PARTIAL`, `NULL_VALUE`, `INCOMPLETE`, `NOT_FOUND`,
            `EXPIRED` or `DISABLED`.
        event_times: For each view and symbol the close of the candle that the values are from, UTC.
        ages: For each view and symbol how long ago that was.
        completeness: For each feature and symbol the lowest completeness, 0 to 1, of the bars in the value's window.
        budgets: For each view and symbol where the time went between the close of the candle and this answer:
            `exchange`, `transport`, `compute` and `publish`; `None` if the row was not published live.
    """

    def __init__(
        self,
        values: Mapping[str, list[Any]],
        statuses: Mapping[str, list[str]],
        event_times: Mapping[str, list[datetime | None]],
        completeness: Mapping[str, list[float | None]],
        *,
        budgets: Mapping[str, list[Budget | None]],
        now: datetime,
    ) -> None:
        super().__init__(values)
        self.statuses = dict(statuses)
        self.event_times = dict(event_times)
        self.completeness, self.budgets = dict(completeness), dict(budgets)
        self.ages = {
            view: [None if time is None else now - time for time in times] for view, times in event_times.items()
        }

    def is_like(self, other: "OnlineFeatures") -> bool:
        """Whether another answer has the same values, statuses and event times."""
        same = self.statuses == other.statuses and self.event_times == other.event_times
        return same and dict(self) == dict(other)


def online_features(
    symbols: Sequence[str], answers: Sequence[ViewAnswer], order: Sequence[str], now: datetime
) -> OnlineFeatures:
    """What a bot gets of the answers of some views, features in that order."""
    values = {name: list(column) for name, column in _columns(answers)}
    known = statuses(answers)
    return OnlineFeatures(
        {"symbol": list(symbols), **{name: values[name] for name in order}},
        {name: known[name] for name in order},
        event_times(answers),
        lowest_completeness(answers),
        budgets=budgets(answers, now),
        now=now,
    )


def statuses(answers: Sequence[ViewAnswer]) -> dict[str, list[str]]:
    """For each feature the status of each value."""
    found = {}
    for answer in answers:
        whole = [status.value for status in answer.statuses]  # of each column without a null.
        for name, column in zip(answer.names, answer.columns, strict=True):
            found[name] = [s.value for s in answer.statuses_of(column)] if None in column else whole.copy()
    return found


def event_times(answers: Sequence[ViewAnswer]) -> dict[str, list[datetime | None]]:
    """For each view and entity the event time of its row."""
    return {answer.view: [None if event is None else time_of(event) for event in answer.events] for answer in answers}


def lowest_completeness(answers: Sequence[ViewAnswer]) -> dict[str, list[float | None]]:
    """For each feature of a view the lowest completeness of the bars in the window of each value."""
    return {
        name: list(shares) for answer in answers for name, shares in zip(answer.names, answer.completeness, strict=True)
    }


def budgets(answers: Sequence[ViewAnswer], now: datetime) -> dict[str, list[Budget | None]]:
    """For each view and entity where the time went until this answer, of a row that was published live."""
    return {
        answer.view: [
            None if event is None or heard is None else budget(event, heard, now)
            for event, heard in zip(answer.events, answer.heard or [None] * len(answer.events), strict=True)
        ]
        for answer in answers
    }


def _columns(answers: Sequence[ViewAnswer]) -> Iterable[tuple[str, Sequence[Any]]]:
    return (pair for answer in answers for pair in zip(answer.names, answer.columns, strict=True))
