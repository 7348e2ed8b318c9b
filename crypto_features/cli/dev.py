"""`crypto-features dev`: the Dagster UI with its daemon."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from crypto_features.cli.app import command
from crypto_features.instance import dagster_environment
from crypto_features.settings import Settings


@command
def dev(port: Annotated[int, typer.Option(help="Port on the loopback interface.")] = 3000) -> None:
    """Open the Dagster UI on this machine, with schedules and sensors."""
    environment = os.environ | dagster_environment(Settings.load()) | {"PYTHONWARNINGS": "ignore"}
    dagster = str(Path(sys.executable).with_name("dagster"))
    arguments = ["dev", "--module-name", "crypto_features.definitions", "--host", "127.0.0.1", "--port", str(port)]
    os.execve(dagster, [dagster, *arguments], environment)  # noqa: S606 - our own interpreter's Dagster, no shell.
