"""Every block of Python in README and docs runs on a platform that was built, and so does every command for it.

The tutorials run as the notebooks that they are, each on what those before it left.
"""

import asyncio
import inspect
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crypto_features.cli import app
from crypto_features.shipped import price
from crypto_features.store import session
from docs.tools.notebooks import BASH, NOTEBOOKS, executed, notebook, text_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {"README.md": (ROOT / "README.md").read_text()} | {
    path.relative_to(DOCS).as_posix(): path.read_text() for path in sorted(DOCS.rglob("*.md"))
}
TUTORIALS = [f"tutorials/{name}.md" for name in ("research", "trade", "operate")]
PROGRAM = Path(sys.executable).with_name("crypto-features")
ELSEWHERE = {
    "crypto-features fetch": "asks an exchange, or reads files that are not there",
    "crypto-features init": "tests/sharing tries it",
    "crypto-features live": "follows an exchange",
    "crypto-features run": "what stands here was built by it",
    "crypto-features --install-completion": "writes into a home",
    "crypto-features doctor": "says what is wrong with this machine",
    "crypto-features dev": "runs until somebody ends it",
}
"""Commands that begin so are not run here, and why."""
PROMISED = {"README.md": ("features",), "store.md": ("training", "then", "own")}
"""Frames of a page that hold values in every column."""
KNOWN: dict[str, Mapping[str, object]] = {"features.md": vars(price)}
"""Names that a page has from the file which it tells to edit."""


def blocks(page: str) -> list[tuple[str, str]]:
    """The language and the text of each block of a page."""
    return re.findall(r"^```(python|console|bash)\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


def commands(block: str) -> Iterator[list[str]]:
    """The calls of the program in a block that are for a folder that is built."""
    for line in block.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+#.*", "", line.removeprefix("$ "))
        ours = re.match(r"(?:[A-Z_]+=\S+ +)*crypto-features ", command)
        if ours and not any(re.search(rf"(?:^| ){begin}", command) for begin in ELSEWHERE):
            yield shlex.split(command)


def surround(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """The settings of the platform in a folder, which is the working directory and the home."""
    for name, value in {
        "CRYPTO_FEATURES_DATA": f"{folder}/data",
        "CRYPTO_FEATURES_CATALOG": "desk:catalog",
        "CRYPTO_FEATURES_CLOCK": "2026-11-27T18:57:00Z",
        "CRYPTO_FEATURES_SYMBOLS": "BTC,ETH",
        "DAGSTER_HOME": f"{folder}/data/dagster",
        "HOME": str(folder),
        "PATH": os.pathsep.join([str(PROGRAM.parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_TRACKING_URI": f"file://{folder}/runs",
    }.items():
        patch.setenv(name, value)
    patch.setattr(sys, "path", [str(folder), *sys.path])
    patch.chdir(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two symbols of the sample were built, with the desk of the research tutorial."""
    folder = tmp_path_factory.mktemp("documentation")
    (block,) = (block for _, block in blocks("tutorials/research.md") if "cf.TrainingSet(" in block)
    (folder / "desk.py").write_text(block)
    with pytest.MonkeyPatch.context() as patch:
        surround(patch, folder)
        subprocess.run([PROGRAM, "run"], capture_output=True, check=True)
    return folder


@pytest.fixture(autouse=True)
def project(built: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder, whose settings hold for this test."""
    surround(monkeypatch, built)
    session._stores.clear()
    yield built
    session._stores.clear()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page) and page not in TUTORIALS])
def test_what_a_page_shows_works_in_its_order(page: str, project: Path) -> None:
    names: dict[str, Any] = {**KNOWN.get(page, {}), "__name__": page}
    for language, block in blocks(page):
        if language == "python":
            execute(block, page, names)
        else:
            for command in commands(block):
                call(command, project)
    for name in PROMISED.get(page, ()):
        assert names[name].notna().any().all(), f"{page}: {name} has columns without a value"


@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_runs_as_a_notebook_and_draws(page: str, project: Path) -> None:
    found = notebook(PAGES[page])
    for cell in found.cells:
        if cell.source.startswith(BASH):  # in the notebook's process, which has imported what they need.
            calls = [*commands(cell.source.removeprefix(BASH).strip())]
            cell.source = f"from {__name__} import Path, call\nfor one in {calls!r}: call(one, Path({str(project)!r}))"
    (picture,) = executed(found, project)
    assert picture.startswith(b"\x89PNG")


def test_the_notebooks_are_those_of_the_tutorials() -> None:
    stored = {path.stem: path.read_text() for path in NOTEBOOKS.glob("*.ipynb")}
    made = {Path(page).stem: text_of(notebook(PAGES[page])) for page in TUTORIALS}
    assert stored == made, "examples/notebooks is stale: `make docs` writes it"


def execute(block: str, page: str, names: dict[str, Any]) -> None:
    before = {*names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user's own warnings are not ours.
        exec(compile(block, page, "exec"), names)  # noqa: S102 - our own text.
        for name in names.keys() - before:
            if inspect.iscoroutinefunction(names[name]):  # a bot, which never ends by itself.
                with suppress(TimeoutError):
                    asyncio.run(asyncio.wait_for(names[name](), 0.5))


def call(command: list[str], project: Path) -> None:
    words = ["1" if before == "--seeds" else word for before, word in pairwise(["", *command])]
    words = [re.sub(r"^(\w+=)?(?:~|(?=/(?:backups|srv)/))", rf"\1{project}", word) for word in words]
    at = words.index("crypto-features")
    done = CliRunner(env=dict(word.split("=", 1) for word in words[:at])).invoke(app, words[at + 1 :])
    assert done.exit_code == 0, f"{shlex.join(command)}: {done.output}"
