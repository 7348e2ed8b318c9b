"""A value and all code behind it, digested alike wherever, whenever and by whichever Python it is read.

Functions and classes count by their source and by what it names, however deep; other values by what they hold. Code
without source (typed at a prompt, made by `exec`) counts by its bytecode, which another Python compiles otherwise.
"""

import copyreg
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from hashlib import blake2b
from importlib import import_module
from importlib.util import resolve_name
from inspect import isdatadescriptor, isroutine
from pathlib import Path, PurePath
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import polars as pl

from crypto_features.errors import InputError
from crypto_features.versions.definition.expressions import tree
from crypto_features.versions.definition.libraries import is_own, versions_of
from crypto_features.versions.definition.source import ModuleSource, data_files, names_used
from crypto_features.versions.definition.uses import Chain, Uses, changed_attributes, uses

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
_ABSENT = object()
_WITH_SUBCLASSES = (pl.Expr, type, ModuleType, PurePath)
Global = tuple[str, str]
"""Module and name."""


class Reader:
    """Digests values; it parses each module once."""

    def __init__(self) -> None:
        files = cache(data_files)
        self._source = cache(lambda name: ModuleSource(name, files))
        self._trees: dict[int, tuple[pl.Expr, Any]] = {}

    def digest(self, *values: Any) -> str:
        """Digest of values, of all code behind them, and of the versions of the libraries that they use.

        Raises:
            InputError: if a callable among them has neither source nor bytecode, nor a name in a library.
        """
        reading = _Reading(self._source, self._tree)
        return hashed(*(reading.value(value) for value in values), *reading.behind())

    def _tree(self, expression: pl.Expr) -> Any:
        if id(expression) not in self._trees:
            self._trees[id(expression)] = expression, tree(expression)
        return self._trees[id(expression)][1]


