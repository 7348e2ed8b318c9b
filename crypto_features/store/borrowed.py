"""How a view of another project is registered in this one: as a copy whose tags say what it is a copy of."""

from dataclasses import dataclass

from feast import FeatureView

OWNER, VERSION, PLACE = "borrowed_from", "borrowed_version", "online_table"
"""Tags of a borrowed view: the project that owns it, the version that was copied, and where its online rows are."""


@dataclass(frozen=True)
class Origin:
    """What a borrowed view is a copy of.

    Args:
        project: The project that owns it.
        version: The number of the version there.
        place: Its table in the online store.
    """

    project: str
    version: int
    place: str


def origin(view: FeatureView) -> Origin | None:
    """What a view is a copy of; `None` if it is the project's own."""
    tags = view.tags or {}
    if OWNER not in tags:
        return None
    return Origin(tags[OWNER], int(tags[VERSION]), tags[PLACE])
