"""What MkDocs does beside docs/: what the pages link to in the repository becomes a page, and links are the site's."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from docs.tools.links import DOCS, as_page, place, relink, targets
from docs.tools.llms import llms, sections

ROOT = Path(__file__).parents[2]
BESIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "reader/README.md", "deploy/README.md")
"""Pages that are not in docs/, as are those that they and the others link to."""


def repository_files() -> dict[str, str]:
    """The files of the repository that the site shows, with their pages or files there."""
    known = {f"{DOCS}{path.relative_to(ROOT / DOCS).as_posix()}" for path in (ROOT / DOCS).rglob("*.*")}
    left, found = [*BESIDE, *(path for path in sorted(known) if path.endswith(".md"))], dict[str, str]()
    while left:
        path = left.pop()
        if (ROOT / path).is_dir():
            path = f"{path}/README.md"
        if path in found or not (ROOT / path).is_file():
            continue
        found[path] = place(path)
        if path.endswith(".md"):
            left += targets((ROOT / path).read_text(), path).values()
    return found | {str(Path(path).parent): page for path, page in found.items() if Path(path).name == "README.md"}


SHOWN = repository_files()
SOURCES = {page: path for path, page in SHOWN.items() if (ROOT / path).is_file()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that are not in docs/."""
    nav = str(config.nav)
    for page, path in SOURCES.items():
        if path.startswith(DOCS):
            continue
        text = (ROOT / path).read_text()
        level = InclusionLevel.INCLUDED if f"'{page}'" in nav else InclusionLevel.NOT_IN_NAV
        content = text if path.endswith((".md", ".ipynb")) else as_page(path, text)
        files.append(File.generated(config, page, content=content, inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs passes them.
    """Links as they are on the site."""
    source = SOURCES.get(page.file.src_uri)
    return relink(markdown, source, SHOWN) if source and source.endswith(".md") else markdown


def on_post_build(config: MkDocsConfig) -> None:
    """Add llms.txt."""
    texts = {page: (ROOT / path).read_text() for page, path in SOURCES.items() if path.endswith(".md")}
    Path(config.site_dir, "llms.txt").write_text(llms(sections(config.nav or [], texts)))
