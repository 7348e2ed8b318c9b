"""Feast's HTTP feature server, reading only: a token, limits, and no server error for bad input."""

import hmac
import os
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from feast import feature_server, metrics
from feast.errors import FeastError
from prometheus_client import make_asgi_app

from crypto_features.errors import TransientError
from crypto_features.store import session
from crypto_features.store.online.freshness import freshness

TOKEN = "CRYPTO_FEATURES_SERVE_TOKEN"  # noqa: S105 - the name of a variable.
READING = ("/get-online-features", "/health", "/openapi.json", "/docs")
"""What Feast offers and this server keeps: its writing end points share the port otherwise."""
MOST_BYTES = 1_000_000


def app() -> FastAPI:
    """The application over the store of the current settings; `CRYPTO_FEATURES_SERVE_TOKEN` is its token, if set."""
    store = session.feature_store()
    metrics._config = metrics.build_metrics_flags(None)  # noqa: SLF001 - Feast sets it from its own command only.
    served: FastAPI = feature_server.get_app(store)
    served.router.routes[:] = [r for r in served.router.routes if getattr(r, "path", "") in READING]
    served.title, served.version = "crypto-features", "1"
    served.openapi_schema = None
    served.mount("/metrics", make_asgi_app())

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

    @served.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        token = os.environ.get(TOKEN, "")
        given = request.headers.get("authorization", "")
        if (
            token
            and request.url.path != "/health"
            and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
        ):
            return JSONResponse({"detail": "the header `Authorization: Bearer <token>` is missing or wrong"}, 401)
        size = request.headers.get("content-length", "0")
        if not size.isdigit() or int(size) > MOST_BYTES:
            return JSONResponse({"detail": f"a request has at most {MOST_BYTES} bytes"}, 413)
        return await call_next(request)

    for kind in (ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError):
        served.add_exception_handler(kind, _bad_input)
    served.add_exception_handler(FeastError, _feast_error)
    served.add_exception_handler(TransientError, _away)
    served.add_exception_handler(RequestValidationError, _bad_input)
    return served


async def _bad_input(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


async def _feast_error(_: Request, error: Exception) -> Response:
    code = error.http_status_code() if isinstance(error, FeastError) else 422
    return JSONResponse({"detail": str(error)}, code if code < 500 else 422)  # noqa: PLR2004 - server errors start at 500.


async def _away(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "1"})
