"""Python and the installed packages, against what is declared and what is locked."""

import re
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from crypto_features.health.finding import Finding, ok, warn, wrong
from crypto_features.settings import Settings, project_root

PACKAGE = "crypto-features"
LOCK = "requirements.lock"
SHOWN = 5
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\\n]+))?", re.MULTILINE)


def environment(settings: Settings) -> Iterator[Finding]:
    """What is installed, and what the chosen store needs beside it."""
    needed = SpecifierSet(distribution(PACKAGE).metadata["Requires-Python"])
    python = ".".join(map(str, sys.version_info[:3]))
    if needed.contains(python):
        yield ok("Python", f"{python} at {sys.executable}")
    else:
        yield wrong("Python", f"{python}; {PACKAGE} needs {needed}.", f"make a new environment of Python {needed}")
    if lacking := unmet(PACKAGE):
        yield wrong("packages", _few(lacking), f"pip install --upgrade {PACKAGE}, or make clean run in its repository")
    else:
        yield ok("packages", f"{PACKAGE} {version(PACKAGE)}: each package that it needs, in a version that it takes")
    for extra in extras(settings):
        if lacking := unmet(PACKAGE, (extra,)):
            if lacking != unmet(PACKAGE):
                yield wrong(f"extra {extra}", _few(lacking), f"pip install '{PACKAGE}[{extra}]'")
        else:
            yield ok(f"extra {extra}", "installed")
    lock = project_root() / LOCK
    if lock.is_file():
        differ = unlocked(lock)
        if differ:
            yield warn("lock", _few(differ), f"pip install --require-hashes -r {lock}")
        else:
            yield ok("lock", f"what is installed of {lock} has its versions")


def extras(settings: Settings) -> tuple[str, ...]:
    """The extras of the package that the settings need."""
    chosen = {
        "redis": settings.store == "redis",
        "postgres": settings.store == "postgres" or bool(settings.postgres_url.get_secret_value()),
        "openlineage": bool(settings.openlineage),
    }
    return tuple(name for name, wanted in chosen.items() if wanted)


def unmet(package: str, extra: Collection[str] = ()) -> list[str]:
    """What a package needs, with all that those need, and is not installed or is so in another version.

    Args:
        package: Name of an installed package.
        extra: Its extras that are wanted, too.
    """
    found, looked, todo = list[str](), set[tuple[str, frozenset[str]]](), [(package, frozenset(extra))]
    while todo:
        name, wanted = one = todo.pop()
        if one in looked:
            continue
        looked.add(one)
        for need in map(Requirement, distribution(name).requires or ()):
            if need.marker is not None and not any(need.marker.evaluate({"extra": e}) for e in ("", *wanted)):
                continue
            installed = _version(need.name)
            if installed is None:
                found.append(f"{name} needs {_spec(need)}, which is not installed.")
            elif not need.specifier.contains(installed, prereleases=True):
                found.append(f"{name} needs {_spec(need)}; {installed} is installed.")
            else:
                todo.append((need.name, frozenset(need.extras)))
    return sorted(set(found))


def unlocked(lock: Path) -> list[str]:
    """The installed packages that have another version than a lock file says."""
    found = []
    for name, locked, marker in _LOCKED.findall(lock.read_text(encoding="utf-8")):
        installed = _version(name) if not marker or Marker(marker.strip()).evaluate() else None
        if installed is not None and installed != locked:
            found.append(f"{name} is {installed}, and {locked} in {lock.name}.")
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _spec(need: Requirement) -> str:
    return f"{need.name}{need.specifier}"


def _few(sentences: list[str]) -> str:
    more = len(sentences) - SHOWN
    return " ".join(sentences[:SHOWN]) + (f" And {more} more." if more > 0 else "")
