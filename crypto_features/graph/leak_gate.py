"""The leak test in front of the first publication: a table of a new version is not published until it passes.

What is tested is a definition, with its declared windows, on probe markets and on candles of each symbol in the lake: a
new symbol is tested as well, as is code that changes no value of the probe market.

The versions that ship were leak-tested, and their list stands beside this module; with other versions of the libraries
they are tested again. `python -m crypto_features.graph.leak_gate` tests every group and writes the list anew.
"""

import hashlib
import json
import os
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import dagster as dg
import polars as pl
from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.compute.resample import resample
from crypto_features.errors import PermanentError
from crypto_features.graph.lake import LakeResource
from crypto_features.lake.candles import current
from crypto_features.leak import ADVICE, leak_test, named_market
from crypto_features.tables.group import FeatureGroup
from crypto_features.versions.definition import feature_definitions
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.measured import feature_versions
from crypto_features.versions.probe_market import COLUMNS, DAYS, probe_candle

CHECK = "leak_tested"
LIST = "leak_tested.json"
SEEN = ".leak_tested"
"""The folder below the data folder that notes which versions passed on which symbols."""
SHOWN = 20
_HELD = pl.Schema({"symbol": pl.String, "candles": pl.Int64})


class LeakError(PermanentError):
    """A feature knows what it cannot know; nothing of its table was published."""


def leak_check(group: FeatureGroup) -> dg.AssetCheckSpec:
    """What is asked before a version of the table is published for the first time."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=group.name,
        blocking=True,
        description="No feature of this version leaks, as far as probes see.",
    )


def pass_gate(context: dg.AssetExecutionContext, lake: LakeResource, group: FeatureGroup) -> dg.AssetCheckResult:
    """Leak-test a version of a group on the symbols of the lake, unless it was before.

    Raises:
        LeakError: naming each leak and its kind. The failed check is recorded.
    """
    version = tested_version(group)
    if _shipped().get(group.name) == version:
        return dg.AssetCheckResult(check_name=CHECK, passed=True, description=f"Version {version} is leak-tested.")
    candles = stretches(lake, probe_candle(group))
    seen = lake.path / SEEN / f"{group.name}-{version}-{_digest(candles['symbol'].unique())}"
    if seen.exists():
        return dg.AssetCheckResult(check_name=CHECK, passed=True, description=f"Version {version} is leak-tested.")
    report = leak_test(group, by_name=candles)
    if not report.passed:
        leaks = [str(leak) for leak in report.leaks]
        kinds = list(dict.fromkeys(leak.kind for leak in report.leaks))
        found = f"{group.name} leaks by {', '.join(kinds)}: {'; '.join(leaks[:3])}"
        todo = (
            f"correct the declaration: {'; '.join(ADVICE[kind] for kind in kinds)}. Then materialize the table again."
        )
        context.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=context.asset_key,
                check_name=CHECK,
                passed=False,
                metadata={"leaks": dg.MetadataValue.json(leaks[:SHOWN]), "what to do": dg.MetadataValue.text(todo)},
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"{found}. What to do: {todo}",
                blocking=True,
            )
        )
        raise LeakError(f"{found}. Nothing was published; {todo}")
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.write_text(str(report))
    cuts = {probe: dg.MetadataValue.int(count) for probe, count in report.cuts.items()}
    return dg.AssetCheckResult(check_name=CHECK, passed=True, metadata=cuts, description=str(report))


def stretches(lake: LakeResource, candle: timedelta) -> pl.DataFrame:
    """The last candles of every symbol in the lake, whether it still trades or not.

    A symbol with fewer than the probe market has, or with candles that do not divide it, gets those of the probe
    market.

    Args:
        lake: The lake.
        candle: Length of a candle of the probe market.
    """
    table = lake.raw
    wanted, months, held = DAYS * 24 * candle // lake.interval, [], pl.DataFrame(schema=_HELD)
    for month in reversed(table.months()):
        candles = current(table.read([month])).select(COLUMNS)
        months.append(candles.join(held.filter(pl.col("candles") >= wanted), on="symbol", how="anti"))
        more = months[-1].group_by("symbol").agg(candles=pl.len().cast(pl.Int64))
        held = pl.concat([held, more]).group_by("symbol").agg(pl.col("candles").sum())
    long = pl.col("candles") >= wanted if candle % lake.interval == timedelta(0) else pl.lit(value=False)
    probed = named_market(held.filter(~long)["symbol"].sort().to_list(), candle)
    if held.filter(long).is_empty():
        return probed
    own = pl.concat(months).join(held.filter(long), on="symbol", how="semi").sort("symbol", "open_time")
    last = own.group_by("symbol", maintain_order=True).tail(wanted).select(COLUMNS)
    longer = last if lake.interval == candle else resample(last, lake.interval, candle).select(COLUMNS)
    return pl.concat([longer, probed.join(longer, on="symbol", how="anti")])


def tested_version(group: FeatureGroup) -> str:
    """What the leak test looks at: each feature's behaviour, its definition, and its declared window."""
    windows = {f"window of {f.name}": f"{f.window} {f.warm_up} {f.calendar}" for f in group.features}
    defined = {f"definition of {name}": digest for name, digest in feature_definitions(group).items()}
    return combined({**feature_versions(group.name), **defined, **windows})


def verdict(root: UPath, group: FeatureGroup) -> str:
    """What the leak test of the present version said, with its probes; empty if it did not run on this data folder.

    Args:
        root: The data folder.
        group: The group.
    """
    version = tested_version(group)
    if _shipped().get(group.name) == version:
        return _list()[group.name]["report"]
    seen = root / SEEN
    found = sorted(seen.glob(f"{group.name}-{version}-*"), key=str) if seen.is_dir() else []
    return found[-1].read_text() if found else ""


def _digest(symbols: pl.Series) -> str:
    return hashlib.blake2b(",".join(symbols.sort()).encode(), digest_size=6).hexdigest()


def _shipped() -> dict[str, str]:
    return {name: tested["version"] for name, tested in _list().items()}


def _list() -> dict[str, dict[str, str]]:
    """By group the version that passed, and what its leak test said."""
    listed: dict[str, dict[str, str]] = json.loads((files("crypto_features.graph") / LIST).read_text())
    return listed


def main() -> None:
    """Leak-test every group, the optional ones too, and write the list of versions that passed."""
    os.environ.setdefault("CRYPTO_FEATURES_DERIVATIVES_SOURCE", "archive")  # without it there is no such group.
    reports = [(group, leak_test(group)) for group in current_catalog().groups.values()]
    passed = {
        group.name: {"version": tested_version(group), "report": str(report)}
        for group, report in reports
        if report.passed
    }
    Path(__file__).with_name(LIST).write_text(json.dumps(passed, indent=1) + "\n")


if __name__ == "__main__":
    main()
