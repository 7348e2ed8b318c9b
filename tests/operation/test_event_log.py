"""A batch of Dagster's events is stored as if one by one, and whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from crypto_features.host.event_log import BatchedEventLog

MONTHS = dg.StaticPartitionsDefinition(["2024-01", "2024-02", "2024-03"])


@dg.asset(partitions_def=MONTHS, backfill_policy=dg.BackfillPolicy.single_run())
def table() -> None:
    """An asset with a few partitions."""


@pytest.fixture
def events() -> Iterator[list[dg.EventLogEntry]]:
    """What Dagster logs of a run over a range."""
    with dg.instance_for_test() as instance:
        span = {"dagster/asset_partition_range_start": "2024-01", "dagster/asset_partition_range_end": "2024-03"}
        run = dg.materialize([table], instance=instance, tags=span)
        yield list(instance.all_logs(run.run_id))


def test_a_batch_reads_back_as_events_that_were_stored_one_by_one(
    tmp_path: Path, events: list[dg.EventLogEntry]
) -> None:
    batched, single = BatchedEventLog(str(tmp_path / "batched")), BatchedEventLog(str(tmp_path / "single"))
    batched.store_event_batch(events)
    for event in events:
        single.store_event(event)
    run_id, key = events[0].run_id, dg.AssetKey("table")
    assert len(events) > 10
    assert list(batched.get_logs_for_run(run_id)) == list(single.get_logs_for_run(run_id)) == events
    assert batched.get_materialized_partitions(key) == set(MONTHS.get_partition_keys())
    assert batched.get_latest_materialization_events([key]) == single.get_latest_materialization_events([key])


def test_a_batch_that_fails_stores_nothing_and_leaves_the_log_usable(
    tmp_path: Path, events: list[dg.EventLogEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = BatchedEventLog(str(tmp_path))
    rows = log._event_to_row

    def fail_at_the_last(event: dg.EventLogEntry) -> dict[str, object]:
        if event is events[-1]:
            raise OSError("the disk is full")
        return rows(event)

    monkeypatch.setattr(log, "_event_to_row", fail_at_the_last)
    with pytest.raises(OSError, match="the disk is full"):
        log.store_event_batch(events)
    assert list(log.get_logs_for_run(events[0].run_id)) == []
    assert log.get_materialized_partitions(dg.AssetKey("table")) == set()
    monkeypatch.undo()
    log.store_event_batch(events)
    assert len(log.get_logs_for_run(events[0].run_id)) == len(events)
