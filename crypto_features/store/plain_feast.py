"""Imports Feast in a fifth of the CPU time.

Feast decorates its classes with `typeguard.typechecked`, which parses and compiles each method anew: 5.5 of the 6.7 CPU
seconds of `import feast`, in every process. The checks only guard against arguments of a wrong type in a user's own
definitions, and nothing in Feast catches what they raise; Python itself drops them under `-O`.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any


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


class FeastFinder(MetaPathFinder):
    """Has the first `import feast` of this process run unchecked, wherever it stands, and then steps aside."""

    def find_spec(self, fullname: str, *_: Sequence[str] | ModuleType | None) -> ModuleSpec | None:
        if fullname != "feast":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec and spec.loader:
            spec.loader.exec_module = unchecked()(spec.loader.exec_module)  # type: ignore[method-assign]  # of this import.
        return spec


def _as_it_is(target: Any = None, **_options: Any) -> Any:
    return _as_it_is if target is None else target
