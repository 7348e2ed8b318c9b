"""What Dagster loads: the code location of the settings of this process."""

import sys

from crypto_features.code_location import EARLIEST, build, require_folder
from crypto_features.settings import Settings

__all__ = ["EARLIEST", "build", "defs"]

require_folder(sys.path[0])  # where Dagster puts the working directory of a code location.
defs = build(Settings.load())
