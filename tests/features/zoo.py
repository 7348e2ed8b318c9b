"""What the leak test finds in the zoo of planted leaks."""

from functools import cache

from crypto_features.leak import leak_test
from crypto_features.leak.report import Leak
from tests.features.zoo_common import zoo

ZOO = {group.name: group for group in zoo()}


@cache
def caught(name: str) -> tuple[Leak, ...]:
    """What the leak test finds in a group of the zoo."""
    report = leak_test(ZOO[name])
    assert report.unprobed == ()
    return report.leaks


def missed(name: str) -> list[str]:
    """The planted leaks of a group that go unnoticed."""
    found = {leak.feature for leak in caught(name)}
    return [] if "(rows)" in found else [f.name for f in ZOO[name].features if f.name not in found]
