"""When an asset is materialized by itself: declarative automation, one rule for each kind of asset.

A rule asks once for each reason. What it asked for and lost (a killed run) is found by the sensor `behind`.
"""

from typing import Any, TypeAlias

import dagster as dg

Condition = dg.AutomationCondition
Rule: TypeAlias = dg.AutomationCondition[Any]


def follows(*, foreign: bool = False) -> Rule:
    """Whenever an upstream partition was updated, the code changed, or a partition is missing; never while one runs.

    Unlike `AutomationCondition.eager()` it looks at every partition, not only the newest; and it waits while a blocking
    check of an upstream table fails; of a `foreign` one, whose checks run elsewhere, until they passed.
    """
    reason = Condition.missing().newly_true() | Condition.any_deps_updated() | Condition.code_version_changed()
    rule = _once(reason) & _nothing_runs() & _inputs_are_right()
    if foreign:
        rule &= Condition.all_deps_blocking_checks_passed()
    return rule.with_label("follows its inputs")


def fills() -> Rule:
    """Whenever a partition is missing or the code changed: for what a schedule keeps up to date."""
    reason = Condition.missing().newly_true() | Condition.code_version_changed()
    return (_once(reason) & _nothing_runs() & _inputs_are_right()).with_label("fills what is missing")


def each(cron: str) -> Rule:
    """Of the newest partition, at the times of a cron expression: for what comes from a source of its own."""
    return (Condition.on_cron(cron) & ~Condition.in_progress()).with_label(f"at {cron}")


def _once(reason: Rule) -> Rule:
    return reason.since(Condition.newly_requested() | Condition.newly_updated())


def _nothing_runs() -> Rule:
    return ~Condition.any_deps_in_progress() & ~Condition.in_progress()


def _inputs_are_right() -> Rule:
    fails = Condition.any_checks_match(Condition.check_failed(), blocking_only=True)
    return ~Condition.any_deps_missing() & ~Condition.any_deps_match(fails)
