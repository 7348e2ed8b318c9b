"""Private names of Dagster and of Feast are imported in one module each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
AT_HOME = {
    "dagster": "crypto_features/host/dagster_private.py",
    "feast": "crypto_features/store/feast_private.py",
}
MODULES = sorted(
    str(p.relative_to(ROOT)) for f in ("crypto_features", "feature_repo") for p in (ROOT / f).rglob("*.py")
)


def is_private(dotted: str) -> bool:
    return any(part.startswith("_") and not part.endswith("__") for part in dotted.split("."))


def imported(code: str, package: str) -> Iterator[tuple[str, str]]:
    """What a module imports from a package, by its full name, and the name that it has there."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [(alias.name, alias.asname or alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [(f"{node.module}.{alias.name}", alias.asname or alias.name) for alias in node.names]
        else:
            continue
        yield from (name for name in names if name[0].partition(".")[0] == package)


def private_names(code: str, package: str) -> list[str]:
    """What a module imports or reads of a package's private names; a class of ours may name what it overrides."""
    found = list(imported(code, package))
    bound = {name for _, name in found}
    overridden = {node.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)}
    read = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in overridden
        if ast.unparse(node).partition(".")[0] in bound
    ]
    return [dotted for dotted, _ in found if is_private(dotted)] + read


@pytest.mark.parametrize("package", AT_HOME)
def test_private_names_are_read_in_one_module(package: str) -> None:
    found = {path: names for path in MODULES if (names := private_names((ROOT / path).read_text(), package))}
    assert list(found) == [AT_HOME[package]], found


@pytest.mark.parametrize(
    "code",
    [
        "import dagster._time",
        "from dagster._core.errors import DagsterError",
        "def late():\n    from dagster import _check as check",
        "import dagster as dg\ndg._core.events",
        "from dagster import DagsterInstance as I\nI.get()\nI._instance",
    ],
)
def test_a_private_name_is_seen_however_it_is_read(code: str) -> None:
    assert private_names(code, "dagster")


def test_what_is_public_is_not_taken_for_private() -> None:
    code = "import dagster as dg\nfrom dagster import Definitions\ndg.__version__\nself._mine\nimport feast._x"
    assert private_names(code, "dagster") == []
