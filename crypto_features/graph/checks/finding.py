"""What a check found, apart from Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg
import polars as pl

SHOWN_ROWS = 50
TODO = "what to do"
"""Under this name a check that failed notes what to do."""
SAYS_TODO = " What to do: "
MONTHS = "months"
"""Under this name a check that failed notes the months that it looked at."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Args:
        passed: Whether all is well.
        text: What was seen, in one sentence.
        todo: What to do if it is not.
        facts: Figures and rows that show it.
    """

    passed: bool
    text: str
    todo: str
    facts: Mapping[str, dg.MetadataValue] = field(default_factory=dict)

    def of(self, months: Sequence[str]) -> "Finding":
        """The same, with the months that it looked at noted if something is wrong in them."""
        return self if self.passed else replace(self, facts={**self.facts, MONTHS: dg.MetadataValue.json([*months])})

    def result(self, asset: dg.AssetKey, name: str, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
        todo = {} if self.passed else {TODO: dg.MetadataValue.text(self.todo)}
        return dg.AssetCheckResult(
            passed=self.passed,
            asset_key=asset,
            check_name=name,
            severity=severity,
            description=self.text if self.passed else f"{self.text}{SAYS_TODO}{self.todo}",
            metadata={**self.facts, **todo},
        )


def rows(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> dg.MetadataValue:
    """The first rows of a frame as a table in Dagster's UI."""
    shown = (
        frame.head(SHOWN_ROWS).select(columns or frame.columns).with_columns(pl.selectors.temporal().cast(pl.String))
    )
    schema = dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in shown.schema.items()])
    return dg.MetadataValue.table([dg.TableRecord(row) for row in shown.to_dicts()], schema)
