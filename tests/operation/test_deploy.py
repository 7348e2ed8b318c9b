"""The files of `deploy/`: what systemd and Compose themselves say of them, and what they let the platform write."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from crypto_features.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def tool(*questions: str) -> list[str]:
    """The first command that answers when it is asked for its version."""
    for *command, version in map(str.split, questions):
        if (
            shutil.which(command[0])
            and subprocess.run([*command, version], capture_output=True, check=False).returncode == 0
        ):
            return command
    pytest.skip(f"`{questions[0]}` fails: the files of deploy/ are not validated by it")


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    command = tool("systemd-analyze --version")
    for unit in UNITS:
        text = re.sub(r"/opt/crypto-features/\.venv/bin/[\w-]+", sys.executable, unit.read_text())
        (tmp_path / unit.name).write_text(text)
    files = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run([*command, "verify", "--man=no", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_exposed_as_little_as_it_can_be(unit: Path) -> None:
    command = [*tool("systemd-analyze --version"), "security", "--offline=true", "--threshold=30"]
    done = subprocess.run([*command, str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout  # 30 is 3.0 of 10.


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_may_write_where_its_settings_say(unit: Path) -> None:
    text = unit.read_text()
    assert "ProtectSystem=strict" in text
    (state,) = re.findall(r"^StateDirectory=(.+)$", text, re.MULTILINE)
    for name in ("DAGSTER_HOME", "CRYPTO_FEATURES_DATA"):
        (path,) = re.findall(rf"\b{name}=(\S+)", text)
        assert path.startswith(f"/var/lib/{state}/")


@pytest.mark.parametrize("unit", [unit for unit in UNITS if "migrate" not in unit.name], ids=lambda unit: unit.stem)
def test_nothing_starts_before_the_database_is_migrated(unit: Path) -> None:
    text = unit.read_text()
    assert re.search(r"^After=.*crypto-features-migrate\.service", text, re.MULTILINE)
    assert re.search(r"^Requires=crypto-features-migrate\.service$", text, re.MULTILINE)


def test_a_database_that_comes_up_late_is_waited_for(tmp_path: Path) -> None:
    """The unit does not fail: what requires it would fail too, and nothing would start it again."""
    text = (DEPLOY / "systemd/crypto-features-migrate.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    late = tmp_path / "dagster"
    late.write_text('#!/bin/sh\necho "$@" >> "$0.asked"\ntest "$(wc -l < "$0.asked")" = 3\n')
    late.chmod(0o755)
    quick = command.replace("/opt/crypto-features/.venv/bin/dagster", str(late)).replace("sleep 5", "sleep 0.01")
    assert subprocess.run(shlex.split(quick), check=False, timeout=30).returncode == 0
    assert (tmp_path / "dagster.asked").read_text() == "instance migrate\n" * 3
    assert "TimeoutStartSec=infinity" in text


def test_the_service_cannot_replace_its_secrets() -> None:
    owned = [
        line
        for line in (DEPLOY / "README.md").read_text().splitlines()
        if re.search(r"-o crypto-features|chown.* crypto-features", line)
    ]
    assert len(owned) == 2
    assert not [line for line in owned if "/etc/" in line]


def test_only_what_the_image_copies_reaches_the_builder() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "compose/Dockerfile").read_text(), re.MULTILINE)
    ignored = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = [line.removeprefix("!") for line in rules if line.startswith("!")]
    assert sorted(kept) == sorted({path for paths in copied for path in paths.split()})
    assert all((DEPLOY.parent / path).exists() for path in kept)
    assert rules[len(kept) + 1 :] == ["**/__pycache__"]


def locked(lock: Path) -> dict[str, str]:
    """What a lock says of each package: version, marker and hashes."""
    blocks = re.findall(r"^([\w.-]+)(==.*(?:\n    .*)*)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): rest for name, rest in blocks}


def test_the_image_has_all_that_runs_in_the_versions_that_are_tested_and_no_tool_of_developers() -> None:
    image, tested = locked(DEPLOY / "compose/image.lock"), locked(DEPLOY.parent / "requirements.lock")
    pinned = {name: re.findall(r"==(\S+)|sha256:(\w+)", text) for name, text in tested.items()}
    assert {name: re.findall(r"==(\S+)|sha256:(\w+)", text) for name, text in image.items()} == {
        name: pinned[name] for name in image
    }
    runs = {"redis", "postgres", "openlineage"}
    declared = [Requirement(one) for one in requires("crypto-features") or ()]
    needed = {
        canonicalize_name(one.name)
        for one in declared
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in runs)
    }
    assert needed - {"crypto-features-reader"} <= image.keys()
    assert not image.keys() & {
        "pytest",
        "ruff",
        "uv",
        "hatchling",
        "playwright",
        "hypothesis",
        "import-linter",
        "duckdb",
    }


def test_images_are_pinned_by_content() -> None:
    compose = (DEPLOY / "compose/compose.yaml").read_text()
    (base,) = re.findall(r"^ARG BASE=(.+)$", (DEPLOY / "compose/Dockerfile").read_text(), re.MULTILINE)
    pinned = re.findall(r"\$\{\w+_IMAGE:-(.+)\}", compose)
    assert set(re.findall(r"image: (.+)", compose)) == {"crypto-features:local", *re.findall(r"image: (\$.+)", compose)}
    assert len(pinned) == 3
    assert base in pinned, "the image alone and within Compose are the same"
    assert all(re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in pinned), pinned


def test_compose_accepts_the_file_and_passes_every_setting_on(tmp_path: Path) -> None:
    command = tool("docker compose version", "docker-compose version")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    folder = tmp_path / "deploy/compose"
    settings = {f"CRYPTO_FEATURES_{name.upper()}": f"value of {name}" for name in Settings.model_fields}
    images = {f"{name}_IMAGE": f"{name.lower()}@sha256:{'a' * 64}" for name in ("PYTHON", "POSTGRES", "NGINX")}
    lines = [
        f"{name}={value}"
        for name, value in {"POSTGRES_PASSWORD": "p", "CRYPTO_FEATURES_SERVE_TOKEN": "t", **images, **settings}.items()
    ]
    (folder / ".env").write_text("\n".join(lines))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRYPTO_FEATURES_")}
    done = subprocess.run(
        [*command, "config"], cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    fixed = {"DATA": "/data", "FILES": "/candles", "STORE": "postgres", "POSTGRES_URL": "postgresql://"}
    for name, value in settings.items():
        assert f"{name}: {fixed.get(name.removeprefix('CRYPTO_FEATURES_'), value)}" in done.stdout, name
    assert all(image in done.stdout for image in images.values()), "an operator may pin each image"
    assert done.stdout.count("published:") <= 1
    assert "443" in done.stdout
