"""Imports Feast in a fifth of the CPU time.

Feast decorates its classes with `typeguard.typechecked`, which parses and compiles every method: 5.5 of the 6.7 CPU
seconds of `import feast`, in every process. The checks only guard against arguments of a wrong type in a user's own
definitions, and nothing in Feast catches what they raise; Python itself drops them under `-O`.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def load() -> None:
    """Import Feast unchecked, unless this process has imported it already."""
    if "feast" not in sys.modules:
        with unchecked():
            import_module("feast")


@contextmanager
def unchecked() -> Iterator[None]:
    """While this context is open, `typeguard.typechecked` returns what it decorates; afterwards warnings are as before.

    Feast switches the deprecation warnings of every library on for the whole process.
    """
    import typeguard

    kept = typeguard.typechecked
    typeguard.typechecked = _as_it_is
    try:
        with warnings.catch_warnings():
            yield
    finally:
        typeguard.typechecked = kept


def _as_it_is(target: Any = None, **_options: Any) -> Any:
    return _as_it_is if target is None else target
