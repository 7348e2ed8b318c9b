"""A link to where an asset is written down: its table's declaration."""

import dagster as dg

from crypto_features.tables.declaration import declared_at
from crypto_features.tables.table import Table


def declared_in(table: Table) -> dict[str, dg.CodeReferencesMetadataValue]:
    """A link to the declaration of a table, as metadata; nothing for one that no module names."""
    place = declared_at(table)
    if place is None:
        return {}
    label = f"declaration of {table.name}"
    reference = dg.LocalFileCodeReference(file_path=place.file, line_number=place.line, label=label)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
