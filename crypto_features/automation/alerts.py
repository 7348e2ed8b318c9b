"""Telling a person, once, what is wrong and what to do: one Slack-compatible message for what began and what ended."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_SIGNS = 2900
"""A section of Slack takes 3,000."""
MAX_SHOWN = 20
"""Problems spelled out in one message; Slack takes 50 blocks."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong now.

    Args:
        key: What makes two observations the same problem, such as `check:price_features:ranges`.
        title: One line: what is wrong, and where.
        detail: What was seen, and what follows for the bot or the models.
        action: What to do next, as a command or a place to look.
        url: Page of the UI that shows it.
    """

    key: str
    title: str
    detail: str
    action: str
    url: str = ""


@dataclass(frozen=True)
class Notice:
    """What is reported to a person now, and what to remember of it.

    Args:
        begun: Problems that were not reported yet, or that are still open after the repeat time.
        ended: Titles of problems that were reported and are gone.
        told: Title of every open problem, and the time of its last report, by key.
    """

    begun: tuple[Problem, ...]
    ended: tuple[str, ...]
    told: Mapping[str, tuple[str, datetime]]


def due(
    problems: Iterable[Problem], told: Mapping[str, tuple[str, datetime]], now: datetime, repeat: timedelta
) -> Notice:
    """Compare the problems of now with those reported before: each once, until it ends or `repeat` passes."""
    found = {problem.key: problem for problem in problems}
    begun = tuple(p for key, p in found.items() if key not in told or now - told[key][1] >= repeat)
    ended = tuple(title for key, (title, _) in told.items() if key not in found)
    still = {key: value for key, value in told.items() if key in found}
    return Notice(begun, ended, still | {p.key: (p.title, now) for p in begun})


def slack(notice: Notice, now: datetime) -> dict[str, object]:
    """The message as Slack's incoming webhooks take it; `text` alone says everything in a notification."""
    lines = [f"{p.title}" for p in notice.begun] + [f"Over: {title}" for title in notice.ended]
    blocks = [_section(_paragraph(problem)) for problem in notice.begun[:MAX_SHOWN]]
    if len(notice.begun) > MAX_SHOWN:
        blocks.append(_section(f"… and {len(notice.begun) - MAX_SHOWN} more; the UI lists them."))
    if notice.ended:
        blocks.append(_section("\n".join(f":white_check_mark: Over: {_escape(title)}" for title in notice.ended)))
    blocks.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": f"crypto-features, {now:%Y-%m-%d %H:%M} UTC"}]}
    )
    return {"text": "\n".join(lines), "blocks": blocks}


def remember(told: Mapping[str, tuple[str, datetime]]) -> str:
    """The memory of a sensor, as text."""
    return json.dumps({key: [title, time.isoformat()] for key, (title, time) in told.items()}, sort_keys=True)


def recall(cursor: str | None) -> dict[str, tuple[str, datetime]]:
    """What `remember` wrote; nothing if there is none."""
    stored: dict[str, tuple[str, str]] = json.loads(cursor or "{}")
    return {key: (title, datetime.fromisoformat(time)) for key, (title, time) in stored.items()}


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:MOST_SIGNS]}}


def _paragraph(problem: Problem) -> str:
    title = f"<{problem.url}|{_escape(problem.title)}>" if problem.url else _escape(problem.title)
    todo = f"\n*Do:* {_escape(problem.action)}"
    # What to do is never cut off: a cause may be as long as a traceback.
    seen = f":red_circle: *{title}*\n{_escape(problem.detail)}"
    return seen[: MOST_SIGNS - len(todo)] + todo


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
