"""Dagster's own home, where it keeps runs and events: prepared once, beside the tables."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import yaml  # type: ignore[import-untyped] # PyYAML ships no types.

from crypto_features.errors import SettingsError
from crypto_features.settings import Settings
from crypto_features.whole_file import on_disk, whole_file

_MOVED = re.compile(rb"(module: crypto_features)\.(event_log|run_launcher)\b")
"""How a `dagster.yaml` of version 0.1 names our modules."""


DATABASES = {
    "history/runs.db": "which runs there were",
    "history/runs/index.db": "what was materialized and checked when, so that some of it is computed again",
    "schedules/schedules.db": "which schedules and sensors are on or off, and what they saw last",
}
"""Dagster's own databases in its home, and what they know. Candles, tables and online rows lie elsewhere."""


def dagster_environment(settings: Settings) -> dict[str, str]:
    """The variables with which a process of ours finds Dagster's home, and hands over events together."""
    return {"DAGSTER_HOME": str(dagster_home(settings)), "DAGSTER_EVENT_BATCH_SIZE": "500"}


def dagster_home(settings: Settings) -> Path:
    """The folder that `DAGSTER_HOME` names, or `dagster/` in the data folder, with a `dagster.yaml` in it.

    A data folder that is a bucket cannot hold SQLite: then the home is `.dagster/` in the working directory.

    Raises:
        SettingsError: if it cannot be created or written to, or one of its files is damaged.
    """
    place = home(settings)
    try:
        _prepare(place)
    except OSError as error:
        raise SettingsError(
            f"{place}, where Dagster keeps its runs, cannot be created or written to ({error.strerror}); set "
            "DAGSTER_HOME to a folder that can."
        ) from None
    for text in damaged(place):
        raise SettingsError(text)
    return place


def recorded(settings: Settings) -> bool:
    """Whether Dagster's home is there already; looking for it makes none."""
    return (home(settings) / "dagster.yaml").is_file()


def home(settings: Settings) -> Path:
    """Where Dagster's home is, or will be."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named).absolute()
    if (folder := on_disk(settings.root)) is not None:
        return folder / "dagster"
    return Path.cwd() / ".dagster"


def _prepare(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    before = configuration.read_bytes() if configuration.is_file() else b""
    # An empty one would run without launcher, monitoring and storage of ours, and with telemetry.
    after = _MOVED.sub(rb"\1.host.\2", before) if before.strip() else (files(__package__) / "dagster.yaml").read_bytes()
    if after != before:
        with whole_file(configuration) as file:
            file.write(after)


def damaged(place: Path, *, thorough: bool = False) -> Iterator[str]:
    """What is damaged in a home, of which Dagster tells without the file's name, or by a traceback.

    Args:
        place: The home.
        thorough: Read the databases whole, and not only their schemas.
    """
    found = {name: f"It says {knows}" for name, knows in DATABASES.items() if not _opens(place / name, thorough)}
    if not _is_mapping(place / "dagster.yaml"):
        found["dagster.yaml"] = "It configures Dagster"
    for name, knows in found.items():
        yield (
            f"{place / name} is damaged. {knows}; candles, tables and online rows do not depend on it. Restore a copy, "
            f"or let the next start make a new one: mv {place / name} {place / name}.damaged"
        )


def _is_mapping(file: Path) -> bool:
    try:
        return isinstance(yaml.safe_load(file.read_bytes()), dict)
    except (yaml.YAMLError, UnicodeDecodeError):
        return False


def _opens(file: Path, thorough: bool) -> bool:  # noqa: FBT001 - as its caller has it.
    """Whether a database is whole enough to be opened, or is not there yet."""
    if not file.is_file() or not file.stat().st_size:
        return True
    # A reader of a file that nobody has open would leave a log and its index beside it.
    is_open = any(file.with_name(f"{file.name}{end}").exists() for end in ("-wal", "-journal"))
    how = "mode=ro" if is_open else "immutable=1"
    with closing(sqlite3.connect(f"{file.as_uri()}?{how}", uri=True)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            if thorough:
                return connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
        except sqlite3.OperationalError:  # it is locked, or cannot be read, which others say better.
            return True
        except sqlite3.DatabaseError:
            return False
    return True
