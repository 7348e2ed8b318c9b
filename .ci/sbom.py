"""Prints the bill of materials of a wheel, as CycloneDX 1.6: `python .ci/sbom.py WHEEL [OTHER OF THIS RELEASE ...]`.

It lists what the wheel needs without extras, in the versions of this environment, which `requirements.lock` has, too;
another wheel of this release by its own hash.
"""

import hashlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[1] / "requirements.lock"


def bill(wheel: Path, others: Sequence[Path] = ()) -> dict[str, object]:
    """The bill of a wheel. Equal wheels in equal environments have equal bills."""
    meta, digest = _metadata(wheel), _digest(wheel)
    own, beside = _own(wheel), {canonicalize_name(str(_metadata(one)["Name"])): _own(one) for one in others}
    needs = {str(own["bom-ref"]): _direct(meta.get_all("Requires-Dist") or (), set())}
    found = _closure(needs[own["bom-ref"]])
    hashes = locked(LOCK.read_text())
    components = {
        name: beside.get(name) or _locked_component(name, distribution(name).version, hashes) for name in sorted(found)
    }
    refs = {name: str(component["bom-ref"]) for name, component in components.items()}
    edges = {refs[name]: needed for name, needed in found.items()} | needs
    built = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {"timestamp": built.isoformat().replace("+00:00", "Z"), "component": own},
        "components": [*components.values()],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted({refs[name] for name, _ in needed})}
            for ref, needed in sorted(edges.items())
        ],
    }


def locked(lock: str) -> dict[tuple[str, str], list[str]]:
    """The SHA-256 of the files of each package and version in a lock."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, version, rest in re.findall(r"^([\w.-]+)==([^\s;]+)(.*(?:\n    .*)*)", lock, re.MULTILINE):
        found[canonicalize_name(name), version] = re.findall(r"--hash=sha256:(\w+)", rest)
    return found


Needed = frozenset[tuple[str, frozenset[str]]]
"""Packages by name, each with the extras that are asked for."""


def _closure(first: Needed) -> dict[str, Needed]:
    """Every package that is needed, with what it needs itself."""
    found: dict[str, Needed] = {}
    seen, left = set(first), [*first]
    while left:
        name, extras = left.pop()
        needed = _direct(distribution(name).requires or (), extras)
        found[name] = found.get(name, frozenset()) | needed
        left += needed - seen
        seen |= needed
    return found


def _direct(requires: Iterable[str], extras: Iterable[str]) -> Needed:
    found = set()
    for one in map(Requirement, requires):
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.add((canonicalize_name(one.name), frozenset(one.extras)))
    return frozenset(found)


def _locked_component(name: str, version: str, hashes: Mapping[tuple[str, str], list[str]]) -> dict[str, object]:
    if (name, version) not in hashes:
        raise SystemExit(
            f"{name} {version} is installed and is not in {LOCK.name}; build in the environment of `make`."
        )
    return _component(name, version) | {
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{name}/{version}/",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in hashes[name, version]],
            }
        ]
    }


def _own(wheel: Path) -> dict[str, object]:
    meta = _metadata(wheel)
    return _component(str(meta["Name"]), str(meta["Version"])) | {
        "hashes": [{"alg": "SHA-256", "content": _digest(wheel)}],
        "licenses": [{"license": {"id": meta["License-Expression"]}}],
    }


def _digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _component(name: str, version: str) -> dict[str, object]:
    purl = f"pkg:pypi/{canonicalize_name(name)}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(files.read(name))


if __name__ == "__main__":
    json.dump(bill(Path(sys.argv[1]), [*map(Path, sys.argv[2:])]), sys.stdout, indent=1)
    sys.stdout.write("\n")
