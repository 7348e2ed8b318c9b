"""A backup or a restore that says what it does now: `python -m tests.backup.killed backup|restore FOLDER`."""

import sys
from pathlib import Path

from crypto_features.backup.restore import restore
from crypto_features.backup.take import local_root, take
from crypto_features.catalogs import current_catalog
from crypto_features.settings import Settings


def say(what: str) -> None:
    """Say it, and go on once somebody has read it."""
    print(what, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    if sys.argv[1] == "backup":
        take(Settings.load(), current_catalog(), folder, progress=say)
    else:
        restore(folder, local_root(Settings.load()), say)
