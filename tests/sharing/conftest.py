"""Two projects in one data folder: each is run from its own folder, with its own catalog."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import redis
from upath import UPath

import feature_repo as repo
from crypto_features.definitions import build
from crypto_features.graph.materialize import materialize_all
from crypto_features.settings import Settings
from crypto_features.store import ConsumedError, FeastResource, session
from crypto_features.store.errors import OtherVersionError
from crypto_features.store.registry import version
from tests.servers import new_database

ROOT = Path(__file__).parents[2]
DESK = ROOT / "examples" / "second_project"
MONTHS = ("2024-01", "2024-02")
NOW = "2024-02-20T00:30Z"
LATER = "2024-02-22T00:30Z"
"""When what was published last has expired."""
REFS = ["price_features:rsi_14", "momentum:overshoot"]


@contextmanager
def project(folder: Path, catalog: str) -> Iterator[None]:
    """Inside it this process is one of the project's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CRYPTO_FEATURES_CATALOG", catalog)
        yield


def owner(catalog: str = "catalog") -> AbstractContextManager[None]:
    """The project that owns the price features."""
    return project(ROOT, f"tests.sharing.owner:{catalog}")


def desk(catalog: str = "my_desk:catalog") -> AbstractContextManager[None]:
    """The project that borrows them."""
    return project(DESK, catalog)


VARIANTS = ("embedded", "postgres", "redis", "bucket")
"""Where registry, online rows and lake are: SQLite and a folder; PostgreSQL; rows in Valkey; the lake in a bucket."""


def environment(patch: pytest.MonkeyPatch, folder: Path | UPath, variables: Mapping[str, str] | None = None) -> None:
    """The settings of both."""
    patch.setenv("CRYPTO_FEATURES_DATA", str(folder))
    for name, value in (variables or {}).items():
        patch.setenv(name, value)
    patch.setenv("CRYPTO_FEATURES_CLOCK", NOW)
    patch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")


def run() -> None:
    """Everything that the project declares, in one run."""
    with dg.instance_for_test() as instance:
        materialize_all(build(Settings.load()), instance, MONTHS)


def registered() -> tuple[str, ...]:
    """What the registry holds of this project: a digest of all definitions, and the versions of its views."""
    store = session.feature_store()
    store.refresh_registry()
    versions = [
        f"{view.name} v{one['version_number']}"
        for view in store.list_feature_views()
        for one in store.registry.list_feature_view_versions(view.name, store.project)
    ]
    return version(store.registry, store.project), *versions


@dataclass(frozen=True)
class Reading:
    """What the borrower reads.

    Args:
        online: Values, statuses and event times of the bot.
        offline: A training set, joined anew.
        files: The content of its own tables, by path.
    """

    online: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]
    offline: pl.DataFrame
    files: Mapping[str, bytes]


def parquet(path: UPath) -> pl.DataFrame:
    """A file of the lake, wherever that is."""
    return pl.read_parquet(BytesIO(path.read_bytes()))


def read(folder: UPath) -> Reading:
    """What the borrower reads now."""
    session.feature_store().refresh_registry()
    answer = repo.get_online_features(["BTC", "ETH"], REFS)
    rows = repo.create_entity_df(["BTC", "ETH"], "2024-01-10", "2024-02-20")
    frame = pl.from_pandas(repo.get_training_features(rows, "momentum_features"))
    own = [path for name in ("momentum", "training") for path in sorted((folder / name).rglob("*.parquet"), key=str)]
    content = {str(path): parquet(path).write_ipc(None).getvalue() for path in own}
    return Reading((dict(answer), answer.statuses, answer.event_times), frame, content)


def without_a_kept_month(folder: UPath) -> OtherVersionError:
    """What a training set says if a month that it needs is there in the newer version only."""
    (month,) = folder.glob("price_features@*/2024-02.parquet")
    content = month.read_bytes()
    month.unlink()
    with pytest.raises(OtherVersionError) as refused:
        read(folder)
    month.write_bytes(content)
    return refused.value


@dataclass(frozen=True)
class Story:
    """What two projects saw, one after the other."""

    folder: UPath
    variables: Mapping[str, str]
    owners: tuple[str, ...]
    owners_after_the_desk: tuple[str, ...]
    desks: tuple[str, ...]
    before: Reading
    refused: ConsumedError
    owners_after_refusal: tuple[str, ...]
    before_upgrade: Mapping[str, bytes]
    owners_upgraded: tuple[str, ...]
    desks_after_upgrade: tuple[str, ...]
    after: Reading
    after_own_run: Reading
    later: Reading
    lost: OtherVersionError
    moved: Reading
    newest: pl.DataFrame


def place(request: pytest.FixtureRequest, folder: Path) -> tuple[UPath, Mapping[str, str]]:
    """The data folder of a variant, and the settings that name its servers."""
    variant: str = request.param
    if variant == "embedded":
        return UPath(folder), {}
    variables = {"CRYPTO_FEATURES_POSTGRES_URL": new_database(request.getfixturevalue("postgres"))}
    if variant == "redis":
        address: str = request.getfixturevalue("valkey").connection_url
        redis.Redis.from_url(address).flushall()  # another test may have switched a symbol off there.
        variables["CRYPTO_FEATURES_REDIS_URL"] = address
    variables["CRYPTO_FEATURES_STORE"] = "redis" if variant == "redis" else "postgres"
    return UPath(f"memory://{folder.name}") if variant == "bucket" else UPath(folder), variables


@pytest.fixture(scope="session", params=VARIANTS)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The owner runs, the desk borrows, the owner may not drop, upgrades, the desk runs again and moves its pin."""
    folder, variables = place(request, tmp_path_factory.mktemp("shared"))
    told: dict[str, Any] = {"folder": folder, "variables": variables}
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, folder, variables)
        with owner():
            run()
            told["owners"] = registered()
        with desk():
            run()
            told |= {"desks": registered(), "before": read(folder)}
        with owner():
            told["owners_after_the_desk"] = registered()
        with owner("without"), pytest.raises(ConsumedError) as refused:
            FeastResource().apply()
        with owner():
            FeastResource().apply()
            told |= {"refused": refused.value, "owners_after_refusal": registered()}
        months = [*(folder / "price_features").glob("*.parquet")]
        told["before_upgrade"] = {path.name: path.read_bytes() for path in months}
        with owner("upgraded"):
            run()
            told["owners_upgraded"] = registered()
        with desk():
            told |= {"desks_after_upgrade": registered(), "after": read(folder)}
            run()
            told["after_own_run"] = read(folder)
            patch.setenv("CRYPTO_FEATURES_CLOCK", LATER)
            told["later"] = read(folder)
            patch.setenv("CRYPTO_FEATURES_CLOCK", NOW)
            told["lost"] = without_a_kept_month(folder)
        with desk("tests.sharing.moved:catalog"):
            run()
            told["moved"] = read(folder)
        with owner("upgraded"):
            rows = repo.create_entity_df(["BTC", "ETH"], "2024-01-10", "2024-02-20")
            told["newest"] = pl.from_pandas(repo.get_training_features(rows, ["price_features:rsi_14"]))
    return Story(**told)
