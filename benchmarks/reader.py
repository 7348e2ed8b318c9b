"""What a bot pays for its first read and for each further one: `python -m benchmarks.reader`.

It publishes two views of 10 features for 20 symbols to SQLite, and reads all of them in processes of their own, with
the reader alone and with the platform.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from statistics import median

import polars as pl

from benchmarks.store_process import quantile, table
from crypto_features.store.online.manifest import publish_manifest
from crypto_features.store.online.pack_frame import packed_rows
from tests.services.alike import NOW, online
from tests.store import factory

SYMBOLS = [f"S{n:02}" for n in range(20)]
VIEWS = {view: [f"{view}_{n}" for n in range(10)] for view in ("a", "b")}
PROCESSES, READS = 15, 2000
_READ = """
import sys, time, json
began = time.perf_counter(), time.process_time()
{opened}
imported = time.perf_counter(), time.process_time()
read()
first = time.perf_counter(), time.process_time()
warm = []
for _ in range({reads}):
    start = time.perf_counter()
    read()
    warm.append(time.perf_counter() - start)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
resident = int(status["VmRSS"].split()[0]) / 1000
print(json.dumps([imported[0] - began[0], first[0] - imported[0], first[1] - began[1], sorted(warm), resident]))
"""
_READER = """
from crypto_features_reader import Reader
reader = Reader(sys.argv[1], project="shop")
symbols, refs = json.loads(sys.argv[2]), json.loads(sys.argv[3])
read = lambda: reader.get_online_features(symbols, refs)
"""
_PLATFORM = """
from pathlib import Path
from tests.store import factory
from feast import FeatureStore
online = {"type": factory.ONLINE, "url": sys.argv[1], "grace_seconds": 300}
store = FeatureStore(config=factory.config(Path(sys.argv[4]), online=online))
symbols, refs = json.loads(sys.argv[2]), json.loads(sys.argv[3])
read = lambda: store.get_online_features(refs, {"symbol": symbols})
"""


def publish(folder: Path, url: str) -> None:
    views = [factory.view(folder, name, dict.fromkeys(features, pl.Float64)) for name, features in VIEWS.items()]
    feast = factory.store(folder, views, online={"type": factory.ONLINE, "url": url, "grace_seconds": 300})
    for view in views:
        times = {"event_timestamp": [NOW] * len(SYMBOLS), "created_timestamp": [NOW] * len(SYMBOLS)}
        values = {name: [float(n) for n in range(len(SYMBOLS))] for name in VIEWS[view.name]}
        declared = feast.get_feature_view(view.name)
        rows = packed_rows(pl.DataFrame({"symbol": SYMBOLS, **times, **values}), declared, 3)
        online(feast).write_rows(feast.config, declared, rows)
    publish_manifest(online(feast), feast.config, feast.registry)
    online(feast).backend(feast.config).close()


def measured(script: str, url: str, folder: Path, processes: int) -> dict[str, str]:
    refs = [f"{view}:{name}" for view, names in VIEWS.items() for name in names]
    command = [sys.executable, "-W", "ignore", "-c", script, url, json.dumps(SYMBOLS), json.dumps(refs), str(folder)]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(processes)]
    imports, firsts, cpu, warm, resident = zip(*runs, strict=True)
    every = sorted(seconds for each in warm for seconds in each)
    return {
        "import ms": f"{median(imports) * 1000:.1f}",
        "first read ms": f"{median(firsts) * 1000:.1f}",
        "CPU of both ms": f"{median(cpu) * 1000:.1f}",
        "warm read p50 / p99 ms": f"{quantile(every, 0.5) * 1000:.3f} / {quantile(every, 0.99) * 1000:.3f}",
        "resident MB": f"{max(resident):.0f}",
    }


def main() -> None:
    """Measure both and print a table."""
    os.environ["CRYPTO_FEATURES_CLOCK"] = (NOW + timedelta(minutes=1)).isoformat()
    with tempfile.TemporaryDirectory() as name:
        address = f"sqlite:///{name}/online.db"
        publish(Path(name), address)
        light = measured(_READ.format(opened=_READER, reads=READS), address, Path(name), PROCESSES)
        whole = measured(_READ.format(opened=_PLATFORM, reads=READS), address, Path(name), 3)
    print(table([{"": "reader", **light}, {"": "platform", **whole}]))


if __name__ == "__main__":
    main()
