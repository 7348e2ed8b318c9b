"""OpenLineage events of every run and table, with column lineage, switched on by `CRYPTO_FEATURES_OPENLINEAGE`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from crypto_features.errors import SettingsError
from crypto_features.settings import Settings

EVENTS_A_LOOK = 1000


def lineage_sensors(settings: Settings, status: dg.DefaultSensorStatus) -> Sequence[dg.SensorDefinition]:
    """The sensor that turns Dagster's event log into OpenLineage events; none if the setting is empty.

    Raises:
        SettingsError: if the extra `openlineage` is not installed.
    """
    if not settings.openlineage:
        return []
    os.environ.update(_transport(settings.openlineage))
    os.environ.setdefault("OPENLINEAGE_NAMESPACE", "crypto-features")
    try:
        from dagster_openlineage import openlineage_sensor
    except ImportError:
        raise SettingsError(
            "CRYPTO_FEATURES_OPENLINEAGE needs dagster-openlineage: pip install 'crypto-features[openlineage]'."
        ) from None
    inner = openlineage_sensor(
        name="openlineage",
        include_asset_events=True,
        record_filter_limit=EVENTS_A_LOOK,
        minimum_interval_seconds=int(settings.look_every.total_seconds()),
    )

    def send(context: dg.SensorEvaluationContext) -> Any:
        if context.instance.event_log_storage.is_run_sharded:
            return dg.SkipReason(
                "dagster-openlineage reads one event log, SQLite keeps one a run; use PostgreSQL: deploy/dagster.yaml"
            )
        return inner._raw_fn(context)  # noqa: SLF001 - the library leaves no way to start its sensor by default.

    return [
        dg.SensorDefinition(
            name="openlineage",
            evaluation_fn=send,
            minimum_interval_seconds=inner.minimum_interval_seconds,
            description="Sends what runs did, and which column came from which, as OpenLineage events.",
            default_status=status,
        )
    ]


def _transport(target: str) -> dict[str, str]:
    if target.startswith(("http://", "https://")):
        return {"OPENLINEAGE_URL": target}
    return {
        "OPENLINEAGE__TRANSPORT__TYPE": "file",
        "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": str(Path(target).absolute()),
        "OPENLINEAGE__TRANSPORT__APPEND": "true",
    }
