"""The same on a real ext4 from which the power is cut: nothing is on its disk but what was synced."""

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.stage import END, STRIKES, Stage

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200)]
MKFS = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin:/bin")
COMMIT = "loop,commit=300"
"""Writes nothing by itself for five minutes."""


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", COMMIT, image, folder], check=True)  # noqa: S607 - the system's own.
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S607 - as above.


def may_mount(image: Path, folder: Path) -> bool:
    """Whether this user of this machine may mount a file system."""
    folder.mkdir(exist_ok=True)
    try:
        with mounted(new_image(image), folder):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def new_image(path: Path) -> Path:
    """A file with an empty file system in it."""
    with path.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run([str(MKFS), "-q", path], check=True)
    return path


@pytest.mark.parametrize("name", ["partition", "publish", "disable", "switch", "apply"])
def test_a_power_cut_of_a_file_system_leaves_the_old_or_the_new(
    stage: Stage, name: str, count: Callable[..., int]
) -> None:
    most = count(ci=0, proof=20)
    if not most:
        pytest.skip("`make proof` cuts the power of a mounted file system; here power cuts are replayed")
    image, cut, found = stage.scratch / "image", stage.scratch / "cut", []
    if not may_mount(image, stage.folder):
        pytest.skip("no file system can be mounted here: power cuts are tried by replay only")
    points = stage.unharmed(name).points
    chosen = [END, *random.Random(name).sample(points, min(most, len(points)))]
    for point in chosen:
        with mounted(new_image(image), stage.folder):
            stage.prepare(name)
            subprocess.run(["sync", "-f", stage.folder], check=True)  # noqa: S607 - the system's own.
            stage.strike(name, point, STRIKES["killed"])
            shutil.copyfile(image, cut)
        with mounted(cut, stage.folder):
            why = stage.wrong(name, finished=point == END)
        found += [] if why is None else [f"{point.call} {point.number} ({point.text}): {why}"]
    print(f"{name}, mounted: {len(chosen)} cuts, {len(found)} faults")
    assert found == []
