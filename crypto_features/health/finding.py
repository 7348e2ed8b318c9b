"""What an examination found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARN = "warn"
    """It works now, and an operator should know."""
    WRONG = "wrong"
    """Something does not work, or a reader gets less than it should."""


@dataclass(frozen=True)
class Finding:
    """What was found of one part.

    Args:
        about: The part, such as `data folder`.
        level: How grave it is.
        text: What was seen. No address with a password is in it.
        todo: The command, or what else puts it right, unless `text` says so.
    """

    about: str
    level: Level
    text: str
    todo: str = ""


def ok(about: str, text: str) -> Finding:
    return Finding(about, Level.OK, text)


def warn(about: str, text: str, todo: str = "") -> Finding:
    return Finding(about, Level.WARN, text, todo)


def wrong(about: str, text: str, todo: str = "") -> Finding:
    return Finding(about, Level.WRONG, text, todo)
