"""What a person decided about files that can be read in more than one way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from crypto_features.settings import Settings


@dataclass(frozen=True)
class Choices:
    """What the settings say of vendors' files; what they leave open is recognized, or refused.

    Args:
        columns: The file's column for a candle's column.
        stamps: Form of the stamps: `s`, `ms`, `us`, `ns`, `excel`, `days`, or as `%d/%m/%Y %H:%M`.
        zone: Time zone of stamps that name none.
        length: Length of a candle in the files.
        volume: Whether the volume counts the base asset or the quote currency.
        limit: How many bytes a file may unpack to.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    stamps: str | None = None
    zone: str | None = None
    length: timedelta | None = None
    volume: Literal["base", "quote"] | None = None
    limit: int = 4 << 30

    @classmethod
    def of(cls, settings: Settings) -> "Choices":
        return cls(
            settings.files_columns,
            settings.files_stamps,
            settings.files_zone,
            settings.files_interval,
            settings.files_volume,
            settings.files_limit,
        )
