"""The wheel of the reader, alone in an empty environment, reads what the platform published."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.services import alike
from tests.services.alike import NOW

ROOT = Path(__file__).parents[2]
MOST_MB = 25
READ = """
import json, sys
from crypto_features_reader import Reader

with Reader(sys.argv[1], project="shop") as reader:
    found = reader.get_online_features(["BTC", "OLD", "NEW"], "both")
foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"crypto_features_reader"}
loaded = sorted({"asyncio", "dataclasses", "hashlib", "http", "inspect", "ssl"} & sys.modules.keys())
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1000
print(json.dumps([found, found.statuses, sorted(foreign), loaded, peak]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and nothing else; nothing is downloaded."""
    folder, uv = tmp_path_factory.mktemp("bot"), str(Path(sys.prefix) / "bin" / "uv")
    build = [str(Path(sys.prefix) / "bin" / "hatchling"), "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT / "reader", check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([uv, "venv", "--quiet", "--offline", "--python", sys.executable, folder / "venv"], check=True)
    found = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", found, wheel], check=True)
    return found


def test_it_reads_with_the_standard_library_alone_and_in_little_memory(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    url = f"sqlite:///{tmp_path}/online.db"
    feast = alike.opened(tmp_path, url)
    alike.publish(feast, "prices", {"BTC": timedelta(0), "OLD": timedelta(hours=2)})
    alike.publish(feast, "volumes", {"BTC": timedelta(0)})
    alike.online(feast).backend(feast.config).close()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([python, "-I", "-c", READ, url], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    values, statuses, foreign, loaded, peak = found
    assert values == {
        "symbol": ["BTC", "OLD", "NEW"],
        "size": [7.0, None, None],
        "label": ["BULL", None, None],
        "price": [1.5, None, None],
    }
    assert statuses == {
        "size": ["PRESENT", "NOT_FOUND", "NOT_FOUND"],
        "label": ["PRESENT", "EXPIRED", "NOT_FOUND"],
        "price": ["PRESENT", "EXPIRED", "NOT_FOUND"],
    }
    assert {name for name in foreign if not name.startswith("_")} == set()
    assert loaded == []
    assert peak < MOST_MB


def test_a_driver_that_is_not_installed_is_named_with_its_extra(python: Path) -> None:
    read = "import sys; from crypto_features_reader import Reader; Reader(sys.argv[1])"
    for url, extra in (("redis://127.0.0.1:1/0", "redis"), ("postgresql://127.0.0.1:1/d", "postgres")):
        done = subprocess.run([python, "-I", "-c", read, url], capture_output=True, text=True, check=False)
        assert f"pip install 'crypto-features-reader[{extra}]'" in done.stderr
