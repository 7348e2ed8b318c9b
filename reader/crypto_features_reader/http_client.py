"""Asks `crypto-features serve` over one connection a thread, which is kept."""

import http.client
import threading
from urllib.parse import urlsplit

from crypto_features_reader.errors import SettingsError, StoreUnreachableError
from crypto_features_reader.http_answer import PATH

SECONDS = 5.0
"""How long the server may be silent."""


class HttpClient:
    """A server at `http://host:port` or `https://…`.

    Args:
        url: Its address.
        token: What it asks for, if it does.

    Raises:
        SettingsError: if the address has another form.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self.name, self.path, self.headers = parts(url, token)
        self._where, self._local = urlsplit(self.name), threading.local()

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; a kept connection that the server ended is made anew once."""
        try:
            if getattr(self._local, "connection", None) is not None:
                try:
                    return self._asked(body)
                except (http.client.BadStatusLine, ConnectionError):
                    self.close()
            return self._asked(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise StoreUnreachableError(f"the server {self.name} does not answer: {type(error).__name__}") from None

    def close(self) -> None:
        """End this thread's connection."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _asked(self, body: bytes) -> tuple[int, bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            secure = self._where.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            connection = self._local.connection = kind(self._where.netloc, timeout=SECONDS)
        connection.request("POST", self.path, body, self.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def parts(url: str, token: str | None) -> tuple[str, str, dict[str, str]]:
    """The address of a server without a path, the path of a question, and its headers.

    Raises:
        SettingsError: if the address has another form.
    """
    where = urlsplit(url)
    if where.scheme not in ("http", "https") or not where.hostname or "@" in where.netloc or where.query:
        raise SettingsError("this is not the address of a server; expected such as http://127.0.0.1:6566")
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return f"{where.scheme}://{where.netloc}", f"{where.path.rstrip('/')}{PATH}", headers
