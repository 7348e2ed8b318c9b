"""The HTTP server of the online features, in Feast's protocol, for reading only.

What takes long runs in threads, in a lane for each kind of question: health and metrics never wait for features.
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from html import escape
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from feast import metrics
from feast.errors import FeastError, FeastObjectNotFoundException, FeatureNameCollisionError
from feast.feature_server import GetOnlineFeaturesRequest, OnlineFeaturesResponse
from feast.feature_server_utils import convert_response_to_dict
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel, Field

from crypto_features import clock
from crypto_features.errors import CryptoFeaturesError, InputError, TransientError, UnknownNameError
from crypto_features.settings import Settings
from crypto_features.store import feast_private, registered, session
from crypto_features.store.errors import EmptyStoreError, NotAppliedError, PassportError, StoreUnreachableError
from crypto_features.store.live_figures import LiveFigures
from crypto_features.store.online.answer import online_features_of, partial_rows
from crypto_features.store.online.freshness import freshness
from crypto_features.store.online.store import limited_to
from crypto_features.store.online.unpack_frame import guarded_store
from crypto_features.store.passport import Passport, read_permitted
from crypto_features.store.server_guard import Guard
from crypto_features.store.streams import PATH as STREAM
from crypto_features.store.streams import Question, Streams
from crypto_features.store.view_figures import ViewFigures
from crypto_features_reader.backend import News
from crypto_features_reader.http_answer import PATH, answer
from crypto_features_reader.reading import KNOWN

MOST_VALUES = 100_000
"""How many values one request may ask for: its rows times its features."""
READERS, MOST_WAITING = 4, 128
"""How many requests for features are answered at once, and how many more may wait for it."""

_MOST_PROBLEMS = 10
_READ = "/get-online-features"
_LIVE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody between may keep an event back."""
log = logging.getLogger(__name__)

T = TypeVar("T")


class Lane:
    """Threads for one kind of question, and a line before them that has an end."""

    def __init__(self, at_once: int) -> None:
        self._limiter = CapacityLimiter(at_once)

    async def run(self, work: Callable[[], T]) -> T:
        """What the work returns.

        Raises:
            StoreUnreachableError: if too many are in line.
        """
        if self._limiter.statistics().tasks_waiting >= MOST_WAITING:
            raise StoreUnreachableError(f"{MOST_WAITING} requests wait for an answer; ask again later")
        return await to_thread.run_sync(work, limiter=self._limiter)


class Asked(GetOnlineFeaturesRequest):
    """A request in Feast's protocol, of a model that may hand in its passport."""

    passport: dict[str, Any] | None = None


class AskedByReader(BaseModel):
    """What `crypto_features_reader` asks for."""

    symbols: list[str]
    features: list[str] | None = None
    feature_service: str | None = None
    full_feature_names: bool = False
    max_age_seconds: float | None = Field(None, ge=0, le=1e9, allow_inf_nan=False)
    passport: dict[str, Any] | None = None


def app() -> FastAPI:
    """The application over the store of the current settings; `CRYPTO_FEATURES_SERVE_TOKEN` is its token, if set."""
    store = session.feature_store()
    feast_private.count_requests()
    reading, streaming, telling, asking = Lane(READERS), Lane(1), Lane(1), Lane(1)

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        await store.initialize()
        yield
        await store.close()

    served = FastAPI(title="crypto-features", version="1", lifespan=opened, docs_url=None, redoc_url=None)

    @served.get("/health")
    async def health() -> Response:
        """200 if registry and online store answer and rows were published; else 503 with the reason."""
        try:
            await asking.run(lambda: _require_healthy(store))
        except CryptoFeaturesError as error:
            return JSONResponse({"detail": str(error)}, 503)
        return JSONResponse({"status": "serving"})

    @served.get("/freshness")
    async def ages() -> Response:
        """For each view the newest event time, its age in seconds, and the symbols that have expired."""
        return JSONResponse(await telling.run(lambda: _ages(store)))

    @served.get("/metrics")
    async def figures() -> Response:
        """The figures of all processes of this server, for Prometheus."""
        return Response(await telling.run(partial(_figures, store)), media_type=CONTENT_TYPE_LATEST)

    @served.get("/docs", response_class=HTMLResponse)
    async def docs() -> Response:
        """This page."""
        return HTMLResponse(_page(served.openapi()))

    @served.post(_READ, response_model=OnlineFeaturesResponse)
    async def get_online_features(request: Asked) -> Response:
        """The newest features of some entities; a value that must not be used is null, and its status says why."""
        with metrics.track_request_latency(_READ):
            answer = await reading.run(lambda: _answer(store, request))
        metrics.track_online_features_entities(len(next(iter(request.entities.values()))))
        return Response(answer, media_type="application/json")

    async def read_again(question: Question) -> bytes:
        service, symbols = question
        asked = Asked(feature_service=service, entities={"symbol": [*symbols]})
        return await streaming.run(lambda: _answer(store, asked))

    streams = Streams(read_again, partial(_news, store))

    @served.get(f"/features/{{service}}{STREAM}", response_class=StreamingResponse)
    async def stream(service: str, symbols: str) -> Response:
        """Server-sent events `features`: the newest of a service for `symbols=BTC,ETH` now, and each time that one
        changes.
        """
        question = service, _named(symbols)
        streams.require_place()
        await read_again(question)  # what is wrong with it is said before the stream begins.
        return StreamingResponse(streams.events(question), media_type="text/event-stream", headers=_LIVE)

    _answer_readers(served, store, reading)
    served.add_middleware(Guard)
    _tell_errors(served)
    return served


