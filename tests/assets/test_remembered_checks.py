"""A bad month stays bad, whichever months later runs look at, until it is fixed."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import pytest

from crypto_features.graph.checks.finding import Finding
from crypto_features.graph.checks.remembered import judged

PUBLISHED = ("2024-01", "2024-02", "2024-03", "2024-04")


class Market:
    """Months with candles that are bad or good, and the checks' record over them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.bad: set[str] = set()
        self.looked: list[Sequence[str]] = []

    def look(self, months: Sequence[str]) -> Mapping[str, Finding]:
        self.looked.append(tuple(months))
        wrong = sorted(self.bad.intersection(months))
        return {
            "quarantine": Finding(not wrong, f"bad: {', '.join(wrong)}" if wrong else "good", "correct the source."),
            "other": Finding(passed=True, text="good", todo=""),
        }

    def run(self, *months: str, published: Sequence[str] = PUBLISHED) -> Finding:
        """What the check says in a run over those months, recorded as Dagster does."""
        found = judged(self.instance, "candles", months, published, self.look)
        for name, finding in found.items():
            result = finding.result(dg.AssetKey("candles"), name, dg.AssetCheckSeverity.ERROR)
            evaluation = dg.AssetCheckEvaluation(dg.AssetKey("candles"), name, result.passed, result.metadata)
            self.instance.report_runless_asset_event(evaluation)
        assert found["other"].passed
        return found["quarantine"]


@pytest.fixture
def market() -> Iterator[Market]:
    with dg.instance_for_test() as instance:
        yield Market(instance)


def test_a_run_over_a_good_month_does_not_end_the_failure_of_another(market: Market) -> None:
    market.bad = {"2024-02"}
    assert not market.run("2024-02").passed
    for month in ("2024-03", "2024-04", "2024-03"):
        assert market.run(month).text == "bad: 2024-02"
    market.bad = set()
    assert market.run("2024-04").passed
    market.looked.clear()
    assert market.run("2024-04").passed
    assert market.looked == [("2024-04",)], "what passed is not looked at again"


def test_two_bad_months_are_both_remembered(market: Market) -> None:
    market.bad = {"2024-01", "2024-03"}
    assert not market.run("2024-01").passed
    assert market.run("2024-03").text == "bad: 2024-03"
    market.bad = {"2024-01"}
    assert market.run("2024-03").text == "bad: 2024-01"
    market.bad = set()
    assert market.run("2024-03").passed


def test_a_month_that_was_deleted_is_bad_no_more(market: Market) -> None:
    market.bad = {"2024-02"}
    assert not market.run("2024-02").passed
    assert market.run("2024-03", published=("2024-03",)).passed
