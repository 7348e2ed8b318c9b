"""`crypto-features init`: a small project of one's own, which runs."""

import keyword
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from crypto_features.cli.app import command
from crypto_features.errors import InputError

TEMPLATES = files("crypto_features.cli") / "project"
FILES = {
    "pyproject.toml": "pyproject.toml",
    "catalog.py": "{name}/__init__.py",
    "test_leaks.py": "tests/test_leaks.py",
    "README.md": "README.md",
    "feature_repo_definitions.py": "feature_repo/definitions.py",
    "feature_store.yaml": "feature_repo/feature_store.yaml",
    "workspace.yaml": "workspace.yaml",
    "gitignore": ".gitignore",
}
"""Where each template goes."""


@command
def init(name: Annotated[str, typer.Argument(help="Name of the project and of its package, such as my_desk.")]) -> None:
    """Write a project of your own: a catalog with a group beside the shipped ones, a training set and a leak test.

    Examples:
        crypto-features init my_desk && cd my_desk && crypto-features run
    """
    if (
        not re.fullmatch(r"[a-z][a-z0-9_]*", name)
        or keyword.iskeyword(name)
        or name in ("crypto_features", "feature_repo")
    ):
        raise InputError(f"{name!r} cannot name a package of yours; expected a-z, 0-9 and '_', such as my_desk.")
    folder = Path(name)
    if folder.exists():
        raise InputError(f"{folder.absolute()} is there already; choose another name, or take it away.")
    known = {"name": name, "dashed": name.replace("_", "-"), "version": version("crypto-features")}
    for template, place in FILES.items():
        path = folder / place.format(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")
        path.write_text(Template(text).substitute(known), encoding="utf-8")
    typer.echo(f"{folder}/ is ready. Next: cd {folder} && crypto-features run")
