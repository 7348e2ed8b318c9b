"""No honest feature raises an alarm: neither a shipped one nor one that looks suspicious."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto_features.leak import leak_test
from crypto_features.shipped import catalog
from crypto_features.shipped.signals import volatility_breakout
from crypto_features.tables.group import FeatureGroup
from tests.features.honest import DAILY, HOURLY, OF_HOURS
from tests.features.other_catalog import catalog as other
from tests.features.weekly_catalog import entries, swings

SHIPPED = [*catalog.groups.values(), volatility_breakout(k=None)]
HONEST = [DAILY, HOURLY, OF_HOURS, *other.groups.values(), swings, entries]


@pytest.mark.parametrize("group", SHIPPED, ids=[*catalog.groups, "trading_signals with noise k"])
def test_no_shipped_feature_raises_an_alarm(group: FeatureGroup) -> None:
    report = leak_test(group)
    assert report.passed, str(report)
    assert report.unprobed == ()
    assert min(report.cuts[probe] for probe in ("truncate", "perturb", "gap")) > 50
    assert report.cuts["calendar"] > 4000


@pytest.mark.proof
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("group", HONEST, ids=lambda group: group.name)
def test_no_honest_feature_raises_an_alarm(group: FeatureGroup, count: Callable[..., int]) -> None:
    if group.name == DAILY.name:
        group = replace(group, features=group.features[:: count(ci=6, proof=1)])
    report = leak_test(group)
    assert report.passed, str(report)
    assert report.unprobed == ()
