"""The leak test in front of the first publication: a table with a new version is not published until it passes.

The test reads the declared windows too, so another window is asked for anew, though it changes no value and no version.

The versions that ship were leak-tested, and their list stands beside this module;
`python -m crypto_features.assets.leak_gate` tests every group and writes the list anew.
"""

import json
from importlib.resources import files
from pathlib import Path

import dagster as dg

from crypto_features.assets.lake import LakeResource
from crypto_features.errors import PermanentError
from crypto_features.features import GROUPS, FeatureGroup
from crypto_features.features.fingerprint import combined
from crypto_features.features.leak import leak_test
from crypto_features.versions import feature_versions

CHECK = "leak_tested"
LIST = "leak_tested.json"
SHOWN = 20


class LeakError(PermanentError):
    """A feature knows the future; nothing of its table was published."""


def leak_check(group: FeatureGroup) -> dg.AssetCheckSpec:
    """What is asked before a version of the table is published for the first time."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=group.name,
        blocking=True,
        description="No feature of this version looks ahead, as far as probes see.",
    )


def pass_gate(context: dg.AssetExecutionContext, lake: LakeResource, group: FeatureGroup) -> dg.AssetCheckResult:
    """Leak-test a version of a group, with these windows, unless it was before.

    Raises:
        LeakError: naming each leak. The failed check is recorded.
    """
    version = tested_version(group)
    seen = lake.path / ".leak_tested" / f"{group.name}-{version}"
    if _shipped().get(group.name) == version or seen.exists():
        return dg.AssetCheckResult(check_name=CHECK, passed=True, description=f"Version {version} is leak-tested.")
    report = leak_test(group)
    if not report.passed:
        leaks = [str(leak) for leak in report.leaks]
        found = f"{group.name} looks ahead: {'; '.join(leaks[:3])}"
        todo = (
            "correct the declaration: use only rows up to the one that is computed; then materialize the table again."
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
    return dg.AssetCheckResult(check_name=CHECK, passed=True, metadata=cuts, description=str(report).splitlines()[0])


def tested_version(group: FeatureGroup) -> str:
    """What the leak test looks at: the behaviour of each feature, its window, and whether more may leave a trace."""
    windows = {f"window of {f.name}": f"{f.window} {f.recursive}" for f in group.features}
    return combined({**feature_versions(group.name), **windows})


def _shipped() -> dict[str, str]:
    shipped: dict[str, str] = json.loads((files("crypto_features.assets") / LIST).read_text())
    return shipped


def main() -> None:
    """Leak-test every group and write the list of versions that passed."""
    passed = {name: tested_version(group) for name, group in GROUPS.items() if leak_test(group).passed}
    Path(__file__).with_name(LIST).write_text(json.dumps(passed, indent=1) + "\n")


if __name__ == "__main__":
    main()
