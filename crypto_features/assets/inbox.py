"""The inbox: a folder where a person drops files of candles, each of which is taken once and then put away."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from crypto_features.assets.lake import LakeResource
from crypto_features.errors import CryptoFeaturesError
from crypto_features.market import Source
from crypto_features.settings import Settings

SUFFIXES = (".csv", ".parquet")
EARLIEST = datetime(2009, 1, 3, tzinfo=UTC)
SETTLED_SECONDS = 5
"""A file that changed a moment ago is still being copied."""


@dataclass(frozen=True)
class Dropped:
    """What lies in the inbox.

    Args:
        key: Changes with every name, size and time of change.
        symbols: The symbols whose files can be read.
        months: The months that their candles span.
        refused: Why each of the other files cannot be read, by file name.
    """

    key: str
    symbols: tuple[str, ...]
    months: tuple[str, ...]
    refused: Mapping[str, str]


def folder(lake: LakeResource) -> Path:
    """Where files are dropped."""
    return Path(str(lake.path)) / "inbox"


def dropped(lake: LakeResource, now: datetime) -> Dropped | None:
    """What lies in the inbox and has settled; none if there is nothing."""
    paths = _files(folder(lake))
    if not paths or any(now.timestamp() - path.stat().st_mtime < SETTLED_SECONDS for path in paths):
        return None
    key = "|".join(f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in paths)
    months: set[str] = set()
    symbols, refused = [], {}
    for path in paths:
        symbol = path.stem.upper()
        try:
            candles = source(lake).fetch(symbol, EARLIEST, now)
        except CryptoFeaturesError as error:
            refused[path.name] = str(error)
            continue
        symbols.append(symbol)
        months.update(candles["open_time"].dt.strftime("%Y-%m").unique())
    return Dropped(blake2b(key.encode(), digest_size=8).hexdigest(), tuple(symbols), tuple(sorted(months)), refused)


def source(lake: LakeResource) -> Source:
    """The files in the inbox as a source of candles."""
    from crypto_features.market.sources.files import FilesSource

    settings = Settings.load()
    return FilesSource(folder(lake), lake.interval, columns=settings.files_columns, stamps=settings.files_stamps)


def put_away(lake: LakeResource, symbols: Collection[str], failed: Mapping[str, CryptoFeaturesError]) -> None:
    """Move the files of these symbols to `inbox/done/`, and those that failed to `inbox/refused/` with the reason."""
    for path in _files(folder(lake)):
        symbol = path.stem.upper()
        if symbol in failed:
            refuse(path, str(failed[symbol]))
        elif symbol in symbols:
            _move(path, "done")


def refuse(path: Path, why: str) -> None:
    """Move a file to `inbox/refused/`, with the reason beside it."""
    moved = _move(path, "refused")
    moved.with_name(f"{moved.name}.why.txt").write_text(why + "\n")


def _files(inbox: Path) -> Sequence[Path]:
    if not inbox.is_dir():
        return []
    return sorted(p for p in inbox.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _move(path: Path, where: str) -> Path:
    target = path.parent / where / path.name
    target.parent.mkdir(exist_ok=True)
    return path.replace(target)
