"""Dagster's own home, where it keeps runs and events: prepared once, beside the tables."""

import os
import re
import sqlite3
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
    home = _home(settings)
    try:
        _prepare(home)
    except OSError as error:
        raise SettingsError(
            f"{home}, where Dagster keeps its runs, cannot be created or written to ({error.strerror}); set "
            "DAGSTER_HOME to a folder that can."
        ) from None
    _require_whole(home)
    return home


def recorded(settings: Settings) -> bool:
    """Whether Dagster's home is there already; looking for it makes none."""
    return (_home(settings) / "dagster.yaml").is_file()


def _home(settings: Settings) -> Path:
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


def _require_whole(home: Path) -> None:
    """Dagster tells of a damaged file without its name, or by a traceback."""
    damaged = {name: f"It says {knows}" for name, knows in DATABASES.items() if not _opens(home / name)}
    if not _is_mapping(home / "dagster.yaml"):
        damaged["dagster.yaml"] = "It configures Dagster"
    for name, knows in damaged.items():
        raise SettingsError(
            f"{home / name} is damaged. {knows}; candles, tables and online rows do not depend on it. Restore a copy, "
            f"or let the next start make a new one: mv {home / name} {home / name}.damaged"
        )


def _is_mapping(file: Path) -> bool:
    try:
        return isinstance(yaml.safe_load(file.read_bytes()), dict)
    except (yaml.YAMLError, UnicodeDecodeError):
        return False


def _opens(file: Path) -> bool:
    """Whether a database is whole enough to be opened, or is not there yet."""
    if not file.is_file() or not file.stat().st_size:
        return True
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.OperationalError:  # it is locked, or cannot be read, which others say better.
            return True
        except sqlite3.DatabaseError:
            return False
    return True
