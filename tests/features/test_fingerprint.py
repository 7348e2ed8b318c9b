"""The same code has the same versions on every Python and on any number of threads."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crypto_features.shipped import catalog
from crypto_features.versions.fingerprint import table_fingerprints
from crypto_features.versions.probe_market import probe_history, probe_market
from crypto_features.versions.provenance import column_digests, input_digest

PYTHONS = "FINGERPRINT_PYTHONS"
"""Interpreters to compare, separated as in PATH; each has polars, numpy, pandas and ta installed."""

PROGRAM = """
import json
from crypto_features.shipped import catalog
from crypto_features.versions.fingerprint import table_fingerprints
print(json.dumps(table_fingerprints(catalog)))
"""
HERE = table_fingerprints(catalog)


def fingerprints(python: str, **environment: str) -> dict[str, dict[str, str]]:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [python, "-c", PROGRAM],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def others() -> list[str]:
    named = [python for python in os.environ.get(PYTHONS, "").split(os.pathsep) if python]
    on_path = [python for version in ("3.12", "3.13") if (python := shutil.which(f"python{version}"))]
    needs = "import polars, numpy, pandas, ta"
    return named or [
        p for p in on_path if not subprocess.run([p, "-c", needs], capture_output=True, check=False).returncode
    ]


def test_versions_are_the_same_on_other_pythons() -> None:
    pythons = others()
    if not pythons:
        pytest.skip(f"no python3.12 or 3.13 with polars, numpy, pandas and ta on PATH or in {PYTHONS}")
    assert {python: fingerprints(python) for python in pythons} == dict.fromkeys(pythons, HERE)


@pytest.mark.proof
def test_versions_are_the_same_on_one_thread_and_on_two(count: Callable[..., int]) -> None:
    for threads in ["1", "2"][: count(ci=1, proof=2)]:  # this process has as many as there are cores.
        assert fingerprints(sys.executable, POLARS_MAX_THREADS=threads) == HERE


def test_the_probe_market_is_the_same_on_every_machine() -> None:
    assert input_digest(column_digests(probe_market())) == "d0d7a8a3157c6138"
    assert input_digest(column_digests(probe_history())) == "60643c21fb9517f5"


def test_the_probe_market_has_what_breaks_features() -> None:
    market = probe_market()
    opens = market.filter(symbol="HUGE")["open_time"]
    assert (opens.diff().dt.total_hours() > 24).any(), "a lost day"
    assert market["volume"].min() == 0
    assert market["close"].max() > 10_000  # type: ignore[operator] # a number
    assert market["close"].min() < 1e-4  # type: ignore[operator] # a number
    assert market.filter(symbol="LATE")["open_time"][0] > opens[0]
    flat = market.filter(symbol="FLAT")["close"].rle().struct.field("len").max()
    assert flat == 34 * 24, "a month without a move, but for the lost day"
    wick = market.select((market["low"] / market["close"]).min()).item()
    assert wick < 0.5
