"""Dagster's own home, where it keeps runs and events: prepared once, beside the tables."""

import os
import re
from importlib.resources import files
from pathlib import Path

from crypto_features.errors import SettingsError
from crypto_features.settings import Settings
from crypto_features.whole_file import on_disk, whole_file

_MOVED = re.compile(rb"(module: crypto_features)\.(event_log|run_launcher)\b")
"""How a `dagster.yaml` of version 0.1 names our modules."""


def dagster_environment(settings: Settings) -> dict[str, str]:
    """The variables with which a process of ours finds Dagster's home, and hands over events together."""
    return {"DAGSTER_HOME": str(dagster_home(settings)), "DAGSTER_EVENT_BATCH_SIZE": "500"}


def dagster_home(settings: Settings) -> Path:
    """The folder that `DAGSTER_HOME` names, or `dagster/` in the data folder, with a `dagster.yaml` in it.

    A data folder that is a bucket cannot hold SQLite: then the home is `.dagster/` in the working directory.

    Raises:
        SettingsError: if it cannot be created or written to.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named:
        home = Path(named).absolute()
    elif (folder := on_disk(settings.root)) is not None:
        home = folder / "dagster"
    else:
        home = Path.cwd() / ".dagster"
    try:
        _prepare(home)
    except OSError as error:
        raise SettingsError(
            f"{home}, where Dagster keeps its runs, cannot be created or written to ({error.strerror}); set "
            "DAGSTER_HOME to a folder that can."
        ) from None
    return home


def _prepare(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    before = configuration.read_bytes() if configuration.is_file() else b""
    # An empty one would run without launcher, monitoring and storage of ours, and with telemetry.
    after = _MOVED.sub(rb"\1.host.\2", before) if before.strip() else (files(__package__) / "dagster.yaml").read_bytes()
    if after != before:
        with whole_file(configuration) as file:
            file.write(after)
