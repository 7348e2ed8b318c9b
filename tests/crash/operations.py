"""What is struck: for each operation the state before it, itself, and what a reader sees of it in the end."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import numpy as np
import polars as pl
import sqlalchemy as sa
from upath import UPath

from crypto_features.errors import UnknownNameError
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.materialize import materialize_all
from crypto_features.graph.models import model_table
from crypto_features.graph.partitions import monthly
from crypto_features.graph.training import training_set
from crypto_features.ingest import ingest as ingesting
from crypto_features.lake.model_files import read_model
from crypto_features.lake.models import SUPERSEDED, load_model, model_path, publish_model
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, session, switch
from crypto_features.store.online.connect import connect
from crypto_features.store.online.place import table_name
from crypto_features.store.online.switch_file import SwitchFile
from crypto_features.store.publish_view import publish_view
from crypto_features.tables.artefact import opened, written
from crypto_features.versions.provenance import DEFINITIONS, PUBLISHED_AT, content_digest
from tests.market.market import HOUR, START, Resuming, candles

T = TypeVar("T")
State = dict[str, object]
"""What a reader sees, part by part, in the order in which the parts are published."""
HOURS = 40 * 24
"""How many candles the tables are made of."""
EARLIER = "2024-02-09T12:30Z"
"""The clock of what was published before."""


@dataclass(frozen=True)
class Operation:
    """Something that writes.

    Args:
        prepare: Makes the state before it.
        act: Does it.
        look: What a reader sees.
        ordered: Whether its parts are published one after the other; else each for itself.
        owes: The parts that are there once it is acknowledged; by default all of them.
        after: The operation from whose prepared state `prepare` starts; by default an empty folder.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    look: Callable[[Path], State]
    ordered: bool = True
    owes: tuple[str, ...] = ()
    after: str = ""


# The lake.


def rows(value: float) -> pl.DataFrame:
    """A month of two symbols, in which everything is of one value."""
    return candles("BTC", "ETH", count=700).select(
        "symbol", event_timestamp=pl.col("open_time") + HOUR, value=pl.lit(value) + pl.col("close")
    )


def prices(folder: Path) -> Table:
    return Table(UPath(folder), "prices", project="desk")


def fill(folder: Path, value: float) -> None:
    prices(folder).publish("2024-01", rows(value))


def seen(table: Table) -> State:
    """The content of each month; one that is damaged raises an error."""
    found: State = {}
    for month in table.months():
        read = table.read([month])
        assert table.metadata(month)["digest"] == content_digest(read)
        found[f"{table.name} {month}"] = content_digest(read)
    return found


def offered(count: int) -> Resuming:
    """So many candles of two symbols, one of them with holes, one in a hundred against the contract."""
    frame = candles("BTC", "ETH", count=count)
    hour = pl.col("close") - 100
    hole = (pl.col("symbol") == "ETH") & (hour % 50 == 7)
    return Resuming(frame.filter(~hole).with_columns(high=pl.when(hour % 100 == 9).then(0.5).otherwise("high")))


