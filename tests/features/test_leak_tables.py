"""No planted leak of a function over whole tables goes unnoticed, nor one that no candle shows."""

from collections.abc import Callable

import pytest

from crypto_features.leak import leak_test
from crypto_features.tables.group import FeatureGroup
from crypto_features.versions.probe_market import probe_market
from tests.features.zoo import ZOO, caught, missed
from tests.features.zoo_common import fitted_zoo


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_every_planted_leak_is_caught(count: Callable[..., int]) -> None:
    groups = [name for name, group in ZOO.items() if group.function is not None][:: count(ci=3, proof=1)]
    assert {group: missed(group) for group in groups} == {group: [] for group in groups}


@pytest.mark.parametrize(("group", "kind"), [("process state", "process state"), ("machine clock", "clock")])
def test_what_no_candle_shows_is_named_by_its_kind_alone(group: str, kind: str) -> None:
    assert {leak.kind for leak in caught(group)} == {kind}


def test_a_shift_across_symbols_is_named_by_its_kind() -> None:
    assert "other symbols" in {leak.kind for leak in caught("shift across symbols")}


def test_state_that_was_kept_before_the_test_is_seen() -> None:
    """The planted scaler was filled by the first of these calls, so this process always gives the same values."""
    again = {leak.feature for leak in leak_test(ZOO["process state"]).leaks}
    assert again == {leak.feature for leak in caught("process state")}


@pytest.mark.parametrize("group", fitted_zoo().values(), ids=fitted_zoo())
def test_a_fit_that_finds_other_parameters_in_the_same_rows_is_caught(group: FeatureGroup) -> None:
    leaks = leak_test(group, probe_market()).leaks
    assert {leak.probe for leak in leaks if leak.feature == "(regime_model)"} == {"truncate", "perturb", "gap"}
