"""`crypto-features serve`: the online features over HTTP, in Feast's protocol, for reading only."""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crypto_features.cli.app import command
from crypto_features.errors import SettingsError
from crypto_features.store import plain_feast

if TYPE_CHECKING:
    from fastapi import FastAPI

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOKEN = "CRYPTO_FEATURES_SERVE_TOKEN"  # noqa: S105 - the name of a variable.
DRAIN_SECONDS = 8
"""How long requests that are being answered may take when the server is asked to stop."""


def application() -> "FastAPI":
    """What each serving process runs; one of several ends with the process that started it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    plain_feast.load()
    from crypto_features.store.server import app

    return app()


def _end_with(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@command
def serve(
    host: Annotated[str, typer.Option(help="Address to bind; loopback by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to bind.")] = 6566,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    expose: Annotated[bool, typer.Option("--expose", help="For other machines too, here or by a proxy.")] = False,  # noqa: FBT002 - typer reads it.
) -> None:
    """Serve the online features over HTTP: /get-online-features, /health, /freshness, /metrics, /docs and streams.

    Examples:
        crypto-features serve
        crypto-features serve --port 6600 --workers 4
        crypto-features serve --expose    # behind a proxy of this machine; asks for the token
    """
    if host not in LOOPBACK and not expose:
        raise SettingsError(f"{host} can be reached by other machines; add --expose, and set {TOKEN} to a secret.")
    if expose and not os.environ.get(TOKEN):
        raise SettingsError(f"other machines can reach it by --expose; set {TOKEN} to a secret that clients must send.")
    import uvicorn

    from crypto_features.store.connections import MOST_HEADER_BYTES, Connection

    # uvicorn drains, and then raises the signal again: it must end this function, which removes its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="crypto_features_metrics_") as folder:
        # Both names: Feast reads the one, the Prometheus client the other.
        os.environ["PROMETHEUS_MULTIPROCESS_DIR"] = os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "crypto_features.cli.serve:application",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            http=Connection,
            ws="none",
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            log_level="warning",
        )
