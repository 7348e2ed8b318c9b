"""The leak test in one line of a user's pytest: `test_leaks = leak_tests(my_group)`."""

from collections.abc import Callable

from crypto_features.leak.probes import leak_test
from crypto_features.tables.group import FeatureGroup


def leak_tests(*groups: FeatureGroup) -> Callable[[FeatureGroup], None]:
    """A test of each of these groups, which fails with what the leak test found.

    Args:
        *groups: Feature groups of any catalog.
    """
    import pytest

    @pytest.mark.parametrize("group", groups, ids=[group.name for group in groups])
    def test_leaks(group: FeatureGroup) -> None:
        report = leak_test(group)
        assert report.passed, f"\n{report}"  # noqa: S101 - this is a test.

    return test_leaks