class _Reading:
    """One digest under way."""

    def __init__(self, source: Callable[[str], ModuleSource], tree: Callable[[pl.Expr], Any]) -> None:
        self.source, self.tree = source, tree
        self.libraries: set[str] = set()
        self.files: set[str] = set()
        self.reads: dict[Global, tuple[Any, str]] = {}
        self.changed: set[Global | int] = set()
        """What code changes while it runs, by name or identity: of it counts that it is there, not what it holds."""
        self.seen: dict[int, tuple[Any, str]] = {}
        self.codes: dict[CodeType, str] = {}
        self.rebound: dict[CodeType, set[str]] = {}
        self.kinds: Mapping[type, Callable[[Any], str]] = {
            pl.Expr: lambda value: hashed("expression", self.value(self.tree(value))),
            type: self._class,
            ModuleType: self._module,
            PurePath: lambda value: hashed("file", *_file(Path(value))),
            FunctionType: self._function,
            MethodType: lambda value: hashed("method", self.value(value.__self__), self.value(value.__func__)),
            **dict.fromkeys((property, cached_property, classmethod, staticmethod), self._descriptor),
            **dict.fromkeys((list, tuple), lambda value: hashed(type(value).__name__, *map(self.value, value))),
            **dict.fromkeys((set, frozenset), lambda value: hashed("set", *sorted(map(self.value, value)))),
            **dict.fromkeys((dict, MappingProxyType), self._pairs),
        }

    def behind(self) -> Iterable[str]:
        """What the values read so far depend on."""
        for (module, name), (value, text) in sorted(self.reads.items(), key=lambda item: item[0]):
            kept = (module, name) not in self.changed and id(value) not in self.changed
            yield f"{module}.{name} {text if kept else 'changes'}"
        yield from sorted(self.files)
        yield from versions_of(self.libraries)

    def value(self, value: Any) -> str:
        if type(value) in _PLAIN:
            return f"{type(value).__name__} {value!r}"
        if id(value) not in self.seen:
            self.seen[id(value)] = value, "again"
            self.seen[id(value)] = value, self._read(value)
        return self.seen[id(value)][1]

    def _read(self, value: Any) -> str:
        kind = next((kind for kind in _WITH_SUBCLASSES if isinstance(value, kind)), type(value))
        return self.kinds.get(kind, self._instance)(value)

    def _descriptor(self, value: Any) -> str:
        parts = (getattr(value, name, None) for name in ("fget", "fset", "fdel", "func", "__func__"))
        return hashed(type(value).__name__, *map(self.value, parts))

    def _pairs(self, value: Mapping[Any, Any]) -> str:
        return hashed("dict", *(text for pair in value.items() for text in map(self.value, pair)))

    def _function(self, function: FunctionType) -> str:
        module = function.__globals__.get("__name__") or ""
        name = f"{module}.{function.__qualname__}"
        if not is_own(module):
            self.libraries.add(module)
            if _found(module, function.__qualname__) is function:
                return name
        text = self._code(function.__code__, module, function.__globals__) if is_own(module) else name
        held = dict(zip(function.__code__.co_freevars, map(_content, function.__closure__ or ()), strict=True))
        held = {name: value for name, value in held.items() if name not in self.rebound.get(function.__code__, ())}
        return hashed(text, *map(self.value, (held, function.__defaults__, function.__kwdefaults__, vars(function))))

    def _code(self, code: CodeType, module: str, names: Mapping[str, Any]) -> str:
        if code not in self.codes:
            self.codes[code] = "again"
            source = self.source(module)
            node = source.function(code)
            if node is None:
                self.codes[code] = self._bytecode(code, module, names)
            else:
                used = uses(node)
                self.rebound[code] = {chain[0] for chain in used.changed}
                self._follow(used.within(names_used(code)), module)
                self.codes[code] = source.normal(node)
        return self.codes[code]

    def _bytecode(self, code: CodeType, module: str, names: Mapping[str, Any]) -> str:
        used = set(code.co_names)
        for name in sorted(used):
            value = names.get(name, sys.modules.get(name, _ABSENT))
            if isinstance(value, ModuleType) and is_own(value.__name__):
                for inner in sorted(used & vars(value).keys()):
                    self._global((value.__name__, inner), vars(value)[inner])
            elif value is not _ABSENT:
                self._global((module, name), value)
        inside = (
            self._bytecode(part, module, names) if isinstance(part, CodeType) else self.value(part)
            for part in code.co_consts
        )
        return hashed(code.co_code.hex(), *code.co_names, *code.co_varnames, *inside)

    def _class(self, which: type) -> str:
        module, name = which.__module__, which.__qualname__
        if not is_own(module):
            self.libraries.add(module)
            return f"{module}.{name}"
        source = self.source(module)
        node = source.class_of(which)
        parts = [self.value(base) for base in (*which.__bases__, type(which))]
        changed: set[str] = set()
        if node is not None:
            self._follow(uses(node).within(names_used(source.code_of(name))), module)
            changed = changed_attributes(node)
            parts.append(source.normal(node))
        for attribute, value in vars(which).items():
            read_above = node is not None and (isroutine(value) or isdatadescriptor(value) or hasattr(value, "__get__"))
            if not _is_special(attribute) and attribute not in changed and not read_above:
                parts += [attribute, self.value(value)]
        return hashed(name, *parts)

    def _module(self, module: ModuleType) -> str:
        if not is_own(module.__name__):
            self.libraries.add(module.__name__)
            return module.__name__
        self._compiled(module.__name__)
        for name, value in list(vars(module).items()):
            if not _is_special(name):
                self._global((module.__name__, name), value)
        return module.__name__

    def _instance(self, value: Any) -> str:
        kind = self.value(type(value))
        if hasattr(value, "py_func"):  # what Numba compiles.
            return hashed(kind, self.value(value.py_func), self.value(getattr(value, "targetoptions", None)))
        reduced = _reduced(value)
        if isinstance(reduced, tuple):
            made, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
            if isinstance(state, dict) and is_own(type(value).__module__):
                state = {name: part for name, part in state.items() if name not in self._changed_of(type(value))}
            parts = (made, arguments, state, list(items or ()), list(pairs or ()))
            return hashed(kind, *map(self.value, parts))
        if hasattr(value, "__wrapped__"):
            return hashed(kind, self.value(value.__wrapped__))
        for module in (
            getattr(value, "__module__", None),
            type(value).__module__,
            type(value).__module__.partition(".")[0],
        ):
            if module and reduced and _found(module, reduced) is value:
                self.libraries.add(module)
                self._compiled(module)
                return hashed(kind, module, reduced)
        if callable(value):
            raise InputError(
                f"{value!r} computes values, but has no source and no name in a library: nothing would show that it "
                "changed. Call it inside a function of a module, or import it from the library that makes it."
            )
        return kind

    def _changed_of(self, which: type) -> set[str]:
        """The attributes of an own class's instances that change while it runs."""
        changed: set[str] = set()
        for base in which.__mro__:
            if is_own(base.__module__) and (node := self.source(base.__module__).class_of(base)):
                changed |= changed_attributes(node)
                changed |= {name for name, part in vars(base).items() if isinstance(part, cached_property)}
        return changed

    def _follow(self, used: Uses, module: str) -> None:
        names = vars(sys.modules[module])
        local = dict(self._imported(used, module))
        for chain in sorted(used.read):
            for which, value, _ in self._resolved(chain, module, names, local):
                self._global(which, value)
        for chain in sorted(used.changed):
            for which, value, inner in self._resolved(chain, module, names, local):
                self.changed.add(id(value) if inner else which)
        if used.anything:
            self._module(sys.modules[module])
        for text in used.texts:
            self.files.update(self.source(module).data(text))

    def _imported(self, used: Uses, module: str) -> Iterable[tuple[str, tuple[Global, Any]]]:
        """What imports inside a function bind, by name; only own code is imported for it."""
        package = getattr(sys.modules[module], "__package__", None)
        for local, target, attribute in sorted(used.imports):
            name = resolve_name(target, package) if target.startswith(".") else target
            if not is_own(name):
                self.libraries.add(name)
                continue
            found = import_module(name)
            if attribute and not hasattr(found, attribute):
                import_module(f"{name}.{attribute}")
            value = getattr(found, attribute) if attribute else found
            yield local, ((name, attribute), value)

    @staticmethod
    def _resolved(
        chain: Chain, module: str, names: Mapping[str, Any], local: Mapping[str, tuple[Global, Any]]
    ) -> Iterable[tuple[Global, Any, Chain]]:
        """The value that a chain leads to through modules of one's own, and the attributes that are left."""
        first, *rest = chain
        if first in local:
            which, value = local[first]
        elif first in names and not _is_special(first):
            which, value = (module, first), names[first]
        else:
            return
        while isinstance(value, ModuleType) and is_own(value.__name__) and rest and hasattr(value, rest[0]):
            which = (value.__name__, rest[0])
            value = getattr(value, rest.pop(0))
        yield which, value, tuple(rest)

    def _global(self, which: Global, value: Any) -> None:
        if which in self.reads:
            return
        self.reads[which] = value, "again"
        self.reads[which] = value, self.value(value)
        if isinstance(value, str):
            self.files.update(self.source(which[0]).data(value))

    def _compiled(self, module: str) -> None:
        """An extension module of one's own counts by its file."""
        file = getattr(sys.modules.get(module), "__file__", None)
        if file and is_own(module) and not file.endswith(".py"):
            self.files.update(_file(Path(file)))


def hashed(*texts: str) -> str:
    """One digest of texts in their order."""
    return blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet.
        return "empty"


def _reduced(value: Any) -> Any:
    """What a pickle of the value would hold; `None` if it cannot be pickled."""
    reduce = copyreg.dispatch_table.get(type(value))
    try:
        return reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - any type may refuse in its own way.
        return None


def _found(module: str, qualified: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in qualified.split("."):
        found = getattr(found, name, None)
    return found


def _file(path: Path) -> list[str]:
    """Name and digest of a file; never where it is stored."""
    return [path.name, blake2b(path.read_bytes(), digest_size=8).hexdigest()] if path.is_file() else [path.name]


def _is_special(name: str) -> bool:
    """Whether Python keeps something of its own under the name: where a module is stored, how an enumeration looks."""
    return len(name) > 1 and name.startswith("_") and name.endswith("_")
