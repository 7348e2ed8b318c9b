"""What runs by itself: schedules, sensors, declarative automation and alerts, all switched by one setting."""

from collections.abc import Sequence

import dagster as dg

from crypto_features.automation.history import forget_old_runs
from crypto_features.automation.lineage_events import lineage_sensors
from crypto_features.automation.live import live_sensor
from crypto_features.automation.schedules import CANDLES, DAILY, schedules
from crypto_features.automation.scrub import scrub
from crypto_features.automation.sensors import sensors
from crypto_features.automation.watch import alert_sensor
from crypto_features.live.streamed import can_stream
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog


def automation(settings: Settings, catalog: Catalog, checks: Sequence[dg.AssetCheckKey]) -> dg.Definitions:
    """Everything that acts by itself, running or stopped as `CRYPTO_FEATURES_AUTOMATION` says."""
    on = settings.automation
    sensor = dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED
    schedule = dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED
    follows = dg.AutomationConditionSensorDefinition(
        "follow_inputs",
        target=dg.AssetSelection.all(),
        default_status=sensor,
        minimum_interval_seconds=int(settings.look_every.total_seconds()),
        description="Materializes what follows from an updated input, by the condition of each asset.",
    )
    jobs = [
        dg.define_asset_job(
            CANDLES,
            dg.AssetSelection.assets(catalog.raw.name).downstream() - dg.AssetSelection.groups("training"),
            description="New candles from the source, and what is due with them.",
        )
    ]
    if bars := [bars.name for bars in catalog.bars.values() if not bars.project]:
        jobs.append(dg.define_asset_job(DAILY, dg.AssetSelection.assets(*bars), description="The bars that are over."))
    own = not catalog.raw.project  # another project that fetches the candles acts on them too.
    scheduled = [*schedules(settings, catalog, schedule), scrub(settings, catalog, schedule)] if own else []
    looking = [
        follows,
        *sensors(settings, catalog, sensor),
        alert_sensor(settings, catalog, checks, sensor),
        *([live_sensor(settings, catalog, sensor)] if can_stream(settings) else []),
        *lineage_sensors(settings, sensor),
    ]
    names = [*(one.name for one in scheduled), *(one.name for one in looking)]
    return dg.Definitions(
        jobs=jobs if own else [],
        schedules=[*scheduled, forget_old_runs(settings, schedule, names)],
        sensors=looking,
    )
