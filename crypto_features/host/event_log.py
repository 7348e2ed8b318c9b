"""Dagster's SQLite storage, with one transaction for the events that Dagster hands over together.

A run over three years of months plans and records a thousand partitions. For each of these events Dagster's own storage
opens, commits and closes two databases, which takes longer than computing the features.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from threading import RLock, local
from typing import Any

from dagster import EventLogEntry

from crypto_features.host.dagster_private import ConfigurableClassData, DagsterSqliteStorage, SqliteEventLogStorage


class BatchedEventLog(SqliteEventLogStorage):
    """Stores a batch of events whole or, as Dagster then does, one by one."""

    _db_lock: Any

    def __init__(self, base_dir: str) -> None:
        self._batch = local()
        super().__init__(base_dir)
        self._db_lock = RLock()  # a batch holds it while it holds a connection to both databases.

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        with self._db_lock, ExitStack() as self._batch.stack:
            self._batch.connections = {}
            try:
                for event in events:
                    self.store_event(event)
            finally:
                del self._batch.connections

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Any]:
        held: dict[str, Any] | None = getattr(self._batch, "connections", None)
        if held is None:
            with super()._connect(shard) as connection:
                yield connection
            return
        if shard not in held:
            held[shard] = self._batch.stack.enter_context(super()._connect(shard))
        yield held[shard]


class BatchedSqliteStorage(DagsterSqliteStorage):
    """The storage that `dagster.yaml` names: Dagster's own for runs and schedules, `BatchedEventLog` for events."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchedEventLog(self._event_log_storage._base_dir)  # noqa: SLF001 - Dagster's layout.

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BatchedSqliteStorage":
        return cls.from_local(inst_data=inst_data, **config_value)
