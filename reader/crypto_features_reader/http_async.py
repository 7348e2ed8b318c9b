"""Asks `crypto-features serve` within an event loop, over a connection for each question."""

import asyncio
import ssl
from urllib.parse import urlsplit

from crypto_features_reader.backend import News
from crypto_features_reader.errors import StoreUnreachableError
from crypto_features_reader.http_client import SECONDS, parts


class AsyncHttpClient:
    """As `HttpClient`."""

    def __init__(self, url: str, token: str | None) -> None:
        self.name, self._path, self._headers = parts(url, token)
        self._where = urlsplit(self.name)

    async def ask(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._asked(body)
        except (OSError, ValueError, TimeoutError) as error:
            raise StoreUnreachableError(f"the server {self.name} does not answer: {type(error).__name__}") from None

    async def news(self) -> News:
        """Time alone: a server says nothing of its publishes here."""
        return _Time()

    async def close(self) -> None:
        """Nothing to do: no connection is kept."""

    async def _asked(self, body: bytes) -> tuple[int, bytes]:
        secure = self._where.scheme == "https"
        port = self._where.port or (443 if secure else 80)
        context = ssl.create_default_context() if secure else None
        reader, writer = await asyncio.open_connection(self._where.hostname, port, ssl=context)
        try:
            headers = {**self._headers, "Host": self._where.netloc, "Content-Length": str(len(body))}
            # Of HTTP/1.0 an answer is one piece that ends with the connection.
            lines = [f"POST {self._path} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(lines).encode() + body)
            await writer.drain()
            head, blank, content = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        _, status, *_ = head.partition(b"\r\n")[0].split(b" ")
        if not blank:
            raise ValueError("the answer was cut")
        return int(status), content


class _Time:
    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        pass
