"""Requests to an address that a person set, which is a secret: no error repeats it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from crypto_features.errors import PermanentError, SettingsError, TransientError
from crypto_features.sources.bounded import bounded
from crypto_features.sources.web import BUSY, SERVER_FAULT

TIMEOUT_SECONDS = 10
_ANSWER_BYTES = 1 << 20
_TAKEN = range(200, 300)


@dataclass(frozen=True)
class Webhook:
    """An address, as errors call it.

    Args:
        name: Such as `alert webhook`.
        setting: The variable that holds the address.
        again: What the next tick does if the receiver is away.
    """

    name: str
    setting: str
    again: str

    def call(self, url: str, message: Mapping[str, Any] | None = None) -> None:
        """Post a message as JSON; without one, get the address.

        Raises:
            SettingsError: if the address is not http or https.
            TransientError: if the receiver is away, slow, busy or broken; the next tick tries again.
            PermanentError: if the receiver refuses the message, or sends it on to another address.
        """
        refused = SettingsError(f"{self.setting} is not an http or https address; expected https://…")
        if not url.startswith(("http://", "https://")):
            raise refused
        method = "GET" if message is None else "POST"
        try:
            with bounded(requests.Session(), _ANSWER_BYTES, TIMEOUT_SECONDS) as session:
                answer = session.request(method, url, json=message, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                status = answer.status_code
        except ValueError:
            raise refused from None
        except requests.RequestException as error:
            raise TransientError(
                f"the {self.name} is not reachable ({type(error).__name__}); the next tick {self.again}"
            ) from None
        if status in BUSY or status >= SERVER_FAULT:
            raise TransientError(f"the {self.name} answered {status}; the next tick {self.again}")
        if status not in _TAKEN:
            raise PermanentError(f"the {self.name} answered {status} and took nothing; check {self.setting}")


ALERTS = Webhook("alert webhook", "CRYPTO_FEATURES_ALERT_WEBHOOK", "sends the alert again")
HEARTBEAT = Webhook("heartbeat address", "CRYPTO_FEATURES_HEARTBEAT_URL", "asks it again")
