"""Reading as steps that know nothing of waiting: the same ones are driven with and without an event loop."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Steps = Generator[tuple[Any, ...], Any, T]
"""Yields what is asked of a database, is sent what that answers, and returns what was to be read."""


def driven(ask: Callable[..., Any], steps: Steps[T]) -> T:
    """What the steps return, each of which is answered by `ask`."""
    try:
        request = next(steps)
        while True:
            request = steps.send(ask(*request))
    except StopIteration as done:
        found: T = done.value
        return found


async def awaited(ask: Callable[..., Awaitable[Any]], steps: Steps[T]) -> T:
    """What the steps return, each of which is answered by `ask`, without blocking the event loop."""
    try:
        request = next(steps)
        while True:
            request = steps.send(await ask(*request))
    except StopIteration as done:
        found: T = done.value
        return found
