"""Which code is one's own, to be read, and which is a library's, known by its version."""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PLATFORM = __name__.partition(".")[0]
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_PROJECT = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Library:
    """An installed distribution, and the names of those that it requires."""

    name: str
    version: str
    requires: tuple[str, ...]


@cache
def is_own(module: str) -> bool:
    """Whether a module's source counts: that of this platform, of packages that require it, and of all that is stored
    outside the folders of installed libraries.
    """
    top = module.partition(".")[0]
    if top in {PLATFORM, "__main__"}:
        return True
    if is_standard(top) or not _is_installed(top):
        return not is_standard(top)
    library = _library_of(top)
    return library is not None and PLATFORM in map(_plain, library.requires)


def is_standard(module: str) -> bool:
    """Whether a module belongs to Python itself."""
    return module.partition(".")[0] in sys.stdlib_module_names


def versions_of(modules: Iterable[str]) -> list[str]:
    """Name and version of the libraries that hold these modules, and of all that they require in turn."""
    tops = {module.partition(".")[0] for module in modules}
    waiting = [_library_of(top) for top in tops if top and not is_standard(top)]
    found: dict[str, str] = {}
    while waiting:
        library = waiting.pop()
        if library is not None and library.name not in found:
            found[library.name] = library.version
            waiting += map(_library, library.requires)
    return [f"{name} {version}" for name, version in sorted(found.items())]


@cache
def _is_installed(top: str) -> bool:
    loaded = sys.modules.get(top)
    if loaded is not None:
        folders = [getattr(loaded, "__file__", None), *getattr(loaded, "__path__", ())]
    else:
        spec = find_spec(top)
        folders = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    return any(folder and _INSTALLED.intersection(Path(folder).parts) for folder in folders)


@cache
def _library_of(top: str) -> Library | None:
    """The distribution that installed a top-level module."""
    return _library(top) or next(map(_library, _distributions().get(top, ())), None)


@cache
def _library(name: str) -> Library | None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    headers = HeaderParser().parsestr(text.partition("\n\n")[0])
    required = [line for line in headers.get_all("Requires-Dist", []) if "extra ==" not in line]
    projects = tuple(found[0] for line in required if (found := _PROJECT.match(line)))
    return Library(_plain(headers["Name"] or name), headers["Version"] or "", projects)


@cache
def _distributions() -> dict[str, list[str]]:
    return {top: list(names) for top, names in metadata.packages_distributions().items()}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
