"""What a piece of source uses: names, imports, texts, and what it changes while it runs."""

import ast
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

Chain = tuple[str, ...]
"""A name and the attributes after it: `my_desk.FACTOR` is `("my_desk", "FACTOR")`."""

_CHANGING = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove"}
    | {"setdefault", "update"}
)
_ANYTHING = frozenset({"eval", "exec", "globals", "vars"})
_IMPORTING = frozenset({"__import__", "find_spec", "import_module"})
_SETTING_UP = frozenset({"__init__", "__new__", "__post_init__", "__setstate__"})


@dataclass(frozen=True)
class Uses:
    """Names and what is done with them, of local variables too.

    Args:
        read: Chains that are read.
        changed: Chains that are assigned though they are not local, and those whose items, attributes or content are
            changed, with one more part.
        imports: `(local name, module, attribute or "")` of imports inside.
        texts: Texts, with `*` for what is filled in.
    """

    read: set[Chain] = field(default_factory=set)
    changed: set[Chain] = field(default_factory=set)
    imports: set[tuple[str, str, str]] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    @property
    def anything(self) -> bool:
        """Whether it may use every name of its module."""
        return any(chain[0] in _ANYTHING for chain in self.read)

    def within(self, names: Collection[str]) -> "Uses":
        """Without the chains that begin with other names than these and those that it imports."""
        known = {*names, *(name for name, _, _ in self.imports)}
        read, changed = ({chain for chain in chains if chain[0] in known} for chains in (self.read, self.changed))
        return Uses(read, changed, self.imports, self.texts)


@lru_cache(maxsize=4096)
def uses(node: ast.AST) -> Uses:
    """What a function or a class uses; annotations use nothing."""
    found = Uses()
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if chain := chain_of(part):
            found.read.add(chain)
            if len(chain) > 1 and not isinstance(part.ctx, ast.Load):  # type: ignore[attr-defined] # an attribute.
                found.changed.add(chain)
            continue
        if isinstance(part, ast.JoinedStr):
            found.texts.add(_text(part))
        _note(part, found)
        for name, value in ast.iter_fields(part):
            if name not in {"annotation", "returns"}:
                values = value if isinstance(value, list) else [value]
                waiting += [child for child in values if isinstance(child, ast.AST)]
    return found


def _note(part: ast.AST, found: Uses) -> None:
    match part:
        case ast.Constant(value=str(text)):
            found.texts.add(text)
        case ast.Import(names=aliases):
            found.imports.update(_bound(alias) for alias in aliases)
        case ast.ImportFrom(module=module, names=aliases, level=level):
            origin = "." * level + (module or "")
            found.imports.update((alias.asname or alias.name, origin, alias.name) for alias in aliases)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            found.changed.update((name,) for name in names)
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            found.changed.add((*chain_of(value), "[]"))
        case ast.Call(func=function, args=arguments):
            *owner, name = chain_of(function) or ("",)
            if owner and name in _CHANGING:
                found.changed.add((*owner, f"{name}()"))
            if arguments and name in _IMPORTING and (module := _text(arguments[0]).partition("*")[0].rstrip(".")):
                found.imports.add(("", module, ""))


def _bound(alias: ast.alias) -> tuple[str, str, str]:
    """`import a.b` binds `a`, `import a.b as c` binds what it names."""
    top = alias.name.partition(".")[0]
    return (alias.asname, alias.name, "") if alias.asname else (top, top, "")


def changed_attributes(node: ast.ClassDef) -> set[str]:
    """The attributes of a class and its instances that methods assign or change once an instance is set up."""
    changed: set[str] = set()
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name not in _SETTING_UP and method.args.args:
            first = method.args.args[0].arg
            changed |= {chain[1] for chain in uses(method).changed if len(chain) > 1 and chain[0] == first}
    return changed


def chain_of(node: ast.AST) -> Chain:
    """The chain that an expression is; empty if it is something else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _text(node: ast.AST) -> str:
    """A text as written, with `*` for what is filled in; empty if it is something else."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "*" for part in parts
    )
