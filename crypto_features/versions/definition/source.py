"""The source of modules in a normal form that knows no comments and no formatting, and the data files beside it."""

import ast
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from types import CodeType, FunctionType

_WITHOUT_EFFECT = frozenset({"annotation", "ctx", "kind", "returns", "type_comment", "type_ignores", "type_params"})
_CODE_FILES = (".py", ".pyc", ".pyi", ".so", ".pyd")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def data_files(module: str) -> Mapping[str, Path]:
    """The files that are not code, by path: anywhere in the module's package, or in the folder of a module without."""
    top = sys.modules.get(module.partition(".")[0])
    file = getattr(top, "__file__", None)
    if file is None:
        return {}
    top_folder = Path(file).parent
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(top_folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__") if hasattr(top, "__path__") else []
        paths = (Path(folder, name) for name in sorted(names) if not name.endswith(_CODE_FILES))
        found |= {path.relative_to(top_folder).as_posix(): path for path in paths}
    return found


class ModuleSource:
    """One module's source, as far as it is that of the running code.

    Args:
        name: Name of a loaded module.
        files: What gives its data files.
    """

    def __init__(self, name: str, files: Callable[[str], Mapping[str, Path]] = data_files) -> None:
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None)
        self.name = spec.name if spec else name
        self._loader = spec.loader if spec else getattr(module, "__loader__", None)
        self._files = files
        self._normal: dict[ast.AST, str] = {}

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree; `None` if there is no source."""
        try:
            text = self._loader.get_source(self.name)  # type: ignore[union-attr] # a loader need not have it.
        except (AttributeError, ImportError, OSError):
            return None
        return ast.parse(text) if text is not None else None

    @cached_property
    def code(self) -> CodeType | None:
        """The code of the present file; of one that was edited since its import it is not what runs."""
        try:
            found: CodeType | None = self._loader.get_code(self.name)  # type: ignore[union-attr] # as above.
        except (AttributeError, ImportError, OSError, SyntaxError):
            return None
        return found

    def function(self, code: CodeType) -> ast.AST | None:
        """The definition that was compiled to this code; `None` if the source is not at hand, or another by now."""
        if code not in self._codes:
            return None
        if code.co_name == "<lambda>":
            return next((node for node in self._lambdas if _is_body(node.body, code)), None)
        found = self._functions.get((code.co_name, code.co_firstlineno), [])
        return found[0] if len(found) == 1 else None

    def class_of(self, which: type) -> ast.ClassDef | None:
        """The definition of a class that stands at the top of the module or of another class."""
        body: list[ast.stmt] = self.tree.body if self.tree else []
        found = None
        for name in which.__qualname__.split("."):
            found = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == name), None)
            body = found.body if found else []
        file = self.code.co_filename if self.code else None
        methods = (part.__code__ for part in vars(which).values() if isinstance(part, FunctionType))
        return found if all(code in self._codes for code in methods if code.co_filename == file) else None

    def code_of(self, qualified: str) -> CodeType | None:
        """The code of a class's body, by its qualified name."""
        return next((code for code in self._codes if code.co_qualname == qualified), None)

    def normal(self, node: ast.AST) -> str:
        """Digest of a piece of the source, whatever its comments, docstrings and format."""
        if node not in self._normal:
            self._normal[node] = blake2b(_normal(node).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return self._normal[node]

    def data(self, text: str) -> Iterator[str]:
        """Name and digest of each file of the module's package that a text names; in it `*` stands for any text.

        A text without an ending of its own, such as the column `f"{table}.{name}"`, names no file.
        """
        if "." not in text[1:] or "*" in text.rpartition(".")[2] or any(sign.isspace() for sign in text):
            return
        tail = f"/{text.removeprefix('./')}"
        for name, path in self._files(self.name).items():
            if f"/{name}".endswith(tail) or ("*" in tail and fnmatch(f"/{name}", f"*{tail}")):
                yield f"{path.name} {blake2b(path.read_bytes(), digest_size=8).hexdigest()}"

    @cached_property
    def _codes(self) -> frozenset[CodeType]:
        return frozenset(_nested(self.code)) if self.code else frozenset()

    @cached_property
    def _functions(self) -> dict[tuple[str, int], list[ast.AST]]:
        """The functions by name and first line."""
        found: dict[tuple[str, int], list[ast.AST]] = {}
        for node in _statements(self.tree) if self.tree else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                found.setdefault((node.name, first), []).append(node)
        return found

    @cached_property
    def _lambdas(self) -> list[ast.Lambda]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Lambda)] if self.tree else []


def names_used(code: CodeType | None) -> set[str]:
    """Every name that code, and code inside it, looks up beyond its own variables."""
    return {name for part in (code, *_nested(code)) for name in part.co_names} if code else set()


def _normal(node: object) -> str:
    """A syntax tree as text, without texts that stand alone, annotations of parameters and what Python ignores."""
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__} {node.value!r}"
    if isinstance(node, list):
        return f"[{','.join([_normal(part) for part in node if not _is_text(part)])}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = [
        f"{name}={_normal(value)}"
        for name, value in ast.iter_fields(node)
        if value is not None and value != [] and (name not in _WITHOUT_EFFECT or isinstance(node, ast.AnnAssign))
    ]
    return f"{type(node).__name__}({' '.join(parts)})"


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement below a node."""
    for block in _BLOCKS:
        for child in getattr(node, block, ()):
            yield child
            yield from _statements(child)


def _is_body(node: ast.expr, code: CodeType) -> bool:
    """Whether the code begins where the expression stands: what tells lambdas on one line apart."""
    places = [(line, column) for line, _, column, end in code.co_positions() if line and column != end]
    return bool(places) and min(places) == (node.lineno, node.col_offset)
