"""A file is the old one or the new one, never a part of either, and nothing lies beside it."""

import os
from pathlib import Path

import pytest

from crypto_features.whole_file import make_folder, remove_strays, whole_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "model.json").write_text("old")
    return tmp_path / "model.json"


def test_the_new_content_is_on_the_disk_before_it_takes_the_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int | None, str]] = []

    def sync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size if not synced else None, path.read_text()))

    monkeypatch.setattr(os, "fsync", sync)
    with whole_file(path) as file:
        file.write(b"new content")
    assert synced == [(11, "old"), (None, "new content")], "the file before the move, its folder after it"


def test_a_folder_that_is_made_is_on_the_disk_with_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(str(Path(f"/dev/fd/{descriptor}").readlink())))
    make_folder(tmp_path / "a" / "b")
    assert synced == [str(tmp_path), str(tmp_path / "a")]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2, "nothing was made"


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_alone(path: Path, fault: BaseException) -> None:
    def write() -> None:
        with whole_file(path) as file:
            file.write(b"ne")
            raise fault

    with pytest.raises(type(fault)):
        write()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_the_first_file_stays_where_that_is_asked(tmp_path: Path) -> None:
    for content in (b"one", b"another"):
        with whole_file(tmp_path / "owner.json", first=True) as file:
            file.write(content)
    assert (tmp_path / "owner.json").read_text() == "one"
    assert len([*tmp_path.iterdir()]) == 1


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(path: Path) -> None:
    stray = path.with_name(f".{path.name}.killed.tmp")
    others = path.with_name(".model.jsonl.killed.tmp")
    stray.write_text("ha")
    others.write_text("lf")
    with whole_file(path) as one:
        one.write(b"new")
        remove_strays(path)
        assert not stray.exists()
    assert path.read_text() == "new"
    assert sorted(path.parent.iterdir()) == sorted([path, others])


def test_two_writers_at_once_do_not_mix(path: Path) -> None:
    with whole_file(path) as one, whole_file(path) as other:
        one.write(b"the first")
        other.write(b"another")
    assert path.read_text() == "the first"
    assert list(path.parent.iterdir()) == [path]
