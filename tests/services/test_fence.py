"""A writer that was stopped and wakes up after another took its place publishes nothing more."""

import pytest

from crypto_features.store.errors import FencedError
from crypto_features.store.online.backend import Backend, Fence
from tests.services.rows import row


def test_only_the_newest_generation_of_a_writer_publishes(backend: Backend) -> None:
    first = backend.claim("live/a")
    backend.write("t", [row(1)], first)
    other, second = backend.claim("live/b"), backend.claim("live/a")
    assert (first, second, other) == (Fence("live/a", 1), Fence("live/a", 2), Fence("live/b", 1))
    with pytest.raises(FencedError, match="live/a"):
        backend.write("t", [row(9)], first)
    assert [one.event for one in backend.scan("t")] == [1]
    backend.write("t", [row(2)], second)
    backend.write("t", [row(3)], other)
    backend.write("t", [row(4)])
    assert [one.event for one in backend.scan("t")] == [4]


def test_a_fence_that_nobody_began_publishes_nothing(backend: Backend) -> None:
    backend.claim("live/a")
    with pytest.raises(FencedError):
        backend.write("t", [row(1)], Fence("live/b", 1))
    assert backend.scan("t") == []
