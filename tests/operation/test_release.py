"""A wheel is the same bytes wherever and whenever it is built, and its bill names all that it needs."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types.
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
COPIED = (
    "crypto_features",
    "feature_repo",
    "reader",
    ".ci",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements.lock",
)


def built(folder: Path, mask: int, epoch: int) -> Path:
    """What `.ci/wheel` makes of a copy, each file of which is as old as the copy."""
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        os.utime(path, (epoch, epoch))
        if path.is_file() and path.suffix:
            path.chmod(0o666 & ~mask)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    done = subprocess.run(
        [folder / ".ci/wheel"],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        capture_output=True,
        text=True,
        check=False,
        umask=mask,
    )
    assert done.returncode == 0, done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("one") / "here", 0o022, 1_600_000_000)


def test_two_builds_elsewhere_and_at_another_time_are_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    again = built(tmp_path / "there", 0o077, 1_750_000_000)
    names = sorted(path.name for path in dist.iterdir())
    own = version("crypto-features")
    assert [name for name in names if name != "SHA256SUMS"] == [
        f"{package}-{own}-py3-none-any.{kind}"
        for package in ("crypto_features", "crypto_features_reader")
        for kind in ("cdx.json", "whl")
    ]
    assert names == sorted(path.name for path in again.iterdir())
    assert [(dist / name).read_bytes() == (again / name).read_bytes() for name in names] == [True] * 5
    sums = [f"{hashlib.sha256((dist / name).read_bytes()).hexdigest()}  {name}" for name in names[1:]]
    assert sorted((dist / "SHA256SUMS").read_text().splitlines()) == sorted(sums)


@pytest.mark.parametrize(
    ("name", "packages"),
    [("crypto_features", {"crypto_features", "feature_repo"}), ("crypto_features_reader", {"crypto_features_reader"})],
)
def test_the_wheel_holds_the_package_and_nothing_else(dist: Path, name: str, packages: set[str]) -> None:
    (wheel,) = dist.glob(f"{name}-*.whl")
    with zipfile.ZipFile(wheel) as files:
        tops = {name.partition("/")[0] for name in files.namelist()}
        dates = {info.date_time for info in files.infolist()}
    assert tops == {*packages, f"{name}-{version('crypto-features')}.dist-info"}
    assert dates == {(2023, 11, 14, 22, 13, 20)}  # the second that SOURCE_DATE_EPOCH names.


def test_the_bill_names_all_that_the_wheel_needs_in_the_versions_of_the_lock(dist: Path) -> None:
    (path,), (reader,) = dist.glob("crypto_features-*.cdx.json"), dist.glob("crypto_features_reader-*.whl")
    bill: dict[str, Any] = json.loads(path.read_text())
    lock = (ROOT / "requirements.lock").read_text()
    found = {one["name"]: one for one in bill["components"]}
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/crypto-features@{version('crypto-features')}"
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert found["crypto-features-reader"]["hashes"][0]["content"] == hashlib.sha256(reader.read_bytes()).hexdigest()
    for name, one in found.items():
        if name == "crypto-features-reader":
            continue
        assert f"\n{name}=={one['version']} " in f"\n{lock}"
        assert all(f"sha256:{each['content']}" in lock for each in one["externalReferences"][0]["hashes"])
    direct = {Requirement(text).name for text in requires("crypto-features") or () if "extra ==" not in text}
    assert direct <= found.keys()
    assert {"pytest", "ruff", "playwright", "psycopg", "redis"}.isdisjoint(found)
    refs = {one["bom-ref"] for one in (bill["metadata"]["component"], *found.values())}
    assert {one["ref"] for one in bill["dependencies"]} == refs
    assert {ref for one in bill["dependencies"] for ref in one["dependsOn"]} == refs - {
        bill["metadata"]["component"]["bom-ref"]
    }


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_each_action_is_pinned_by_commit_and_each_job_says_its_rights(workflow: Path) -> None:
    text = workflow.read_text()
    actions = re.findall(r"uses: (.+)", text)
    assert len(actions) >= 2
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in actions), actions
    content: dict[str, Any] = yaml.safe_load(text)
    assert content["permissions"] in ({}, {"contents": "read"})
    for step in (step for job in content["jobs"].values() for step in job["steps"]):
        assert "${{" not in step.get("run", ""), "what an event brings is never a part of a script"
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_what_may_sign_and_publish_runs_nothing_of_the_repository() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert not [step for step in jobs["publish"]["steps"] if "checkout" in step.get("uses", "")]


@pytest.mark.parametrize(("tag", "code"), [("v{}", 0), ("v{}1", 1), ("{}", 1)])
def test_a_tag_of_another_version_is_refused(tag: str, code: int) -> None:
    steps = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]["build"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "Refuse a tag of another version"]
    (own,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    environment = {**os.environ, "GITHUB_REF_NAME": tag.format(own)}
    assert (
        subprocess.run(
            ["/bin/bash", "-eo", "pipefail", "-c", script], cwd=ROOT, env=environment, check=False
        ).returncode
        == code
    )


def test_the_reader_is_of_the_same_version_and_needs_nothing(dist: Path) -> None:
    (path,) = dist.glob("crypto_features_reader-*.cdx.json")
    bill: dict[str, Any] = json.loads(path.read_text())
    assert bill["components"] == []
    own, needed = ((ROOT / folder / "pyproject.toml").read_text() for folder in ("reader", "."))
    (number,) = re.findall(r'^version = "(.+)"$', own, re.MULTILINE)
    assert re.findall(r'"crypto-features-reader==(.+)"', needed) == [number]
    assert re.findall(r'^version = "(.+)"$', needed, re.MULTILINE) == [number]


def test_every_python_that_the_package_names_is_tested() -> None:
    matrix = yaml.safe_load((ROOT / ".github/workflows/graph.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert matrix == {"python": named}
