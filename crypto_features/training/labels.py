"""What became of the rows that a label was computed for: kept, or left out and why."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from crypto_features.errors import InputError
from crypto_features.tables.label import PAST_END, Label
from crypto_features.tables.triple_barrier import UNDECIDED


@dataclass(frozen=True)
class LabelAudit:
    """Counts of the rows of a label.

    Args:
        rows: All rows.
        labelled: Those with a label.
        without: Those without, by reason.
        values: How many labels there are of each value, if the label is a whole number, a truth or a text.
    """

    rows: int
    labelled: int
    without: Mapping[str, int]
    values: Mapping[str, int]

    @property
    def undecided(self) -> float:
        """The share, 0 to 1, of rows with both barriers within one candle, among those whose horizon is over."""
        over = self.rows - self.without.get(PAST_END, 0)
        return self.without.get(UNDECIDED, 0) / over if over else 0.0

    def require(self, label: Label) -> None:
        """Check that there is a label.

        Raises:
            InputError: if there are rows and none has a label.
        """
        if self.rows and not self.labelled:
            raise InputError(
                f"{label.name} has a label for none of {self.rows:,} rows "
                f"({', '.join(f'{count:,} {reason}' for reason, count in self.without.items())}); its horizon is "
                f"{label.horizon}. Declare a shorter one, or fetch more candles."
            )

    def __str__(self) -> str:
        parts = [f"{self.labelled:,} of {self.rows:,} rows have a label"]
        parts += [f"{count:,} {reason}" for reason, count in self.without.items()]
        return "; ".join([*parts, f"undecided {self.undecided:.2%}"])


def audit(label: Label, rows: pl.DataFrame) -> LabelAudit:
    """Count what became of the rows.

    Args:
        label: The label.
        rows: Rows as `Label.compute` gives them.

    Raises:
        InputError: if there are rows and none has a label.
    """
    reasons = rows[label.reason].drop_nulls().value_counts().sort("count", label.reason, descending=[True, False])
    without, labelled = dict(reasons.iter_rows()), rows[label.reason].null_count()
    values = rows[label.name].drop_nulls()
    counted = values.value_counts().sort(label.name).iter_rows() if not values.dtype.is_float() else ()
    found = LabelAudit(len(rows), labelled, without, {str(value): count for value, count in counted})
    found.require(label)
    return found
