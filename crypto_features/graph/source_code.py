"""Where an asset is written down: its table's declaration, and the function that computes it."""

import inspect
import sys

import dagster as dg

from crypto_features.tables.table import Table


def declared_in(table: Table) -> dict[str, dg.CodeReferencesMetadataValue]:
    """A link to the declaration of a table, as metadata; nothing for one that no module names."""
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get(table.name) is table and getattr(module, "__file__", None):
            lines = inspect.getsource(module).splitlines()
            line = next((i for i, text in enumerate(lines, 1) if text.startswith(f"{table.name} =")), None)
            if line is not None:
                reference = dg.LocalFileCodeReference(
                    file_path=str(module.__file__), line_number=line, label=f"declaration of {table.name}"
                )
                return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
    return {}
