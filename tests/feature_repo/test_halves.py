"""Half a database, as a full disk or a broken copy leaves it: each way in names the file, its loss and the remedy."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from crypto_features.cli import app as command_line
from crypto_features.store import FeastResource, NotAppliedError, StoreMisusedError, session
from crypto_features.store.server import app
from feature_repo import get_online_features

REGISTRY = r"registry\.db is damaged: .+\. It holds which views.+rm -f \S+registry\.db .+feast apply"
ONLINE = r"online\.db is damaged .+\. It holds the newest row.+rm -f \S+online\.db .+crypto-features run"


def cut(path: Path, share: float) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    new = path.with_name("new")
    new.write_bytes(content[: int(len(content) * share)])
    new.rename(path)
    session._stores.clear()


@pytest.mark.parametrize(
    ("name", "share", "said"),
    [
        ("registry.db", 0, r"registry\.db .+ is empty\. Run `crypto-features run`"),
        ("registry.db", 0.25, REGISTRY),
        ("registry.db", 0.5, REGISTRY),
        ("online.db", 0, r"online\.db has nothing of price_features.+crypto-features run"),
        ("online.db", 0.25, ONLINE),
        ("online.db", 0.5, ONLINE),
    ],
)
def test_every_way_in_names_the_file_and_the_remedy(
    own: FeastResource, tmp_path: Path, name: str, share: float, said: str
) -> None:
    cut(tmp_path / "data" / name, share)
    with pytest.raises((NotAppliedError, StoreMisusedError), match=said) as failed:
        get_online_features(["BTC"], ["price_features:rsi_14"])
    found = CliRunner().invoke(command_line, ["scrub"])
    if failed.type is NotAppliedError:
        assert found.exit_code == 0, "where nothing was registered nothing is lost"
    else:
        assert found.exit_code == 1
        assert re.search(said, found.output)
    answer = TestClient(app()).get("/health")
    assert answer.status_code == 503
    assert name in answer.json()["detail"]


def test_a_plain_feast_command_ends_in_one_line(own: FeastResource, tmp_path: Path) -> None:
    cut(tmp_path / "data" / "registry.db", 0.5)
    command = [str(Path(sys.executable).with_name("feast")), "-c", str(session.repo()), "apply"]
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("Error: the registry ")
