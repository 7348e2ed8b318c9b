"""Where a file of the repository stands on the site, and the links between them."""

import posixpath
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

DOCS = "docs/"
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(?=[)#])")


def place(path: str) -> str:
    """The page or file of the site that shows a file of the repository, both as paths from their roots."""
    if path == "README.md":
        return "index.md"
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return path if path.endswith((".md", ".ipynb")) else f"{path}.md"


def targets(text: str, source: str) -> dict[str, str]:
    """What a file links to: each link as it is written, and the file of the repository that it means."""
    folder = posixpath.dirname(source)
    return {link: posixpath.normpath(posixpath.join(folder, link)) for link in _LINK.findall(text)}


def relink(text: str, source: str, meant: Mapping[str, str]) -> str:
    """The text of a file with each link as it is on the site.

    Args:
        text: Markdown.
        source: The file, from the repository's root.
        meant: The page or file of the site for files of the repository, as `place` has it.
    """
    folder = posixpath.dirname(place(source)) or "."
    found = targets(text, source)

    def moved(link: re.Match[str]) -> str:
        target = found[link[1]]
        return posixpath.relpath(meant[target], folder) if target in meant else link[1]

    return _LINK.sub(moved, text)


def as_page(path: str, text: str) -> str:
    """A page that shows a file which is not Markdown."""
    language = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}.get(PurePosixPath(path).suffix, "")
    return f"# {path}\n\n````{language}\n{text}\n````\n"
