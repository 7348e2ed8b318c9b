"""What every test shares: UTC, an empty data folder, the real market if it is at hand, and the scale of slow proofs."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crypto_features.store import plain_feast

pytest_plugins = ["tests.servers"]
os.environ["TZ"] = "UTC"
time.tzset()
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
# Threads that spin until they are scheduled would take the cores from the other worker.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["FEAST_USAGE"] = "False"
plain_feast.load()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proof", action="store_true", help="run the slow proofs at their full count")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a missing program left out, in one line at the end."""
    left_out = sum("no Chromium" in str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    if left_out:
        terminalreporter.write_line(f"{left_out} browser tests were left out: no Chromium (`apt-get install chromium`)")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's shell reaches a test; every test writes to a data folder of its own."""
    for name in [name for name in os.environ if name.startswith("CRYPTO_FEATURES_")]:
        if name != "CRYPTO_FEATURES_REAL_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def count(request: pytest.FixtureRequest) -> Callable[..., int]:
    """`count(ci=5, proof=100)`: how often a slow proof repeats, here and under `make proof`."""
    full = bool(request.config.getoption("--proof"))

    def choose(*, ci: int, proof: int) -> int:
        return proof if full else ci

    return choose


@pytest.fixture(scope="session")
def real_market() -> Path:
    """The folder of real candles that `CRYPTO_FEATURES_REAL_DATA` names."""
    folder = os.environ.get("CRYPTO_FEATURES_REAL_DATA")
    if not folder:
        pytest.skip("CRYPTO_FEATURES_REAL_DATA is not set: no real candles to hold the values against")
    path = Path(folder).resolve()
    assert (path / "candles_1h").is_dir(), f"CRYPTO_FEATURES_REAL_DATA={folder} holds no candles_1h"
    return path


@pytest.fixture(autouse=True)
def _no_instance_left_over() -> Iterator[None]:
    """Dagster keeps the storage of the last instance in a context variable, also after that instance is gone."""
    from dagster._core.storage.defs_state.base import set_defs_state_storage

    with set_defs_state_storage(None):
        yield
