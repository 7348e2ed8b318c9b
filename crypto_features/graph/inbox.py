"""The inbox: a folder where a person drops files of candles, each of which is taken once and then put away."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crypto_features.errors import CryptoFeaturesError, InputError, PermanentError
from crypto_features.graph.lake import LakeResource
from crypto_features.settings import Settings
from crypto_features.sources.files import FilesSource
from crypto_features.sources.remembered import signature
from crypto_features.sources.vendor import Choices
from crypto_features.sources.vendor.filename import is_candle_file
from crypto_features.tables.months import months_between


@dataclass(frozen=True)
class Dropped:
    """Files of the inbox that were looked into.

    Args:
        names: The files that can be taken by one run: at most one a symbol.
        months: The months from the first of their candles to the last.
        refused: Why each of the other files cannot be taken, by file name.
    """

    names: tuple[str, ...]
    months: tuple[str, ...]
    refused: Mapping[str, str]


def folder(lake: LakeResource) -> Path:
    """Where files are dropped."""
    return Path(str(lake.path)) / "inbox"


def signatures(lake: LakeResource) -> dict[str, str]:
    """Size and time of change of each file in the inbox, by name: a file whose signature changes is being copied.

    A folder, a link, whose target is not the inbox's to show, and a file that is gone by the time it is looked at are
    passed over.
    """
    inbox = folder(lake)
    if not inbox.is_dir():
        return {}
    found = {}
    for path in sorted(path for path in inbox.iterdir() if is_candle_file(path.name) and not path.is_symlink()):
        with suppress(InputError):
            found[path.name] = signature(path)
    return found


def look_into(lake: LakeResource, names: Iterable[str], first: datetime, now: datetime) -> Dropped:
    """Which of the files can be taken."""
    taken: list[str] = []
    theirs: set[str] = set()
    spans: list[tuple[datetime, datetime]] = []
    refused: dict[str, str] = {}
    for name in names:
        try:
            symbols = (offered := source(lake, [name])).symbols()
            span = offered.start(symbols), offered.end()
            if span[0] < first:
                raise InputError(
                    f"{name} begins at {span[0]:%Y-%m-%d}, before the first month {first:%Y-%m}. Cut it, or set "
                    f"CRYPTO_FEATURES_START={span[0]:%Y-%m}, restart, and drop it again."
                )
            if span[1] - lake.interval > now:
                raise InputError(
                    f"{name} has candles until {span[1]:%Y-%m-%d %H:%M}, and it is {now:%Y-%m-%d %H:%M} UTC by the "
                    "platform's clock. Correct its stamps, and drop it again."
                )
        except CryptoFeaturesError as error:
            refused[name] = str(error)
            continue
        except OSError as error:
            refused[name] = f"{name} cannot be read ({error.strerror}). Correct that, and drop it again."
            continue
        if theirs.isdisjoint(symbols):
            theirs.update(symbols)
            taken.append(name)
            spans.append(span)
    months = months_between(min(a for a, _ in spans), min(max(b for _, b in spans), now)) if spans else ()
    return Dropped(tuple(taken), months, refused)


def source(lake: LakeResource, names: Sequence[str]) -> FilesSource:
    """These files of the inbox as a source of candles.

    Raises:
        InputError: if one is not there.
    """
    settings = Settings.load()
    choices, wait, cache = Choices.of(settings), settings.late_wait, lake.path / ".sources"
    return FilesSource(
        folder(lake), lake.interval, choices, cache=cache, names=names, wait=wait, venue=settings.files_venue
    )


@contextmanager
def put_away(lake: LakeResource, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """While files are read: afterwards each is in `done/` or, with the reason beside it, in `refused/`.

    A file that changed meanwhile stays, and so do all if a fault ended the reading that may pass.

    Yields:
        Where to note why the file of a symbol is refused, by symbol.
    """
    before, offered, refused = signatures(lake), source(lake, names), dict[str, str]()
    try:
        yield refused
    except PermanentError as error:
        _put(lake, before, {name: str(error) for name in names})
        raise
    why = {name: reason for symbol, reason in refused.items() for name in offered.files(symbol)} if names else {}
    _put(lake, before, {name: why.get(name) for name in names})


def refuse(path: Path, why: str) -> None:
    """Move a file to `inbox/refused/`, with the reason beside it; nothing is left to do for one that is gone."""
    moved = _move(path, "refused")
    if moved is not None:
        moved.with_name(f"{moved.name}.why.txt").write_text(why + "\n")


def _put(lake: LakeResource, before: Mapping[str, str], outcomes: Mapping[str, str | None]) -> None:
    now = signatures(lake)
    for name, why in outcomes.items():
        if name in now and now[name] == before.get(name):
            _move(folder(lake) / name, "done") if why is None else refuse(folder(lake) / name, why)


def _move(path: Path, where: str) -> Path | None:
    target = path.parent / where / path.name
    target.parent.mkdir(exist_ok=True)
    try:
        return path.replace(target)
    except FileNotFoundError:
        return None
