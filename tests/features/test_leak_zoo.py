"""No planted leak of an expression goes unnoticed."""

from collections.abc import Callable

import pytest

from tests.features.zoo import ZOO, caught, missed


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_every_planted_leak_is_caught(count: Callable[..., int]) -> None:
    groups = [name for name, group in ZOO.items() if group.function is None][:: count(ci=3, proof=1)]
    assert {group: missed(group) for group in groups} == {group: [] for group in groups}


@pytest.mark.parametrize(
    ("group", "feature", "kind"),
    [
        ("rare daily leaks", "tomorrow's return for FTT", "look-ahead"),
        ("daily leaks", "since-listing high", "memory"),
        ("daily leaks", "zero-filled warm-up", "warm-up"),
    ],
)
def test_a_leak_is_named_by_its_kind(group: str, feature: str, kind: str) -> None:
    assert kind in {leak.kind for leak in caught(group) if leak.feature == feature}


def test_the_zoo_is_large_and_without_doubles() -> None:
    names = [feature.description for group in ZOO.values() for feature in group.features]
    assert len(names) == len(set(names)) >= 190
