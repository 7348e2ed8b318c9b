"""Each day a part of what is stored is read, so that a bit that rots is found while a copy is still at hand.

Projects that share a data folder share its files: the one that fetches the candles reads them.
"""

import dagster as dg

from crypto_features import clock
from crypto_features.lake.scrub import damage, stored_files
from crypto_features.settings import Settings
from crypto_features.store import FeastResource
from crypto_features.tables.catalog import Catalog

SCRUB = "scrub"
DAYS = 28
"""Within so many days every file is read once; the online rows are read each day."""


def scrub(settings: Settings, catalog: Catalog, status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """A schedule whose run fails, and so alerts, if anything of its part is damaged."""

    @dg.op(name="read_what_is_stored", description="Reads a part of the stored files and every online row.")
    def read(context: dg.OpExecutionContext, feast: FeastResource) -> None:
        part = clock.now().toordinal() % DAYS
        files = stored_files(settings.root, catalog, part, DAYS)
        found = [why for path in files if (why := damage(settings.root, catalog, path)) is not None]
        found += feast.damage()
        if found:
            raise dg.Failure(" ".join(found), allow_retries=False)
        context.log.info("%s files and every online row are as they were written.", len(files))

    @dg.job(name=SCRUB, description="Finds what rotted, before anything is computed from it.")
    def job() -> None:
        read()

    return dg.ScheduleDefinition(
        name="scrub_each_day",
        job=job,
        cron_schedule="23 4 * * *",
        default_status=status,
        description=f"Reads a part of the stored files each day, all of them within {DAYS} days.",
    )
