"""The tutorials as notebooks: `python -m docs.tools.notebooks` writes them into examples/notebooks.

`python -m docs.tools.notebooks NAME FOLDER` runs one in a project that was built, and puts its pictures into a folder.
"""

import base64
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
NOTEBOOKS = ROOT / "examples" / "notebooks"
BASH = "%%bash"
"""What a cell of commands begins with; a command that fails is an error."""
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def notebook(page: str) -> nbformat.NotebookNode:
    """A page of Markdown as a notebook: its Python and its commands are cells, pictures are what the cells draw."""
    cells = [*_cells(page)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def _cells(page: str) -> Iterator[nbformat.NotebookNode]:
    end = 0
    for block in _BLOCK.finditer(page):
        yield from _prose(page[end : block.start()])
        text = block[2].rstrip()
        for source in [text] if block[1] == "python" else _commands(text):
            yield nbformat.v4.new_code_cell(source)
        end = block.end()
    yield from _prose(page[end:])


def _prose(text: str) -> Iterator[nbformat.NotebookNode]:
    shown = re.sub(r"^!\[.*\n", "", text, flags=re.MULTILINE)
    shown = re.sub(r"\]\((?!http)([^)]*)\)", lambda link: f"]({_from_notebooks(link[1])})", shown).strip()
    if shown:
        yield nbformat.v4.new_markdown_cell(shown)


def _from_notebooks(link: str) -> str:
    path, _, anchor = link.partition("#")
    moved = posixpath.relpath(posixpath.join("docs/tutorials", path), "examples/notebooks") if path else ""
    return f"{moved}#{anchor}" if anchor else moved


def _commands(block: str) -> Iterator[str]:
    """Settings stay for the cells that follow, so they are cells of their own."""
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    settings = [f"%env {line[7:]}" for line in lines if line.startswith("export ")]
    rest = [line for line in lines if not line.startswith("export ")]
    if settings:
        yield "\n".join(settings)
    if rest:
        yield "\n".join([BASH, *rest])


def text_of(found: nbformat.NotebookNode) -> str:
    """A notebook as its file."""
    return f"{nbformat.writes(found)}\n"


def executed(found: nbformat.NotebookNode, folder: Path) -> list[bytes]:
    """Run a notebook in a project's folder; the pictures that it drew."""
    manager = AsyncKernelManager(kernel_name="python3", transport="ipc")
    client = NotebookClient(found, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.owns_km = True  # so that it ends the kernel.
    client.execute()
    outputs = (output for cell in found.cells for output in cell.get("outputs", ()))
    return [base64.b64decode(output.data["image/png"]) for output in outputs if "image/png" in output.get("data", {})]


def main(name: str = "", folder: str = "") -> None:
    """Write every notebook, or run one and keep its pictures."""
    if name:
        run = notebook((TUTORIALS / f"{name}.md").read_text())
        for picture in executed(run, Path.cwd()):
            Path(folder, f"tutorial_{name}.png").write_bytes(picture)
        nbformat.write(run, Path(folder, f"{name}.ipynb"))
        return
    for page in TUTORIALS.glob("*.md"):
        (NOTEBOOKS / f"{page.stem}.ipynb").write_text(text_of(notebook(page.read_text())))


if __name__ == "__main__":
    main(*sys.argv[1:])
