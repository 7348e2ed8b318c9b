"""What stands before the HTTP application: a token, and limits on the size and the time of a body."""

import asyncio
import hmac
import os

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "CRYPTO_FEATURES_SERVE_TOKEN"  # noqa: S105 - the name of a variable.
MOST_BYTES = 1_000_000
BODY_SECONDS = 5.0
"""Less than the server waits for requests when it ends."""
_BEARER = "the header `Authorization: Bearer <token>` is missing or wrong"


class Guard:
    """Refuses, before the application reads anything, who has no token, and bodies that are too large or too slow."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        token, given = os.environ.get(TOKEN, ""), request.headers.get("authorization", "")
        if token and request.url.path != "/health" and not _same(given, f"Bearer {token}"):
            await _refusal(401, _BEARER)(scope, receive, send)
            return
        kind = request.headers.get("content-type", "none")
        if request.method == "POST" and kind.partition(";")[0].strip().lower() != "application/json":
            await _refusal(415, f"send `Content-Type: application/json`, not {kind[:100]!r}")(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            await _refusal(408, f"a body must arrive within {BODY_SECONDS:g} seconds")(scope, receive, send)
            return
        except ClientDisconnect:  # it left; nobody waits for an answer.
            return
        if body is None:
            await _refusal(413, f"a request has at most {MOST_BYTES} bytes")(scope, receive, send)
            return
        rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return rest.pop() if rest else await receive()

        await self.app(scope, replay, send)


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())


def _refusal(status: int, detail: str) -> JSONResponse:
    """An answer after which the connection ends, so that nothing more of the request is read."""
    return JSONResponse({"detail": detail}, status, headers={"Connection": "close"})


async def _body(request: Request) -> bytes | None:
    """The body; none if it is too large, whether or not the client says how large it is."""
    size = request.headers.get("content-length", "0")
    if not size.isdigit() or int(size) > MOST_BYTES:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)
