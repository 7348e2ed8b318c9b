"""What the command line says of itself: its version, its examples, and what a shell completes."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from crypto_features.cli import app

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("crypto-features")


def named(group: typer.Typer, *before: str) -> list[tuple[str, ...]]:
    """Every command, with the group that it is in."""
    here = [(*before, one.name or one.callback.__name__.replace("_", "-")) for one in group.registered_commands]  # type: ignore[union-attr] # each has a function.
    below = [named(one.typer_instance, *before, str(one.name)) for one in group.registered_groups]  # type: ignore[arg-type] # each has an instance.
    return [*here, *(name for names in below for name in names)]


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (result.exit_code, result.stdout) == (0, f"crypto-features {declared}\n")


@pytest.mark.parametrize("command", named(app), ids=" ".join)
def test_examples_are_whole_lines_of_eighty_columns_that_name_their_command(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    _, _, examples = result.stdout.partition("Examples:\n")
    for line in filter(None, map(str.strip, examples.splitlines())):
        assert f"crypto-features {' '.join(command)}" in line


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("crypto-features do", ["doctor"]),
        ("crypto-features training-set re", ["rebuild"]),
        ("crypto-features plan --re", ["--refit"]),
    ],
)
def test_bash_is_offered_commands_and_options(typed: str, offered: list[str]) -> None:
    asked = {"_CRYPTO_FEATURES_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run([PROGRAM], env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


def test_bash_is_given_a_script_that_it_can_read() -> None:
    asked = os.environ | {"_CRYPTO_FEATURES_COMPLETE": "source_bash"}
    script = subprocess.run([PROGRAM], env=asked, capture_output=True, text=True, check=True).stdout
    assert "complete -o default -F _crypto_features_completion crypto-features" in script
    bash = shutil.which("bash")
    assert bash is None or subprocess.run([bash, "-n"], input=script, text=True, check=True).returncode == 0
