"""A figure as metadata that Dagster's UI shows in place."""

import base64
from typing import TYPE_CHECKING

import dagster as dg

from crypto_features.plots import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_BYTES = 150_000
"""Upper limit of one inline picture: metadata is stored with the event and sent to every browser that opens it."""


def inline(drawn: "Figure", alt: str) -> dg.MarkdownMetadataValue:
    """The figure as metadata that Dagster's UI shows in place; a text if it is larger than `MAX_BYTES`."""
    picture = png(drawn)
    if len(picture) > MAX_BYTES:
        return left_out(alt, f"it has {len(picture):,} bytes, more than {MAX_BYTES:,}")
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(picture).decode()})")


def left_out(alt: str, why: str) -> dg.MarkdownMetadataValue:
    """What stands in the place of a picture that cannot be shown."""
    return dg.MetadataValue.md(f"No picture of {alt}: {why}.")
