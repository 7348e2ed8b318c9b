"""What Dagster loads: the code location of the settings of this process."""

from crypto_features.code_location import EARLIEST, build
from crypto_features.settings import Settings

__all__ = ["EARLIEST", "build", "defs"]

defs = build(Settings.load())
