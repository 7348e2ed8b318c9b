"""Refuses what a foreign web page can have an operator's browser send to Dagster's web server, which takes everything.

That server runs GraphQL mutations by GET, and records materializations and checks by a POST without a body, whatever
`Host` and `Origin` say. What a person types, links to and clicks in the UI passes, and so do programs that are no
browser. `python -m crypto_features.host.web_guard` is that server behind the guard, with the same options.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names by which a browser reaches this machine; another one that leads here was rebound by a foreign page."""
_READS = frozenset({"GET", "HEAD"})
_FRAMED = (b"x-frame-options", b"DENY")


def refusal(scope: Scope) -> tuple[int, str] | None:
    """Status and reason of a request that is refused, as ASGI describes it; `None` of one that may pass."""
    headers = Headers(raw=[(name.lower(), value) for name, value in scope["headers"]])
    (host, *more) = headers.getlist("host") or [""]
    if more or _name(host) not in LOOPBACK:
        return 403, f"the host {host!r} is not served here; open http://127.0.0.1 with the port"
    if scope["type"] != "websocket" and scope["method"] in _READS:
        asks = scope["path"].rstrip("/").endswith("/graphql") and "text/html" not in ",".join(headers.getlist("accept"))
        return (405, "GraphQL is answered by POST only") if asks else None
    if not _same_origin(headers, host):
        return 403, "a request of another web page is refused"
    return None


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of this very server asks, or the request is not from a browser."""
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    return {*sites} <= {"same-origin", "none"} and all(urlsplit(o).netloc.lower() == host.lower() for o in origins)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class WebGuard:
    """The guard around an ASGI application.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self._app(scope, receive, _unframed(send))
            return
        status, why = refused
        if scope["type"] == "websocket":  # closed before it was accepted, the handshake is answered with 403.
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why})
            return
        await PlainTextResponse(f"{why}\n", status)(scope, receive, send)


def _unframed(send: Send) -> Send:
    """No page may show this one in a frame, and have its visitor click there."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), _FRAMED]
        await send(message)

    return sent


def main() -> None:
    """Dagster's web server behind the guard."""
    from crypto_features.host.dagster_private import run_web_server

    run_web_server(WebGuard)


if __name__ == "__main__":
    main()
