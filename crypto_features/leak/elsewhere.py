"""The same rows in a fresh process, which computed others before, and under clocks that show another time."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from pickle import PicklingError
from tempfile import TemporaryDirectory

import cloudpickle
import polars as pl

from crypto_features.leak.report import Leak, differences
from crypto_features.leak.subject import Subject
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import evaluate

DAY = 86_400
CLOCKS = (4527 * DAY + 26_000, -9391 * DAY - 20_000)
"""How far, in seconds, the machine's clock is moved ahead and back: years, and to another weekday, month and hour."""

KEPT = ("CRYPTO_FEATURES_", "PATH", "PYTHON", "VIRTUAL_ENV", "LD_", "DYLD_", "SYSTEMROOT", "POLARS_", "OMP_", "TZ")
"""How the names of variables begin that the other process has as well."""

TIMEOUT = 300
SCRIPT = Path(__file__).with_name("fresh.py")
Inputs = Mapping[str, pl.DataFrame]


class Elsewhere:
    """The rows of a group's inputs as another process computes them; it runs while this one goes on.

    Args:
        subject: The group; take it before anything is computed, since a function that cannot be imported is copied as
            it is.
        inputs: The input tables whose rows are compared.
        other: Input tables that the other process computes before.

    Raises:
        ChildProcessError: if the group cannot be sent to another process.
    """

    def __init__(self, subject: Subject, inputs: Inputs, other: Inputs) -> None:
        self._group, self._inputs = subject.group, {name: inputs[name] for name in _names(subject.group)}
        self._other = {name: other[name] for name in _names(subject.group)}
        try:
            self._pickled = cloudpickle.dumps(partial(evaluate, subject.group, interval=subject.interval))
        except (TypeError, PicklingError, pl.exceptions.ComputeError) as error:
            raise ChildProcessError(f"it cannot be sent there ({error})") from None
        self._moved = _Fresh(self._pickled, self._inputs, self._other, CLOCKS)

    def close(self) -> None:
        """End the other process."""
        self._moved.close()

    def leaks(self, here: pl.DataFrame) -> Iterator[Leak]:
        """The features whose rows differ from those of this process.

        Raises:
            ChildProcessError: if the other process cannot compute the group, with its last words.
        """
        moved = self._moved.rows()
        if all(rows.equals(here) for rows in moved):
            return
        with closing(_Fresh(self._pickled, self._inputs, self._other, (0, 0))) as process:
            unmoved = process.rows()
        stateful = {leak.feature for rows in unmoved for leak in differences(self._group, here, rows, "process")}
        for rows in unmoved:
            yield from differences(self._group, here, rows, "process")
        for before, rows in zip(unmoved, moved, strict=True):
            clocked = differences(self._group, before, rows, "clock")
            yield from (leak for leak in clocked if leak.feature not in stateful)


class _Fresh:
    """A fresh process that computes a pickled function of input tables under each of some clocks."""

    def __init__(self, pickled: bytes, inputs: Inputs, other: Inputs, clocks: Sequence[int]) -> None:
        self._folder = TemporaryDirectory(prefix="leak-test-")
        folder = Path(self._folder.name)
        (folder / "task").write_bytes(pickle.dumps((sys.path, clocks, pickled)))
        for kind, tables in (("input", inputs), ("other", other)):
            for name, table in tables.items():
                table.write_ipc(folder / f"{kind}-{name}")
        command = [sys.executable, "-P", str(SCRIPT), str(folder)]
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a script of ours.
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder, env=_surroundings(folder)
        )

    def rows(self) -> list[pl.DataFrame]:
        try:
            _, errors = self._process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise ChildProcessError(f"it did not finish within {TIMEOUT} seconds") from None
        if self._process.returncode:
            raise ChildProcessError((errors.strip().splitlines() or [f"exit code {self._process.returncode}"])[-1])
        files = sorted(Path(self._folder.name).glob("rows-*"))
        return [pl.read_ipc(file) for file in files]

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        if self._process.stderr:
            self._process.stderr.close()
        self._folder.cleanup()


def _surroundings(folder: Path) -> dict[str, str]:
    """The environment of the other process: a home, a folder and a hash seed of its own, and what runs it."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    own = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), str(folder))
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    return {**kept, **own, "PYTHONHASHSEED": seed}


def _names(group: FeatureGroup) -> list[str]:
    return [*dict.fromkeys(source.table.name for source in group.inputs)]
