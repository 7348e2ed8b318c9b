"""Of a writer that is killed in mid-write, what survives is a prefix of what it wrote, and all that it acknowledged."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.proof
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("kind", "few", "many"), [("rows", 25, 1000), ("candles", 5, 300)])
def test_survivors_are_a_prefix_of_what_was_acknowledged(
    tmp_path: Path, kind: str, few: int, many: int, count: Callable[..., int]
) -> None:
    kills = count(ci=few, proof=many)
    command = [sys.executable, "-m", "tests.crash.appender", kind, str(tmp_path), str(kills), "20240101"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    print(kind, found)
    assert found["broken"] == []
    assert found["acknowledged"] >= found["kills"] == kills
