"""Where an asset is written down: its feature group's declaration, and the function that computes it."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

import dagster as dg

from crypto_features import shipped as groups
from crypto_features.tables.declaration import FeatureGroup


def declared_in(group: FeatureGroup) -> dict[str, dg.CodeReferencesMetadataValue]:
    """A link to the declaration of a group, as metadata; nothing for a group that is declared elsewhere."""
    for found in iter_modules(groups.__path__):
        module = import_module(f"{groups.__name__}.{found.name}")
        if getattr(module, group.name, None) is group and module.__file__:
            lines = inspect.getsource(module).splitlines()
            line = next((i for i, text in enumerate(lines, 1) if text.startswith(f"{group.name} =")), 1)
            reference = dg.LocalFileCodeReference(
                file_path=module.__file__, line_number=line, label=f"declaration of {group.name}"
            )
            return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
    return {}
