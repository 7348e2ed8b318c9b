"""Training sets: features joined at the close of bars, as they were known then."""

from dataclasses import dataclass

from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import SHIPPED, Table


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """A service whose features are kept as training rows: what was known at the close of each of some bars.

    Args:
        service: Which features are joined.
        rows: The table whose bars give the rows' symbols and times.
        project: The project of the catalog that declares it, which the catalog fills in.
    """

    service: FeatureService
    rows: Table
    project: str = SHIPPED

    @property
    def name(self) -> str:
        """Name of the table and of its asset: those of several projects stand side by side."""
        return "/".join(["training", *([] if self.project == SHIPPED else [self.project]), self.service.name])
