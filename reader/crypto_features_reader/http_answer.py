"""Questions and answers of `crypto-features serve` as JSON. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from crypto_features_reader import errors, guard
from crypto_features_reader.budget import Budget
from crypto_features_reader.errors import CryptoFeaturesError, SettingsError, StoreMisusedError, StoreUnreachableError
from crypto_features_reader.features import OnlineFeatures
from crypto_features_reader.plan import Request
from crypto_features_reader.steps import Steps

PATH = "/online-features"
"""Where a reader asks."""
_UNAUTHORIZED, _UNAVAILABLE, _FAILED = 401, 503, 500
_OK = 200


class HttpReading:
    """Asks one server, as steps.

    Args:
        place: Its address, for errors.
    """

    def __init__(self, place: str) -> None:
        self._place = place

    def steps(self, request: Request) -> Steps[OnlineFeatures]:
        """The one step of a request."""
        status, body = yield "ask", question(request)
        try:
            content = json.loads(body)
            if status == _OK:
                return features(content)
            named, detail = str(content.get("error")), str(content["detail"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._error(status, f"its answer is not one of `crypto-features serve`: {error!r}") from None
        raise self._named(named, detail) or self._error(status, detail)

    @staticmethod
    def _named(name: str, detail: str) -> CryptoFeaturesError | None:
        """The error of that class, if it is one of ours."""
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, CryptoFeaturesError):
            error: CryptoFeaturesError = kind.__new__(kind)  # some build their message of more than a text.
            Exception.__init__(error, detail)
            return error
        return None

    def _error(self, status: int, detail: str) -> CryptoFeaturesError:
        said = f"the server {self._place} answers {status}: {detail}"
        if status == _UNAUTHORIZED:
            return SettingsError(f"{said}; give its token.")
        return StoreUnreachableError(said) if status >= _FAILED else StoreMisusedError(said)


def question(request: Request) -> bytes:
    """A request as the server takes it."""
    named = isinstance(request.features, str)
    content = {
        "features": None if named else request.features,
        "feature_service": request.features if named else None,
        "symbols": request.symbols,
        "full_feature_names": request.full,
        "max_age_seconds": None if request.max_age is None else request.max_age.total_seconds(),
        "passport": None if request.passport is None else request.passport.content,
    }
    return json.dumps(content).encode()


def answer(found: OnlineFeatures, now: datetime) -> dict[str, Any]:
    """An answer as JSON has it; durations and times in microseconds."""
    return {
        "values": dict(found),
        "statuses": found.statuses,
        "event_times": {view: [*map(guard.stamp, times)] for view, times in found.event_times.items()},
        "completeness": found.completeness,
        "budgets": {view: [one and [*map(_whole, one)] for one in column] for view, column in found.budgets.items()},
        "now": guard.micros(now),
    }


def features(content: Mapping[str, Any]) -> OnlineFeatures:
    """The inverse of `answer`."""
    return OnlineFeatures(
        content["values"],
        content["statuses"],
        {
            view: [None if time is None else guard.time_of(time) for time in times]
            for view, times in content["event_times"].items()
        },
        content["completeness"],
        budgets={
            view: [one and Budget(*map(_duration, one)) for one in column]
            for view, column in content["budgets"].items()
        },
        now=guard.time_of(content["now"]),
    )


def _whole(part: timedelta | None) -> int | None:
    return None if part is None else guard.microseconds(part)


def _duration(part: int | None) -> Any:
    return None if part is None else timedelta(microseconds=part)