class InThisThread(Executor):
    """Does at once what it is asked to, so that each system call has a number that stays."""

    def __init__(self, *_: object, **__: object) -> None:
        """As many threads as are asked for are one."""

    def submit(self, work: Callable[..., T], /, *values: Any, **named: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(work(*values, **named))
        except Exception as error:  # noqa: BLE001 - the future hands it over.
            done.set_exception(error)
        return done


def take(folder: Path, count: int) -> None:
    vars(ingesting)["ThreadPoolExecutor"] = InThisThread  # in a child of its own.
    now = START + count * HOUR + timedelta(minutes=1)
    ingesting.ingest(
        offered(count), *raw(folder), ("2024-01", "2024-02"), ("BTC", "ETH"), interval=HOUR, now=now, recheck=3 * HOUR
    )


def raw(folder: Path) -> tuple[Table, Table]:
    root = UPath(folder)
    return Table(root, "candles", "open_time", raw=True), Table(root, "quarantine", "open_time", raw=True)


def taken(folder: Path) -> State:
    marks = {}
    for path in sorted((folder / ".marks").rglob("*.json")):
        marks[f"marks {path.stem}"] = sorted(json.loads(path.read_text()))
    return {**seen(raw(folder)[1]), **seen(raw(folder)[0]), **marks}


# The graph.


def materialize(*assets: dg.AssetsDefinition, last: str = "2024-02") -> None:
    """One run in this process, as `crypto-features run` does it."""
    settings = Settings.load()
    resources = {"lake": LakeResource(root=str(settings.root), interval_minutes=60), "feast": FeastResource()}
    definitions = dg.Definitions(assets=assets, resources=resources, executor=dg.in_process_executor)
    with dg.DagsterInstance.ephemeral() as instance:
        materialize_all(definitions, instance, ("2024-01", last))


def months() -> dg.PartitionsDefinition[str]:
    return monthly(START)


def tables(folder: Path) -> None:
    """Candles, bars, features and a registry."""
    from tests.crash import small
    from tests.features.disk_lake import DiskLake

    now = START + HOURS * HOUR
    lake = DiskLake(folder, small.tables, ("2024-01", "2024-02"))
    lake.take("candles", Resuming(candles("BTC", "ETH", count=HOURS)), now)
    lake.build(now)
    moves = lake.table("moves")
    for month in moves.months():
        created = moves.read([month]).with_columns(created_timestamp=pl.col("event_timestamp"))
        moves.publish(month, created, moves.metadata(month))
    FeastResource().apply()


def trained(folder: Path) -> None:
    from tests.crash import small

    fit_training(folder, "2024-01")
    table = Table(UPath(folder), small.training.name)
    before = table.read().with_columns(rise=pl.col("rise") + 1)
    table.publish("2024-01", before, table.metadata("2024-01"))


def fit_training(folder: Path, last: str = "2024-02") -> None:
    from tests.crash import small

    materialize(training_set(Settings.load(), small.training, small.catalog, months()), last=last)


def training_rows(folder: Path) -> State:
    return seen(Table(UPath(folder), "training/desk"))


def fitted_before(folder: Path) -> None:
    old = opened(written({"rows": 3, "quantiles": np.arange(10.0)}, {}))
    publish_model(UPath(folder), "quantiles", "2024-02", old, {PUBLISHED_AT: START.isoformat(), DEFINITIONS: "{}"})


def fit(folder: Path) -> None:
    from tests.crash import small

    materialize(model_table(Settings.load(), small.model, months()))


def models(folder: Path) -> State:
    root, found = UPath(folder), State()
    kept = sorted((folder / "quantiles" / SUPERSEDED).rglob("*.json"))
    found["superseded"] = [opened(read_model(UPath(path), root / "quantiles", "2024-02")).version for path in kept]
    for month in ("2024-01", "2024-02"):
        there = model_path(root, "quantiles", month).exists()
        found[month] = opened(load_model(root, "quantiles", month)).version if there else None
    return found


# The store.


def published(folder: Path) -> None:
    os.environ["CRYPTO_FEATURES_CLOCK"] = EARLIER
    publish(folder)


def publish(folder: Path) -> None:
    publish_view("moves", START, datetime(2025, 1, 1, tzinfo=UTC))


def online(folder: Path) -> State:
    store = session.applied_store()
    view = store.get_feature_view("moves")
    with closing(connect("")) as backend:
        stored = backend.scan(table_name(store.config, view))
    return {
        "rows": sorted([row.key.hex(), row.event, row.payload.hex()] for row in stored),
        "noted": [str(end) for _, end in view.materialization_intervals],
    }


def disable(folder: Path) -> None:
    switch.disable("moves", "halted")


def off(folder: Path) -> State:
    from crypto_features.store.online.unpack_frame import guarded_store

    store = session.applied_store()
    switches = guarded_store(store).switched(store.config)
    copy = switches._copy
    return {"online": dict(switches._backend.switches()), "copy": copy.read() if copy else None}


def enable(folder: Path) -> None:
    with suppress(UnknownNameError):  # it is on already.
        switch.enable("moves")


def on(folder: Path) -> State:
    return dict(reversed(off(folder).items()))


def switch_off(folder: Path, name: str) -> None:
    """Where there is no registry yet."""
    SwitchFile(folder / "online.db").off(name, "halted")


def switches(folder: Path) -> State:
    return {"switches": dict(SwitchFile(folder / "online.db").read())}


def nothing(folder: Path) -> None:
    """An empty folder."""


def applied_before(folder: Path) -> None:
    os.environ["CRYPTO_FEATURES_CATALOG"] = "tests.crash.small:before"
    apply(folder)


def apply(folder: Path) -> None:
    FeastResource().apply()


def registry(folder: Path) -> State:
    """Every definition in the registry, without stamps; Feast notes that it knows a project before that is applied."""
    path = folder / "registry.db"
    return {"registry": dict(_content(f"sqlite:///{path}")) if path.exists() else {}}


def _content(url: str) -> Iterator[tuple[str, list[list[str]]]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        for table in sorted(sa.inspect(connection).get_table_names()):
            columns = (column["name"] for column in sa.inspect(connection).get_columns(table))
            names = [name for name in columns if name.endswith("_name") or name in ("project_id", "version_number")]
            if names and table != "feast_metadata":
                found: Any = connection.execute(sa.select(*map(sa.column, names)).select_from(sa.table(table)))
                if kept := sorted([str(value) for value in row] for row in found):
                    yield table, kept
    engine.dispose()


OPERATIONS = {
    "first partition": Operation(nothing, lambda folder: fill(folder, 1), lambda folder: seen(prices(folder))),
    "partition": Operation(
        lambda folder: fill(folder, 1), lambda folder: fill(folder, 2), lambda folder: seen(prices(folder))
    ),
    "ingest": Operation(lambda folder: take(folder, 700), lambda folder: take(folder, 800), taken, ordered=False),
    "tables": Operation(tables, publish, online),
    "training set": Operation(trained, fit_training, training_rows, ordered=False, after="tables"),
    "model fit": Operation(fitted_before, fit, models, ordered=False, after="tables"),
    "first publish": Operation(nothing, publish, online, after="tables"),
    "publish": Operation(published, publish, online, after="tables"),
    # the copy in the registry is made if that answers; otherwise the next publish makes it.
    "disable": Operation(nothing, disable, off, owes=("online",), after="publish"),
    "enable": Operation(disable, enable, on, after="publish"),
    "first switch": Operation(nothing, lambda folder: switch_off(folder, "BTC"), switches),
    "switch": Operation(lambda folder: switch_off(folder, "ETH"), lambda folder: switch_off(folder, "BTC"), switches),
    "first apply": Operation(nothing, apply, registry),
    "apply": Operation(applied_before, apply, registry),
}
