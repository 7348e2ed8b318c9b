"""A reader of another release, a manifest that is damaged, a user who may only read."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore

from crypto_features.store.online.backend import Backend, StoredRow
from crypto_features.store.online.place import table_name
from crypto_features.store.online.request import entity_keys
from crypto_features_reader import Reader
from crypto_features_reader.errors import DamagedRowError, InputError, OtherFormatError, UnknownNameError
from crypto_features_reader.keys import entity_key, key_prefix
from crypto_features_reader.manifest import TABLE, packed, unpacked
from tests.services import alike
from tests.services.alike import EVERY, NOW, PROJECT, content

ROOT = Path(__file__).parents[2]
KEY = PROJECT.encode()
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/online.db"


@pytest.fixture
def feast(tmp_path: Path, url: str) -> Iterator[FeatureStore]:
    store = alike.opened(tmp_path, url)
    alike.publish(store, "prices", {"BTC": NOW - NOW})
    yield store
    backend(store).close()


def backend(feast: FeatureStore) -> Backend:
    return alike.online(feast).backend(feast.config)


def manifest(feast: FeatureStore) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(backend(feast).read({TABLE: [KEY]})[TABLE][KEY].payload)
    return found


def rewrite(feast: FeatureStore, edit: Edit) -> None:
    """Publish the manifest that another release would have written."""
    content = manifest(feast)
    edit(content)
    backend(feast).write(TABLE, [StoredRow(KEY, 0, 0, json.dumps(content).encode())])


def answer(url: str) -> dict[str, Any]:
    with Reader(url, project=PROJECT) as reader:
        return content(reader.get_online_features(["BTC", "NEW"], EVERY))


def newer(content: dict[str, Any]) -> None:
    """One minor format later: more keys everywhere."""
    content["format"] = [1, 1, "more"]
    content["more"] = {"of": "it"}
    for view in content["views"].values():
        view["more"] = 1
        for version in (view["current"], *view["versions"].values()):
            version["more"] = [1]


def older(content: dict[str, Any]) -> None:
    """One minor format before: only what a manifest must have."""
    del content["on_demand"]
    for view in content["views"].values():
        for version in (view["current"], *view["versions"].values()):
            for name in set(version) - {"table", "join_keys", "kinds", "ttl", "lowest", "least"}:
                del version[name]


@pytest.mark.parametrize("edit", [newer, older])
def test_a_manifest_of_another_minor_format_is_read(feast: FeatureStore, url: str, edit: Edit) -> None:
    expected = answer(url)
    rewrite(feast, edit)
    assert answer(url) == expected
    assert expected["values"][1] == ("price", [1.5, None])


@pytest.mark.parametrize(("number", "word"), [(2, "publishes"), (0, "reads")])
def test_a_manifest_of_another_major_format_is_refused_by_name(
    feast: FeatureStore, url: str, number: int, word: str
) -> None:
    rewrite(feast, lambda content: content.update(format=[number, 3]))
    with pytest.raises(OtherFormatError, match=rf"has the format {number}\.3, and this reader knows 1\.0: .*{word}"):
        answer(url)


def test_a_view_that_needs_more_than_this_reader_knows_is_refused_and_the_others_are_not(
    feast: FeatureStore, url: str
) -> None:
    alike.publish(feast, "volumes", {"BTC": NOW - NOW})
    rewrite(feast, lambda content: content["views"]["prices"]["current"].update(needs=["completeness", "quorum"]))
    with Reader(url, project=PROJECT) as reader:
        with pytest.raises(OtherFormatError, match="prices needs quorum, which this reader does not know"):
            reader.get_online_features(["BTC"], ["prices:price"])
        assert reader.get_online_features(["BTC"], ["volumes:size"])["size"] == [7.0]


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"format": [1, 0], "views": 3}', b"\xff"])
def test_what_is_not_a_manifest_is_refused(feast: FeatureStore, url: str, payload: bytes) -> None:
    backend(feast).write(TABLE, [StoredRow(KEY, 0, 0, payload)])
    with pytest.raises(DamagedRowError, match=r"the manifest in .*online\.db is damaged .*Publish again"):
        answer(url)


def test_a_bit_that_rots_in_the_manifest_is_an_error(feast: FeatureStore, url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "online.db") as file:
        ((stored,),) = file.execute(f'SELECT payload FROM "{TABLE}"').fetchall()  # noqa: S608 - a constant.
        damaged = stored.replace(b'"ttl":3600000000', b'"ttl":7600000000')
        assert damaged != stored
        file.execute(f'UPDATE "{TABLE}" SET payload = ?', [damaged])  # noqa: S608 - a constant.
    file.close()
    with pytest.raises(DamagedRowError, match="is damaged"):
        answer(url)


def test_a_manifest_comes_back_as_it_was(feast: FeatureStore) -> None:
    payload = backend(feast).read({TABLE: [KEY]})[TABLE][KEY].payload
    assert packed(unpacked(payload, "here")) == payload


def test_what_needs_the_platform_is_refused_by_name(feast: FeatureStore, url: str) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["on_demand"] = ["orders"]
        view = content["views"]["prices"]["current"]
        view["kinds"] |= {"path": "value"}
        content["views"]["days"] = {"current": {**view, "join_keys": []}, "versions": {}}
        content["views"]["venues"] = {"current": {**view, "join_keys": ["venue"]}, "versions": {}}

    rewrite(feast, edit)
    with Reader(url, project=PROJECT) as reader:
        for ref, kind, said in (
            ("orders:cost", InputError, "orders is computed while it is read"),
            ("prices:path", InputError, "prices:path is a list, a time or bytes"),
            ("days:price", InputError, "days has no entity"),
            ("venues:price", UnknownNameError, "unknown entity 'venue'"),
        ):
            with pytest.raises(kind, match=said):
                reader.get_online_features(["BTC"], [ref])


@pytest.mark.parametrize("symbol", ["BTC", "", "1000SATS", "Ð", "x" * 300])
def test_keys_are_those_of_feast(feast: FeatureStore, symbol: str) -> None:
    (expected,), _ = entity_keys(feast.get_feature_view("prices"), {"symbol": [symbol]}, 3)
    assert entity_key(key_prefix("symbol"), symbol) == expected


READ = """
import os, sys
from crypto_features_reader import Reader
reader = Reader(sys.argv[1], project="shop")
os.setuid(65534)
for attempt in range(2):
    print(reader.get_online_features(["BTC"], ["prices:price"])["price"], flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may only read")
def test_a_user_who_may_only_read_reads_a_file_that_nobody_has_open_and_each_change(feast: FeatureStore) -> None:
    folder = Path(tempfile.mkdtemp())  # not below pytest's folder, which is closed to others.
    folder.chmod(0o755)
    table = table_name(feast.config, feast.get_feature_view("prices"))
    try:
        backend(feast).close()
        for path in Path(feast.config.repo_path).glob("online*"):
            shutil.copy(path, folder / path.name)
        reader = subprocess.Popen(
            [sys.executable, "-c", READ, f"sqlite:///{folder}/online.db"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "reader")},
        )
        assert reader.stdout is not None
        assert reader.stdout.readline() == "[1.5]\n"
        assert sorted(path.name for path in folder.iterdir()) == ["online.db", "online_switches.db"]
        with sqlite3.connect(folder / "online.db") as file:
            file.execute(f'DELETE FROM "{table}"')  # noqa: S608 - of this test.
        file.close()
        assert reader.communicate("\n\n", timeout=60)[0] == "[None]\n"
    finally:
        shutil.rmtree(folder)
