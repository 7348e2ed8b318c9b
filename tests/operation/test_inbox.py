"""Every file that is dropped is taken once and whole, or refused with the reason."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_features.definitions import build
from crypto_features.graph import inbox
from crypto_features.graph.lake import LakeResource
from crypto_features.settings import Settings
from crypto_features.sources.files import FilesSource
from tests.market.market import HOUR, START, candles
from tests.operation.world import NOW, World, span


class Inbox:
    """The inbox of a world, and the sensor over it, whose cursor lives from look to look."""

    def __init__(self, world: World) -> None:
        self.world, self.folder, self.cursor = world, inbox.folder(world.lake), ""
        self.folder.mkdir(parents=True)

    def drop(self, name: str, start: datetime = START, count: int = 48) -> None:
        candles("X", start=start, count=count).drop("symbol").write_parquet(self.folder / name)

    def look(self) -> tuple[list[dg.RunRequest], str]:
        requests, reason, cursor = self.world.tick("inbox", self.cursor or None)
        self.cursor = cursor or ""
        return requests, reason

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        job = build(Settings.load()).resolve_job_def("fetch_candles")
        return job.execute_in_process(
            run_config=request.run_config,
            tags=request.tags,
            asset_selection=list(request.asset_selection or ()),
            instance=self.world.instance,
            raise_on_error=False,
        )

    def lying(self, where: str = "") -> list[str]:
        folder = self.folder / where
        return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []

    def reason(self, name: str) -> str:
        return (self.folder / "refused" / f"{name}.why.txt").read_text()


@pytest.fixture
def dropped(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Inbox:
    candles("SOL", count=1).drop("symbol").write_parquet(tmp_path / "SOL.parquet")  # a real market, as the files are.
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(tmp_path))
    return Inbox(world)


def test_a_dropped_file_is_taken_once_it_is_the_same_at_two_looks(dropped: Inbox) -> None:
    dropped.drop("BTC.parquet", count=10)
    assert dropped.look() == ([], "still being copied: BTC.parquet")
    dropped.drop("BTC.parquet")
    assert dropped.look() == ([], "still being copied: BTC.parquet")
    ((request,), _) = dropped.look()
    assert span(request) == ("2024-01", "2024-01")
    assert dropped.run(request).success
    stored = dropped.world.lake.table("candles").read()
    assert stored.select("symbol", "open_time").rows() == [("BTC", START + i * HOUR) for i in range(48)]
    assert (dropped.lying(), dropped.lying("done")) == ([], ["BTC.parquet"])
    assert dropped.look()[0] == []


def test_a_run_takes_exactly_the_files_that_it_was_asked_for(dropped: Inbox) -> None:
    dropped.drop("BTC.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    dropped.drop("ETH.parquet")
    assert dropped.run(request).success
    assert dropped.world.lake.table("candles").read()["symbol"].unique().to_list() == ["BTC"]
    assert (dropped.lying(), dropped.lying("done")) == (["ETH.parquet"], ["BTC.parquet"])


def test_a_file_that_changes_while_it_is_read_stays(dropped: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped.drop("BTC.parquet")
    with inbox.put_away(dropped.world.lake, ["BTC.parquet"]):
        dropped.drop("BTC.parquet", count=49)
    assert dropped.lying() == ["BTC.parquet"]


@pytest.mark.parametrize(
    ("name", "start", "reason"),
    [
        ("ETH.parquet", datetime(2023, 12, 31, tzinfo=UTC), "ETH.parquet begins at 2023-12-31, before the first month"),
        ("ETH.parquet", NOW - timedelta(hours=12, minutes=1), "ETH.parquet has candles until 2024-03-12 00:00, and it"),
        ("no symbol.parquet", START, "no symbol.parquet is not named after a market"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_the_reason(
    dropped: Inbox, name: str, start: datetime, reason: str
) -> None:
    dropped.drop(name, start)
    dropped.drop("BTC.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    assert request.run_config["ops"]["candles"]["config"]["inbox"] == ["BTC.parquet"]
    assert reason in dropped.reason(name)
    assert dropped.lying() == ["BTC.parquet"]


def test_what_is_no_file_stops_no_other(dropped: Inbox) -> None:
    (dropped.folder / "ADA.csv").symlink_to(dropped.folder / "nowhere.csv")
    (dropped.folder / "ETH.csv").mkdir()
    dropped.drop("BTC.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    assert request.run_config["ops"]["candles"]["config"]["inbox"] == ["BTC.parquet"]
    assert dropped.run(request).success
    assert sorted(path.name for path in dropped.folder.iterdir()) == ["ADA.csv", "ETH.csv", "done"]


def test_a_file_that_vanishes_while_the_folder_is_listed_stops_no_other(
    dropped: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped.drop("BTC.parquet")
    listed = [*dropped.folder.iterdir(), dropped.folder / "ETH.parquet"]
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(listed))
    assert list(inbox.signatures(dropped.world.lake)) == ["BTC.parquet"]


@pytest.mark.parametrize("fault", [FileNotFoundError(2, "No such file"), PermissionError(13, "Permission denied")])
def test_a_file_that_cannot_be_opened_stops_no_other(
    dropped: Inbox, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    opened = inbox.source

    def faulty(lake: LakeResource, names: Sequence[str]) -> FilesSource:
        if "ETH.parquet" in names:
            if isinstance(fault, FileNotFoundError):
                (dropped.folder / "ETH.parquet").unlink()
            raise fault
        return opened(lake, names)

    monkeypatch.setattr(inbox, "source", faulty)
    dropped.drop("BTC.parquet")
    dropped.drop("ETH.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    assert request.run_config["ops"]["candles"]["config"]["inbox"] == ["BTC.parquet"]
    if isinstance(fault, PermissionError):
        assert dropped.reason("ETH.parquet").startswith("ETH.parquet cannot be read (Permission denied).")
    assert dropped.lying() == ["BTC.parquet"]


def test_real_candles_dropped_into_the_sample_market_are_refused_with_the_reason(dropped: Inbox) -> None:
    dropped.world.store_candles(NOW)
    dropped.drop("BTC.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    assert not dropped.run(request).success
    assert "holds synthetic candles" in dropped.reason("BTC.parquet")
    assert dropped.lying() == []


def test_a_file_that_no_run_takes_is_refused_at_last(dropped: Inbox) -> None:
    dropped.drop("BTC.parquet")
    dropped.look()
    keys = {dropped.look()[0][0].run_key for _ in range(3)}
    assert len(keys) == 3
    assert dropped.look()[0] == []
    assert "3 runs did not take it" in dropped.reason("BTC.parquet")