async def _news(store: Any) -> News:
    return await guarded_store(store).backend(store.config).news()


def _answer_readers(served: FastAPI, store: Any, reading: Lane) -> None:
    @served.post(PATH)
    async def online_features(request: AskedByReader) -> Response:
        """The newest features of some symbols as `crypto_features_reader` takes them, each status in our own words."""
        with metrics.track_request_latency(PATH):
            found = await reading.run(lambda: _for_reader(store, request))
        metrics.track_online_features_entities(len(request.symbols))
        return JSONResponse(found)


def _answer(store: Any, request: Asked) -> bytes:
    """Feast's answer as JSON, column by column: a single call would keep every other thread waiting."""
    refs = check(request.features, request.feature_service, request.entities, full=request.full_feature_names)
    service = request.feature_service

    def read(features: Any) -> Any:
        return store.get_online_features(
            features=features,
            entity_rows=request.entities,
            full_feature_names=request.full_feature_names,
            include_feature_view_version_metadata=request.include_feature_view_version_metadata,
        )

    if request.passport is None:
        response = read(store.get_feature_service(service, allow_cache=True) if service else request.features)
    else:
        response = read_permitted(store, Passport.of(request.passport), refs, read)
    found = convert_response_to_dict(response.proto)
    if lacking := partial_rows(response):
        found["metadata"]["partial"] = lacking
    columns = ",".join(json.dumps(column, allow_nan=False) for column in found.pop("results"))
    return f'{{"results": [{columns}], {json.dumps(found)[1:]}'.encode()


def _for_reader(store: Any, request: AskedByReader) -> dict[str, Any]:
    entities, full = {"symbol": request.symbols}, request.full_feature_names
    refs = check(request.features, request.feature_service, entities, full=full)
    age = request.max_age_seconds

    def read(features: list[str]) -> Any:
        return store.get_online_features(features, entities, full_feature_names=full)

    with limited_to(None if age is None else timedelta(seconds=age)):
        passport = None if request.passport is None else Passport.of(request.passport)
        response = read(refs) if passport is None else read_permitted(store, passport, refs, read)
    now = clock.now()
    return answer(online_features_of(response, {"symbol"}, now), now)


def _named(symbols: str) -> tuple[str, ...]:
    names = tuple(symbols.split(","))
    if not all(names):
        raise InputError(f"symbols={symbols!r} are not names with commas between them, such as BTC,ETH.")
    return names


def _require_healthy(store: Any) -> None:
    views, online = registered.all_views(store), guarded_store(store)
    for view in views:
        online.require_there(store.config, view)
    backend = online.backend(store.config)
    if KNOWN not in backend.switches():
        raise NotAppliedError(
            f"the online store {backend.name} is empty: it was never published to, or was replaced by another"
        )


def _ages(store: Any) -> dict[str, Any]:
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


def _figures(store: Any) -> bytes:
    # Each process keeps its own figures in files of one folder; whichever is asked answers for all.
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the client has no types.
    registry.register(LiveFigures(Settings.load().root, clock.now()))
    registry.register(ViewFigures(partial(freshness, store)))
    return generate_latest(registry)


def _page(openapi: Mapping[str, Any]) -> str:
    """What can be asked, without a script and without anything from another host."""
    rows = "".join(
        f"<dt><code>{method.upper()} {escape(path)}</code></dt><dd>{escape(found.get('description', ''))}</dd>"
        for path, methods in openapi["paths"].items()
        for method, found in methods.items()
    )
    title, example = escape(openapi["info"]["title"]), {"features": ["view:feature"], "entities": {"symbol": ["BTC"]}}
    return (
        f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1><dl>{rows}</dl>'
        f"<p>The body of <code>POST {_READ}</code>, as <code>application/json</code>:</p>"
        f"<pre>{escape(json.dumps(example))}</pre>"
        '<p>Every field and type: <a href="openapi.json">openapi.json</a>.</p></html>'
    )


def check(
    features: list[str] | None, service: str | None, entities: Mapping[str, Sequence[Any]], *, full: bool
) -> list[str]:
    """The features of a request, which is checked, so that whatever goes wrong after it is the fault of the server.

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
    return found


def _fits(value: object) -> bool:
    """Whether an entity value can be asked for: half a surrogate pair is not text."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _tell_errors(served: FastAPI) -> None:
    for kind in (RequestValidationError, InputError, UnknownNameError, PassportError, FeatureNameCollisionError):
        served.add_exception_handler(kind, _bad_input)
    served.add_exception_handler(FeastObjectNotFoundException, _bad_input)
    for kind in (TransientError, NotAppliedError, EmptyStoreError):
        served.add_exception_handler(kind, _away)
    for kind in (FeastError, Exception):
        served.add_exception_handler(kind, _failed)


async def _bad_input(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        # Not its text, which shows a path of the server, nor what was sent.
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:_MOST_PROBLEMS])
        return JSONResponse({"detail": "; ".join(wrong)}, 422)
    return JSONResponse(_named_error(error), 422)


async def _away(_: Request, error: Exception) -> Response:
    return JSONResponse(_named_error(error), 503, headers={"Retry-After": "1"})


def _named_error(error: Exception) -> dict[str, str]:
    return {"detail": str(error), "error": type(error).__name__}


async def _failed(request: Request, error: Exception) -> Response:
    # Not its text: it may hold an address with its password.
    log.error("%s failed", request.url.path, exc_info=error)
    return JSONResponse({"detail": "an error of the server; its log holds the cause"}, 500)
