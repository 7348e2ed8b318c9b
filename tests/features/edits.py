"""The project's own source, edited: fresh modules of its pure rooms with text replaced."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

ROOM = "crypto_features"
EDITABLE = tuple(f"crypto_features.{room}." for room in ("compute", "known", "leak", "shipped", "tables", "versions"))
READERS = (
    "crypto_features.catalogs.",
    "crypto_features.training.rows.",
    "crypto_features.store.offline.known.",
    "tests.features.memory_lake.",
    "tests.features.other_catalog.",
)
"""Further modules that hold on to what the rooms declare."""
Edit = tuple[str, str, str]
"""Module below the package, or below `tests`, text, and the text in its place."""


class _EditedLoader(SourceFileLoader):
    def __init__(self, name: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(name, path)
        self._edits = edits

    def get_source(self, fullname: str) -> str:
        source = super().get_source(fullname) or ""
        for _, old, new in self._edits:
            assert old in source, f"{fullname} has no {old!r} any more: correct the edit"
            source = source.replace(old, new)
        return source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_source(fullname), self.get_filename(fullname), "exec")


class _Editor(MetaPathFinder):
    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        mine = [edit for edit in self._edits if fullname in (edit[0], f"{ROOM}.{edit[0]}")]
        spec = PathFinder.find_spec(fullname, path, target) if mine else None
        if spec is not None and spec.origin:
            spec.loader = _EditedLoader(fullname, spec.origin, mine)
        return spec


@contextmanager
def edited(*edits: Edit) -> Iterator[None]:
    """Within, an import of the pure rooms runs the edited source; after, the real modules are back."""
    saved = _room()
    attributes = {(parent, child): vars(sys.modules[parent])[child] for parent, child in _attributes(saved)}
    for name in saved:
        del sys.modules[name]
    editor = _Editor(edits)
    sys.meta_path.insert(0, editor)
    try:
        yield
    finally:
        sys.meta_path.remove(editor)
        for name in _room():
            del sys.modules[name]
        sys.modules.update(saved)
        for (parent, child), value in attributes.items():
            vars(sys.modules[parent])[child] = value


def _attributes(modules: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The package and the attribute by which each module is known; of a package that re-exports that name, another."""
    for name in modules:
        parent, _, child = name.rpartition(".")
        if parent in sys.modules and child in vars(sys.modules[parent]):
            yield parent, child


def _room() -> Mapping[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if f"{name}.".startswith((*EDITABLE, *READERS))}
