"""Feast's HTTP feature server, reading only: a token, limits, and no server error for bad input."""

import hmac
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from feast import feature_server
from feast.errors import FeastError, FeastObjectNotFoundException, FeatureNameCollisionError
from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crypto_features.errors import InputError, TransientError, UnknownNameError
from crypto_features.store import feast_private, registered, session
from crypto_features.store.errors import NotAppliedError
from crypto_features.store.online.freshness import freshness

TOKEN = "CRYPTO_FEATURES_SERVE_TOKEN"  # noqa: S105 - the name of a variable.
READING = ("/health", "/openapi.json", "/docs")
"""What Feast offers and this server keeps as it is: its writing end points share the port otherwise."""
MOST_BYTES = 1_000_000
MOST_VALUES = 500_000
"""How many values one request may ask for: its rows times its features."""

_MOST_PROBLEMS = 10
log = logging.getLogger(__name__)


def app() -> FastAPI:
    """The application over the store of the current settings; `CRYPTO_FEATURES_SERVE_TOKEN` is its token, if set."""
    store = session.feature_store()
    feast_private.count_requests()
    served: FastAPI = feature_server.get_app(store)
    routes: dict[str, Any] = {getattr(route, "path", ""): route for route in served.router.routes}
    read = routes["/get-online-features"].endpoint
    served.router.routes[:] = [route for path, route in routes.items() if path in READING]
    served.title, served.version = "crypto-features", "1"
    served.openapi_schema = None
    # Each process keeps its own figures in files of one folder; whichever is asked answers for all.
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the client has no types.
    served.mount("/metrics", make_asgi_app(registry))

    @served.get("/freshness")
    def ages() -> dict[str, Any]:
        """For each view the newest event time, its age in seconds, and the symbols that have expired."""
        return {
            view: {
                "newest": None if found.newest is None else found.newest.isoformat(),
                "age_seconds": None if found.age is None else found.age.total_seconds(),
                "allowed_seconds": None if found.allowed is None else found.allowed.total_seconds(),
                "expired": list(found.expired),
                "fresh": found.fresh,
            }
            for view, found in freshness(store).items()
        }

    @served.post("/get-online-features", response_model=feature_server.OnlineFeaturesResponse)
    async def get_online_features(request: feature_server.GetOnlineFeaturesRequest) -> Any:
        """The newest features of some entities; a value that must not be used is null, and its status says why."""
        full = request.full_feature_names
        await run_in_threadpool(check, request.features, request.feature_service, request.entities, full=full)
        return await read(request)

    served.add_middleware(Guard)
    for kind in (RequestValidationError, InputError, UnknownNameError, FeatureNameCollisionError):
        served.add_exception_handler(kind, _bad_input)
    served.add_exception_handler(FeastObjectNotFoundException, _bad_input)
    for kind in (TransientError, NotAppliedError):
        served.add_exception_handler(kind, _away)
    for kind in (FeastError, Exception):
        served.add_exception_handler(kind, _failed)
    return served


def check(
    features: list[str] | None, service: str | None, entities: Mapping[str, Sequence[Any]], *, full: bool
) -> None:
    """Check a request, so that whatever goes wrong after it is the fault of the server.

    Raises:
        InputError: if features or entities have another form.
        UnknownNameError: if a service, view or feature does not exist.
    """
    found = registered.resolved(session.feature_store(), service or features or [], full=full)
    if not entities or len({len(values) for values in entities.values()}) != 1:
        raise InputError('entities must have lists of one length, such as {"symbol": ["BTC", "ETH"]}.')
    for name, values in entities.items():
        bad = [value for value in values if not _fits(value)]
        if bad or not values:
            raise InputError(
                f"entities: {name!r} must be a list of texts or numbers of 64 bits, not {(bad or values)[:1]!r}."
            )
    rows = len(next(iter(entities.values())))
    if rows * len(found) > MOST_VALUES:
        raise InputError(
            f"{rows} rows of {len(found)} features are more than the {MOST_VALUES} values of one request; split it."
        )


def _fits(value: object) -> bool:
    """Whether an entity value can be asked for: half a surrogate pair is not text."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


class Guard:
    """Refuses, before the application reads anything, a request without the token or with too large a body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        token, given = os.environ.get(TOKEN, ""), request.headers.get("authorization", "")
        right = hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
        if token and not right and request.url.path != "/health":
            detail = "the header `Authorization: Bearer <token>` is missing or wrong"
            await JSONResponse({"detail": detail}, 401)(scope, receive, send)
            return
        body = await _body(request)
        if body is None:
            await JSONResponse({"detail": f"a request has at most {MOST_BYTES} bytes"}, 413)(scope, receive, send)
            return
        rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return rest.pop() if rest else await receive()

        await self.app(scope, replay, send)


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


async def _bad_input(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        # Not its text, which shows a path of the server, nor what was sent.
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:_MOST_PROBLEMS])
        return JSONResponse({"detail": "; ".join(wrong)}, 422)
    return JSONResponse({"detail": str(error)}, 422)


async def _away(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "1"})


async def _failed(request: Request, error: Exception) -> Response:
    # Not its text: it may hold an address with its password.
    log.error("%s failed", request.url.path, exc_info=error)
    return JSONResponse({"detail": "an error of the server; its log holds the cause"}, 500)
