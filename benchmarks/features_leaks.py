"""Which probe catches which planted leak, beside a rule of last rows: `python -m benchmarks.features_leaks`.

With names of groups of the zoo it prints the rows of these alone.
"""

import os
import sys

import polars as pl

from crypto_features.leak import leak_test
from crypto_features.leak.subject import Subject
from crypto_features.shipped import catalog
from crypto_features.shipped.signals import volatility_breakout
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.others import read_by_name
from crypto_features.versions.probe_market import DAYS, HOUR, START, probe_market, with_symbols
from tests.features.honest import DAILY, HOURLY
from tests.features.zoo_common import fitted_zoo, zoo

CUTS = 20
PROBES = (
    *("truncate", "perturb", "gap", "elsewhere", "delist", "list", "calendar"),
    *("start", "warm-up", "isolation", "permutation", "process", "clock"),
)


def caught_by_last_rows(group: FeatureGroup) -> set[str]:
    """Features whose last row changes when the market is cut at twenty times, as freqtrade's analysis does."""
    market = with_symbols(probe_market(), read_by_name(group))
    whole = computed(group, market)
    caught: set[str] = set()
    for number in range(1, CUTS + 1):
        past = market.filter(pl.col("open_time") < START + number * DAYS * 24 * HOUR / (CUTS + 1))
        rows = computed(group, past)
        last = rows.group_by("symbol").last().join(whole, on=["symbol", "event_timestamp"], suffix="_whole")
        for feature in group.features:
            if last.filter(pl.col(feature.name).ne_missing(pl.col(f"{feature.name}_whole"))).height:
                caught.add(feature.name)
    return caught


def computed(group: FeatureGroup, candles: pl.DataFrame) -> pl.DataFrame:
    """The group's rows, from candles alone."""
    until = pl.col("open_time").max().over("symbol") + HOUR
    return Subject(group, HOUR).rows(candles.with_columns(as_of=until))


def main() -> None:
    """Print the detection table, then the time and the alarms of the shipped groups."""
    print(f"| planted leak | {' | '.join(PROBES)} | last rows, {CUTS} cuts |")
    print("| --- " * (len(PROBES) + 2) + "|")
    total = found = by_last_rows = 0
    chosen = sys.argv[1:]
    for group in (one for one in zoo() if not chosen or one.name in chosen):
        report, last_rows = leak_test(group), caught_by_last_rows(group)
        for feature in group.features:
            probes = {leak.probe for leak in report.leaks if leak.feature in (feature.name, "(rows)")}
            marks = ["x" if probe in probes else "" for probe in PROBES]
            last = feature.name in last_rows
            print(f"| {feature.description} | {' | '.join(marks)} | {'x' if last else ''} |")
            total, found, by_last_rows = total + 1, found + bool(probes), by_last_rows + last
    for name, group in ({} if chosen else fitted_zoo()).items():
        last = bool(caught_by_last_rows(group))
        probes = {leak.probe for leak in leak_test(group).leaks}
        print(f"| {name} | {' | '.join('x' if p in probes else '' for p in PROBES)} | {'x' if last else ''} |")
        total, found, by_last_rows = total + 1, found + bool(probes), by_last_rows + last
    print(f"\nCaught: {found} of {total}; by last rows: {by_last_rows} of {total}.\n")
    if chosen:
        return
    print("| honest group | alarms | CPU seconds, of this process and the other |\n| --- | --- | --- |")
    honest = {group.name: group for group in (DAILY, HOURLY)}
    for name, group in {**catalog.groups, "trading_signals, noise k": volatility_breakout(k=None), **honest}.items():
        began = sum(os.times()[:4])
        report = leak_test(group)
        print(f"| {name} | {len(report.leaks)} | {sum(os.times()[:4]) - began:.1f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
