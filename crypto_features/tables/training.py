"""Training sets: features joined at the close of bars, as they were known then."""

from dataclasses import dataclass

from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Table


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """A service whose features are kept as training rows: what was known at the close of each of some bars.

    Args:
        service: Which features are joined.
        rows: The table whose bars give the rows' symbols and times.
    """

    service: FeatureService
    rows: Table

    @property
    def name(self) -> str:
        """Name of the table and of its asset."""
        return f"training/{self.service.name}"
