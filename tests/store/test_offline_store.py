"""The rest of Feast's offline interface: pulls, writes, logs, saved datasets, on-demand views, keys and pruning."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, Field, FileSource, ValueType
from feast import types as feast_types
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from upath import UPath

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.store.errors import MissingTableError, OutdatedTableError
from crypto_features.store.offline import source
from crypto_features.store.offline.entities import entity_frame
from crypto_features.store.offline.store import PolarsOfflineStore
from tests.store import factory

HOUR = factory.hour
REFS = ["prices:price"]


def rows(*found: tuple[str, float, float, float | None]) -> pl.DataFrame:
    """Rows of symbol, event hour, created hour and price."""
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol, *_ in found],
            "event_timestamp": [HOUR(event) for _, event, _, _ in found],
            "created_timestamp": [HOUR(created) for _, _, created, _ in found],
            "price": [price for *_, price in found],
        },
        schema_overrides={"price": pl.Float64},
    )


def asked(*found: tuple[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"symbol": [s for s, _ in found], "event_timestamp": [HOUR(h) for _, h in found]})


def apply_doubled(feast: Any) -> None:
    """An on-demand view `doubled` of the price."""

    @on_demand_feature_view(  # type: ignore[untyped-decorator]  # Feast has no types.
        sources=[feast.get_feature_view("prices")],
        schema=[Field(name="double", dtype=feast_types.Float64)],
        mode="pandas",
    )
    def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"double": inputs["price"] * 2})

    feast.apply([doubled])


@pytest.fixture
def feast(tmp_path: Path) -> Any:
    factory.table(
        tmp_path, "prices", rows(("BTC", 1, 1, 1.0), ("BTC", 2, 3, 2.0), ("BTC", 2, 4, 2.5), ("ETH", 2, 2, None))
    )
    return factory.store(tmp_path, [factory.view(tmp_path, "prices", {"price": pl.Float64})])


@pytest.mark.parametrize("name", ["saved.parquet", "saved"])
def test_a_full_disk_leaves_the_old_rows_and_nothing_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    old = rows(("BTC", 1, 1, 1.0))
    place = UPath(tmp_path / name)
    if name == "saved":  # a folder of two files is replaced as a whole.
        source.append(old, place)
    source.append(old, place)
    before = sorted(tmp_path.rglob("*"))

    def half(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", half)
    with pytest.raises(OSError, match="No space left"):
        source.replace(rows(("ETH", 1, 1, 2.0)), place)
    assert sorted(tmp_path.rglob("*")) == before
    assert pl.concat(pl.read_parquet(file.source) for file in source.files(place)).unique().equals(old)


def test_the_table_of_a_bucket_is_read_appended_and_replaced_like_one_on_disk(tmp_path: Path) -> None:
    feast = FileSource(name="prices", path=f"memory://{tmp_path.name}/prices", timestamp_field="event_timestamp")
    place = source.resolve(feast, None)
    source.append(rows(("BTC", 1, 1, 1.0)), place)
    source.append(rows(("ETH", 2, 2, 2.0)), place)
    asked = partial(source.read, feast, None, ["symbol", "price"], time="event_timestamp")
    assert sorted(asked().rows()) == [("BTC", 1.0), ("ETH", 2.0)]
    assert asked(start=HOUR(1.5)).rows() == [("ETH", 2.0)]
    source.replace(rows(("SOL", 3, 3, 3.0)), place / "one.parquet")
    assert asked().height == 3


def pull(feast: Any, method: str, *span: float) -> pl.DataFrame:
    source = feast.get_feature_view("prices").batch_source
    columns = (["symbol"], ["price"], "event_timestamp", "created_timestamp")
    job = getattr(PolarsOfflineStore, method)(feast.config, source, *columns, *(HOUR(h) for h in span))
    frame: pl.DataFrame = job.to_polars().sort("symbol", "event_timestamp", "created_timestamp")
    return frame


def test_the_latest_row_of_each_entity_is_pulled_and_ties_go_by_creation(feast: Any) -> None:
    assert pull(feast, "pull_latest_from_table_or_query", 0, 9)["price"].to_list() == [2.5, None]


def test_a_window_includes_both_ends(feast: Any) -> None:
    assert pull(feast, "pull_all_from_table_or_query", 1, 2).height == 4
    assert pull(feast, "pull_all_from_table_or_query", 1.01, 1.99).height == 0
    assert pull(feast, "pull_latest_from_table_or_query", 1, 1)["price"].to_list() == [1.0]


def test_rows_written_are_read_back_in_whatever_layout(feast: Any, tmp_path: Path) -> None:
    new = rows(("BTC", 5, 5, 5.0)).to_pandas()
    feast.write_to_offline_store("prices", new)
    assert feast.get_historical_features(asked(("BTC", 5)), REFS).to_df()["price"].tolist() == [5.0]
    with pytest.raises((InputError, ValueError)):
        feast.write_to_offline_store("prices", new.drop(columns="price"), reorder_columns=False)


@pytest.mark.filterwarnings("ignore:Saving dataset is an experimental:RuntimeWarning")
def test_a_saved_dataset_is_the_result_and_is_not_overwritten_unasked(feast: Any, tmp_path: Path) -> None:
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved.parquet"))
    job = feast.get_historical_features(asked(("BTC", 1), ("ETH", 2)), REFS)
    saved = feast.create_saved_dataset(job, "saved", storage)
    assert saved.to_df()["price"].fillna(-1).tolist() == [1.0, -1]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        feast.get_historical_features(asked(("BTC", 1)), REFS).persist(storage)
    feast.get_historical_features(asked(("BTC", 1)), REFS).persist(storage, allow_overwrite=True)
    assert pl.read_parquet(tmp_path / "saved.parquet").height == 1


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_an_on_demand_view_is_computed_on_the_joined_rows(feast: Any, tmp_path: Path) -> None:
    apply_doubled(feast)
    job = feast.get_historical_features(asked(("BTC", 1)), ["doubled:double", *REFS])
    assert job.to_df()["double"].tolist() == [2.0]
    assert job.to_polars()["double"].to_list() == [2.0]
    assert job.to_arrow()["double"].to_pylist() == [2.0]


def test_several_entities_and_mapped_columns_are_joined(tmp_path: Path) -> None:
    venue = Entity(name="venue", join_keys=["venue"], value_type=ValueType.STRING)
    stored = (
        rows(("BTC", 1, 1, 1.0), ("BTC", 1, 1, 9.0)).rename({"price": "px"}).with_columns(venue=pl.Series(["a", "b"]))
    )
    factory.table(tmp_path, "prices", stored)
    view = factory.view(
        tmp_path, "prices", {"price": pl.Float64}, entities=(factory.SYMBOL, venue), field_mapping={"px": "price"}
    )
    feast = factory.store(tmp_path, [view], entities=[venue])
    frame = asked(("BTC", 1), ("BTC", 1), ("BTC", 1)).assign(venue=["b", "a", "c"])
    assert feast.get_historical_features(frame, REFS).to_df()["price"].fillna(-1).tolist() == [9.0, 1.0, -1]
    feast.materialize(HOUR(0), HOUR(2))


def test_without_entity_rows_every_entity_is_answered_as_of_the_end(feast: Any) -> None:
    answer = feast.get_historical_features(features=REFS, start_date=HOUR(0), end_date=HOUR(1.5)).to_df()
    assert answer[["symbol", "price"]].to_numpy().tolist() == [["BTC", 1.0]]


def test_files_outside_the_span_are_not_read(feast: Any, tmp_path: Path) -> None:
    later = tmp_path / "prices" / "2024-02.parquet"
    rows(*(("BTC", 800 + n, 800 + n, float(n)) for n in range(1000))).with_columns(
        pl.col("event_timestamp", "created_timestamp").cast(pl.Datetime("us", "UTC"))
    ).write_parquet(later)
    # The footer stays whole; whoever reads the pages fails.
    content = bytearray(later.read_bytes())
    content[4:2000] = b"\xff" * 1996
    later.write_bytes(bytes(content))
    assert feast.get_historical_features(asked(("BTC", 1)), REFS).to_df()["price"].tolist() == [1.0]


def test_the_answer_of_a_table_in_many_chunks_is_one_chunk_so_that_feast_publishes_all_of_it(feast: Any) -> None:
    job = PolarsOfflineStore.pull_all_from_table_or_query(
        feast.config, feast.get_feature_view("prices").batch_source, ["symbol"], ["price"], "event_timestamp"
    )
    assert len(job.to_arrow().to_batches()) == 1


def test_a_key_that_the_entity_frame_lacks_is_named(feast: Any) -> None:
    with pytest.raises(UnknownNameError, match="'symbol'"):
        feast.get_historical_features(asked(("BTC", 1)).drop(columns="symbol"), REFS).to_df()


def test_a_null_key_or_time_finds_nothing(feast: Any) -> None:
    frame = pa.table({"symbol": [None, "BTC"], "event_timestamp": pa.array([HOUR(1), None], pa.timestamp("us", "UTC"))})
    assert feast.get_historical_features(frame, REFS).to_polars()["price"].to_list() == [None, None]


def test_a_table_without_a_file_is_missing(tmp_path: Path) -> None:
    feast = factory.store(tmp_path, [factory.view(tmp_path, "prices", {"price": pl.Float64}, ttl=timedelta(days=1))])
    with pytest.raises(MissingTableError, match="prices"):
        feast.get_historical_features(asked(("BTC", 1)), REFS).to_df()


@pytest.mark.parametrize("column", ["price", "double"])
@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_a_column_with_the_name_of_a_feature_is_named_and_not_overwritten(feast: Any, column: str) -> None:
    apply_doubled(feast)
    frame = asked(("BTC", 1)).assign(**{column: [7.0]})
    with pytest.raises(InputError, match=f"'{column}'.*full_feature_names"):
        feast.get_historical_features(frame, [*REFS, "doubled:double"]).to_df()
    full = feast.get_historical_features(frame, REFS, full_feature_names=True).to_df()
    assert full[column].tolist() == [7.0]
    assert full["prices__price"].tolist() == [1.0]


TWO = datetime(2024, 1, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-01T02:00", "2024-01-01 02:00:00", None],
        ["2024-01-01T02:00:00Z", "2024-01-01T11:00:00.000000+09:00", None],
        [TWO, "2024-01-01T02:00:00Z", pd.NaT],
    ],
)
def test_iso_times_of_any_form_are_read(texts: list[Any]) -> None:
    frame = pd.DataFrame({"symbol": "BTC", "event_timestamp": pd.Series(texts, dtype=object)})
    assert entity_frame(frame).frame["event_timestamp"].to_list() == [TWO, TWO, None]


@pytest.mark.parametrize("bad", ["01/02/2024", "?", "2024-13-01", ""])
def test_a_text_that_is_no_iso_time_is_shown_with_its_row(bad: str) -> None:
    for first in ("2024-01-01T00:00:00Z", TWO):
        frame = pd.DataFrame({"symbol": "BTC", "event_timestamp": pd.Series([first, bad], dtype=object)})
        with pytest.raises(InputError) as caught:
            entity_frame(frame)
        assert str(caught.value).startswith(f"event_timestamp: row 1 holds {bad!r}, which is no ISO 8601 time")


@pytest.mark.parametrize("ttl", [timedelta(hours=1), timedelta(0)])
@pytest.mark.parametrize("old", [None, pl.Int64])
def test_months_from_before_a_feature_was_added_are_named_if_they_are_needed(
    tmp_path: Path, ttl: timedelta, old: type[pl.DataType] | None
) -> None:
    before = rows(("BTC", 1, 1, 1.0)).drop("price").with_columns(*([pl.lit(1, old).alias("price")] if old else []))
    factory.table(tmp_path, "prices", before.with_columns(former=1), "2023-12.parquet")
    factory.table(tmp_path, "prices", rows(("BTC", 5, 5, 5.0)), "2024-01.parquet")
    feast = factory.store(tmp_path, [factory.view(tmp_path, "prices", {"price": pl.Float64}, ttl=ttl)])
    if ttl:
        assert feast.get_historical_features(asked(("BTC", 5.5)), REFS).to_df()["price"].tolist() == [5.0]
    with pytest.raises(OutdatedTableError, match=r"'price'.*2023-12.*crypto-features plan --run"):
        feast.get_historical_features(asked(("BTC", 2), ("BTC", 5.5)), REFS).to_df()
    with pytest.raises(UnknownNameError, match="'nothing'"):
        source.read(feast.get_data_source("prices_source"), tmp_path, ["nothing"], time="event_timestamp")
