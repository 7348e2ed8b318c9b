"""What is in a folder of candle files: which file is of which market, by its name, and what is passed over."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from crypto_features.errors import InputError
from crypto_features.lake.path_parts import check_symbol
from crypto_features.sources.vendor.filename import FileName, is_candle_file, kind_of_folder, parse

_LONGEST = timedelta(days=1)
_SHOWN = 5


@dataclass(frozen=True)
class Listing:
    """The candle files of a folder and of those below it.

    Args:
        folder: The folder.
        named: By symbol, the files that are named after it.
        nameless: Files whose name is not a symbol; their rows may name one.
        passed_over: Why each of the other files is not read, by its path within the folder.
        folders: The folder and those below it.
    """

    folder: Path
    named: dict[str, list[Path]] = field(default_factory=dict)
    nameless: list[Path] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)


def state(folders: Sequence[Path]) -> object:
    """What changes when a file is added to, renamed in or taken from one of these folders."""
    try:
        return [(folder, folder.stat().st_mtime_ns, sum(1 for _ in folder.iterdir())) for folder in folders]
    except OSError:
        return None


def listing(folder: Path, only: Sequence[str] | None) -> Listing:
    """The files of a folder, no file opened.

    Raises:
        InputError: if there is no such folder, it holds nothing that can be a candle file, or not one of `only`.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name too long.
        raise InputError(f"CRYPTO_FEATURES_FILES: {folder} is not a folder; name one with files such as BTC.csv.")
    every, folders = _below(folder)
    paths = every if only is None else [folder / name for name in sorted(only)]
    missing = [path.name for path in paths if not os.path.lexists(path)]
    if missing:
        raise InputError(f"{folder} does not hold {missing[0]}; it holds {_shown(every, folder)}.")
    found = Listing(folder, folders=folders)
    for path in paths:
        _sort_in(found, path)
    if not (found.named or found.nameless):
        raise InputError(
            f"CRYPTO_FEATURES_FILES: {folder} holds no file of candles such as BTC.csv, BTC.parquet or "
            f"BTCUSDT-1h-2024-01.zip; it holds {_shown(paths, folder)}. Give a text with "
            "another ending that of .csv."
        )
    return found


def market_of(path: Path, folder: Path) -> str:
    """The market that a file is named after, as it is written; empty if it is named after none."""
    return _name(path, folder).market


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files in a folder and below it, and the folders; a folder that is named as a candle file counts as one."""
    files: list[Path] = []
    places: list[Path] = []
    for place, folders, names in os.walk(folder):
        of_candles = [name for name in folders if is_candle_file(name)]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in of_candles]
        files += [Path(place) / name for name in (*names, *of_candles) if not name.startswith(".")]
        places.append(Path(place))
        folders[:] = [name for name in folders if not _is_data_folder(Path(place) / name)]
    return sorted(files), places


def _is_data_folder(folder: Path) -> bool:
    """Whether a folder holds tables of this platform, which may lie among the files that they were made from."""
    return (folder / ".locks").is_dir() or (folder / ".marks").is_dir()


def _sort_in(found: Listing, path: Path) -> None:
    relative = str(path.relative_to(found.folder))
    if not is_candle_file(path.name):
        found.passed_over[relative] = "its name does not end as one of candles does"
        return
    name = _name(path, found.folder)
    if name.kind:
        found.passed_over[relative] = (
            f"{name.kind.lower()}, not spot candles; rename it, or its folder, to its market to read it"
        )
    elif name.length and name.length > _LONGEST:
        found.passed_over[relative] = "its candles are longer than a day"
    else:
        try:
            found.named.setdefault(check_symbol(name.market), []).append(path)
        except InputError:
            found.nameless.append(path)


def _name(path: Path, folder: Path) -> FileName:
    """The name of a file; of one that says no market, as `BTC/2024-01.csv`, the market of the folder that it is in."""
    name = parse(path.name)
    parents = path.relative_to(folder).parents
    name = replace(name, kind=name.kind or next(filter(None, (kind_of_folder(parent.name) for parent in parents)), ""))
    for parent in parents:
        if name.market or not parent.name:
            break
        name = replace(name, market=parse(parent.name).market)
    return name


def _shown(paths: Sequence[Path], folder: Path) -> str:
    return ", ".join(str(path.relative_to(folder)) for path in paths[:_SHOWN]) or "nothing"
