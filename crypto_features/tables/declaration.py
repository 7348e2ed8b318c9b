"""Where a table is written down."""

import inspect
import sys
from typing import NamedTuple

from crypto_features.tables.table import Table


class Place(NamedTuple):
    """The module that declares a table under its name, its file, and the line."""

    module: str
    file: str
    line: int


def declared_at(table: Table) -> Place | None:
    """Where a table is declared, of those modules that are loaded; `None` of one that no module names."""
    for module in [*sys.modules.values()]:
        if getattr(module, "__dict__", {}).get(table.name) is table and getattr(module, "__file__", None):
            lines = inspect.getsource(module).splitlines()
            line = next((i for i, text in enumerate(lines, 1) if text.startswith(f"{table.name} =")), None)
            if line is not None:
                return Place(module.__name__, str(module.__file__), line)
    return None
