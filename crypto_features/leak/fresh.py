"""Run as a script, `python fresh.py <folder>`: compute a group in a process that has computed nothing before.

Its clock is moved before anything of the group is imported, for whatever asks Python, NumPy or pandas for the time. So
this script imports nothing of the platform at its top.
"""

import ctypes
import datetime as dt
import gc
import os
import pickle
import sys
import time
from calendar import timegm
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

ZONE = "NPT-5:45"
"""Nepal's time, which no other zone has."""

_true_clock = time.time  # noqa: TID251 - the clock that is moved.
_true_localtime, _true_gmtime, _true_strftime = time.localtime, time.gmtime, time.strftime
_TrueDatetime64 = np.datetime64


def move_clock(seconds: float) -> None:
    """Let every clock of this process go ahead of the machine's by so many seconds, in another time zone."""

    def clock() -> float:
        return _true_clock() + seconds

    if seconds:
        os.environ["TZ"] = ZONE
        time.tzset()
    os.environ["CRYPTO_FEATURES_CLOCK"] = dt.datetime.fromtimestamp(clock(), dt.UTC).isoformat()
    replaced = {
        "time": clock,
        "time_ns": lambda: int(clock() * 1e9),
        "localtime": lambda at=None: _true_localtime(clock() if at is None else at),
        "gmtime": lambda at=None: _true_gmtime(clock() if at is None else at),
        "ctime": lambda at=None: time.asctime(time.localtime(at)),
        "strftime": lambda form, at=None: _true_strftime(form, time.localtime() if at is None else at),
    }
    for name, function in replaced.items():
        setattr(time, name, function)
    _replace(dt.datetime, "now", lambda cls, tz=None: cls.fromtimestamp(clock(), tz))
    _replace(dt.datetime, "today", lambda cls: cls.fromtimestamp(clock()))
    _replace(dt.datetime, "utcnow", lambda cls: cls.fromtimestamp(clock(), dt.UTC).replace(tzinfo=None))
    _replace(dt.date, "today", lambda cls: cls.fromtimestamp(clock()))
    setattr(np, "datetime64", _Datetime64)  # noqa: B010 - its type says that it cannot be assigned.


def _replace(owner: type, name: str, function: Callable[..., Any]) -> None:
    """Replace a class method of a type that is written in C, wherever it was imported before."""
    (attributes,) = gc.get_referents(owner.__dict__)
    attributes[name] = classmethod(function)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


class _AsTrue(type):
    """A type that is taken for `numpy.datetime64`."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _TrueDatetime64)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _TrueDatetime64)


class _Datetime64(_TrueDatetime64, metaclass=_AsTrue):
    """`numpy.datetime64`, which asks the machine itself for `now` and `today`."""

    def __new__(cls, *arguments: Any) -> Any:
        if arguments[:1] == ("now",):
            return _TrueDatetime64(_seconds(), "s")
        if arguments[:1] == ("today",):
            return _TrueDatetime64(_seconds() // 86400, "D")
        return _TrueDatetime64(*arguments)


def _seconds() -> int:
    return timegm(time.gmtime())


def main(folder: Path) -> None:
    """Read `task` from the folder and write `rows-0`, `rows-1`, … there: the rows under each of the clocks."""
    path, clocks, group = pickle.loads((folder / "task").read_bytes())  # noqa: S301 - written by the leak test.
    sys.path[:] = path
    move_clock(clocks[0])
    evaluated: Callable[[Mapping[str, object]], object] = pickle.loads(group)  # noqa: S301 - as above.
    import polars as pl

    inputs = {name: pl.read_ipc(file) for name, file in _files(folder, "input")}
    evaluated({name: pl.read_ipc(file) for name, file in _files(folder, "other")})
    for number, seconds in enumerate(clocks):
        move_clock(seconds)
        cast(pl.DataFrame, evaluated(inputs)).write_ipc(folder / f"rows-{number}")


def _files(folder: Path, kind: str) -> list[tuple[str, Path]]:
    return [(file.name.partition("-")[2], file) for file in folder.glob(f"{kind}-*")]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
