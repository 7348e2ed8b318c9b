"""Kline messages of an exchange's websocket: ccxt keeps the subscriptions, and each message comes as it was sent.

ccxt's own `watch_ohlcv_for_symbols` gives the candles of one symbol a call, drops those of the others that came
meanwhile, and keeps neither the closed flag nor quote volume. So its handler of candles is replaced by a queue.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import ccxt.pro
from ccxt.base.errors import BaseError

from crypto_features.errors import TransientError, UnknownNameError
from crypto_features.live.told import READS

Message = Mapping[str, Any]
_TOPICS = {"binance": 200, "bybit": 10, "okx": 100, "kraken": 100}
"""How many markets a subscription may name; Bybit refuses more than 10, and a message has a longest length."""
_CALLED = {"okx": {"6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"}}
"""Candles that begin with the UTC day, where the exchange also has others of the same length."""
_KEEP_ALIVE = 5_000
"""Milliseconds between pings: a peer that is frozen is noticed after two or three."""
_SILENT = 180.0
"""Seconds without any message after which a connection counts as lost."""


class DisconnectedError(TransientError):
    """The connection to the exchange is lost, or cannot be made."""


class Transport(Protocol):
    """Where kline messages come from."""

    def connect(self) -> AsyncGenerator[Message, None]:
        """The messages of one session, from the subscription until the connection is lost.

        Raises:
            DisconnectedError: when it is lost.
        """


class CcxtStream:
    """The candle messages of some markets of Binance, Bybit, OKX or Kraken.

    Args:
        exchange: Name of the exchange in ccxt.
        markets: Its markets, as ccxt loads them.
        names: The markets to follow, such as `BTC/USDT`.
        timeframe: Length of a candle, such as `1h`.
        url: Address in place of the exchange's own websocket, such as `ws://127.0.0.1:9000`.

    Raises:
        UnknownNameError: if it is not known how to read the exchange's candles.
    """

    def __init__(
        self, exchange: str, markets: Mapping[str, Any], names: Sequence[str], timeframe: str, url: str | None = None
    ) -> None:
        if exchange not in READS:
            raise UnknownNameError("exchange with a stream", exchange, READS, "Set CRYPTO_FEATURES_EXCHANGE to one.")
        self._exchange, self._markets, self._url = exchange, markets, url
        called = _CALLED.get(exchange, {}).get(timeframe, timeframe)
        topics, most = [[name, called] for name in names], _TOPICS[exchange]
        self._chunks = [topics[i : i + most] for i in range(0, len(topics), most)]

    async def connect(self) -> AsyncGenerator[Message, None]:
        """The messages of one session."""
        queue: asyncio.Queue[Message | DisconnectedError] = asyncio.Queue()
        client = self._client(queue.put_nowait)
        keepers = [asyncio.ensure_future(self._keep(client, chunk, queue.put_nowait)) for chunk in self._chunks]
        try:
            while True:
                try:
                    async with asyncio.timeout(_SILENT):
                        found = await queue.get()
                except TimeoutError:
                    raise DisconnectedError(f"{self._exchange} sent nothing for {_SILENT:.0f} s.") from None
                if isinstance(found, DisconnectedError):
                    raise found
                yield found
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            with suppress(BaseError, OSError):
                await client.close()

    async def _keep(
        self, client: Any, chunk: Sequence[Sequence[str]], tell: Callable[[DisconnectedError], None]
    ) -> None:
        """Subscribe, and tell when the subscription is lost: nothing resolves what ccxt waits for."""
        try:
            if self._exchange == "kraken":
                named = [name for name, _ in chunk]  # ccxt itself names one, and asks a second apart.
                await client.watch_ohlcv(*chunk[0], params={"params": {"symbol": named}})
            else:
                await client.watch_ohlcv_for_symbols(chunk)
        except (BaseError, OSError) as error:
            tell(DisconnectedError(f"{self._exchange}: {type(error).__name__}: {error}"))

    def _client(self, tell: Callable[[Message], None]) -> Any:
        client = getattr(ccxt.pro, self._exchange)({"enableRateLimit": True})
        client.set_markets(self._markets)
        client.streaming = {**client.streaming, "keepAlive": _KEEP_ALIVE}
        client.options["ws"] = {**client.options.get("ws", {}), "compress": 0}
        client.handle_ohlcv = lambda _client, message: tell(message)
        client.client = _guarded(client.client)
        if self._url:
            _move(client, self._url.rstrip("/"))
        return client


def _guarded(make: Callable[[str], Any]) -> Callable[[str], Any]:
    """A maker of connections that outlive a message which nobody understands: it would end them without a word."""

    def made(url: str) -> Any:
        connection = make(url)
        if "guarded" not in vars(connection):
            handle, connection.guarded = connection.handle_text_or_binary_message, True

            def guarded(data: str | bytes) -> None:
                with suppress(Exception):  # whatever a message does, the next one may be good.
                    handle(data)

            connection.handle_text_or_binary_message = guarded
        return connection

    return made


def _move(client: Any, url: str) -> None:
    """Another address with the exchange's own paths, by which ccxt tells its kinds of markets apart."""
    streams = client.urls["api"]["ws"]
    if client.id == "binance":
        streams["spot"] = f"{url}/stream"
    elif client.id == "bybit":
        streams["public"]["spot"] = f"{url}/v5/public/spot"
    elif client.id == "kraken":
        streams["publicV2"] = f"{url}/v2"
    else:
        client.urls["api"]["ws"] = f"{url}/ws/v5"
