"""One of several live processes of a data folder, each of which follows its part of the symbols."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from crypto_features.errors import InputError, TransientError
from crypto_features.file_lock import file_lock
from crypto_features.lake.live_files import file_name, parts_of


class Shard(NamedTuple):
    """The part of one process.

    Args:
        number: Which one it is, from 1.
        parts: How many there are.
    """

    number: int = 1
    parts: int = 1

    @property
    def name(self) -> str:
        """How its files, its lock and its fence end; nothing where there is one process."""
        return "" if self.parts == 1 else f"{self.number}-of-{self.parts}"

    def of(self, symbols: Sequence[str]) -> list[str]:
        """Its symbols: every `parts`-th, so that all parts are alike in number.

        >>> Shard(2, 3).of(["A", "B", "C", "D", "E"])
        ['B', 'E']
        """
        return sorted(symbols)[self.number - 1 :: self.parts]


WHOLE = Shard()


def shard(text: str) -> Shard:
    """What `--shard` says.

    Raises:
        InputError: if it is not one number of so many.

    >>> shard("2/3")
    Shard(number=2, parts=3)
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"--shard {text}: expected which process of how many this is, such as 2/3.")
    return Shard(int(number), int(count))


@contextmanager
def held(locks: Path, mine: Shard, folder: Path) -> Iterator[None]:
    """Be the only process of a shard, among processes that all have the same count of shards.

    Args:
        locks: Where lock files lie; it is there.
        mine: The shard.
        folder: The data folder, for errors.

    Raises:
        TransientError: if another process has it, or follows by another count.
    """
    busy = TransientError(
        f"another `crypto-features live` publishes from {folder}; stop it first. Several follow one folder if each has "
        "its own --shard, all of the same number of parts."
    )
    with file_lock(locks / file_name("live", mine.name, ".lock"), 0, busy):
        with file_lock(locks / "live.counts", 10, busy):  # so that two that begin at once see each other.
            for path in locks.glob("live*.lock"):
                if parts_of(path.name) != mine.parts:
                    with file_lock(path, 0, busy):
                        pass
        yield
