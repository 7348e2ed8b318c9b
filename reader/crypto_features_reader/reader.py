"""What a bot holds: the newest features of a store, each with its age, and never a stale one."""

from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from crypto_features_reader.backend import ReadBackend
from crypto_features_reader.connect import HTTP, connect
from crypto_features_reader.features import OnlineFeatures
from crypto_features_reader.plan import Request
from crypto_features_reader.reading import DatabaseReading
from crypto_features_reader.steps import driven

if TYPE_CHECKING:
    from crypto_features_reader.http_answer import HttpReading
    from crypto_features_reader.http_client import HttpClient
    from crypto_features_reader.passport import Passport

PROJECT = "crypto_features"
"""The name of the shipped project."""


class Reader:
    """Reads the online store of a project. Safe for threads; a forked process opens connections of its own.

    Args:
        url: `sqlite:////absolute/online.db`, `redis://…`, `postgresql://…`, or `http://…` of `crypto-features serve`.
        project: Whose features they are; a server has those of its own.
        token: What a server asks for, if it does.

    Raises:
        SettingsError: if the address has another form, or its driver is not installed.
    """

    def __init__(self, url: str, *, project: str = PROJECT, token: str | None = None) -> None:
        self._backend, self._reading = _opened(url, project, token)

    def get_online_features(
        self,
        symbols: Sequence[str],
        feature_refs: Sequence[str] | str,
        *,
        max_age: timedelta | None = None,
        full_feature_names: bool = False,
        passport: "Passport | None" = None,
    ) -> OnlineFeatures:
        """The newest features of some symbols, each with status, event time and age.

        Args:
            symbols: Symbols, such as `["BTC", "ETH"]`.
            feature_refs: Features, such as `["price_features:rsi_14"]`, or the name of a feature service.
            max_age: Withhold what is older, also if its view's TTL would allow it.
            full_feature_names: Whether names begin with their view, as `price_features__rsi_14` does; two versions of
                a view are identified by it.
            passport: What the model was trained on that is given these features: it is served no other versions.

        Returns:
            A dict such as `{"symbol": ["BTC", "ETH"], "rsi_14": [51.2, None]}` that also carries `statuses`,
            `event_times`, `ages`, `completeness` and `budgets`.

        Raises:
            UnknownNameError: if a view, feature or service does not exist.
            InputError: if there is no symbol or no feature, two features have one name, `max_age` is not a duration,
                or a feature needs the platform: on-demand views, lists, times and bytes.
            PassportError: if a feature is published in another version than the passport says, or the passport is one
                of another project.
            EmptyStoreError: if the store has no manifest, or lost its switches or the rows of a view.
            OtherFormatError: if the store was published by a version that this one can't read.
            DamagedRowError: if a row is not the one that was written.
            StoreUnreachableError: if the online store does not answer; the next call tries again.
        """
        request = Request.of(symbols, feature_refs, max_age, full=full_feature_names, passport=passport)
        return driven(self._ask, self._reading.steps(request))

    def close(self) -> None:
        """Give connections back."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, *values: Any) -> Any:
        return getattr(self._backend, method)(*values)


def _opened(
    url: str, project: str, token: str | None
) -> "tuple[ReadBackend | HttpClient, DatabaseReading | HttpReading]":
    """What answers at an address, and how it is read."""
    if url.partition("://")[0] in HTTP:
        from crypto_features_reader.http_answer import HttpReading
        from crypto_features_reader.http_client import HttpClient

        client = HttpClient(url, token)
        return client, HttpReading(client.name)
    backend = connect(url)
    return backend, DatabaseReading(backend.name, project)
