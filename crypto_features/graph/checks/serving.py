"""What is asked of what is served: online equals offline to the bit, and the registry says what the code says."""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from crypto_features.graph.checks.finding import Finding
from crypto_features.ingest.silence import declared_ends
from crypto_features.settings import Settings
from crypto_features.sources.standing import FORGOTTEN
from crypto_features.store import ParityReport


def equal(report: ParityReport) -> Finding:
    """Every online row equals the offline row of its symbol and time to the bit, and none is absent or behind."""
    differences = [str(difference) for difference in report.differences]
    return Finding(
        passed=report.equal,
        text=f"{report.rows} rows online, {len(differences)} differences from the newest offline rows.",
        todo=f"materialize online_store/{report.view} for the newest month; if it stays so, see what else writes to "
        "the online store, and stop serving the view until then.",
        facts={"differences": dg.MetadataValue.json(differences[:50])} if differences else {},
    )


def awaited_and_expired(
    online: pl.DataFrame, settings: Settings, ttl: timedelta, now: datetime
) -> tuple[int, tuple[str, ...]]:
    """How many of the symbols online are waited for, and those of them whose row is too old to be served, sorted.

    Args:
        online: Columns `symbol` and `event_timestamp` of one view.
        settings: Which symbols are wanted, and which are declared as ended.
        ttl: How old a row may be.
        now: The current time.
    """
    awaited = {*(settings.symbols or online["symbol"])} - declared_ends(settings, now)
    expected = online.filter(pl.col("symbol").is_in(awaited))
    expected = expected.filter(pl.col("event_timestamp") >= now - FORGOTTEN) if expected.height else online
    expired = expected.filter(pl.col("event_timestamp") < now - ttl)
    return expected.height, tuple(sorted(expired["symbol"]))


def registered(declared: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[str]]) -> Finding:
    """The registry holds the views that the code declares, with the same features."""
    differ = sorted(v for v in declared.keys() | found.keys() if set(declared.get(v, ())) != set(found.get(v, ())))
    return Finding(
        passed=not differ,
        text=f"{len(found)} views are registered; {', '.join(differ) or 'none'} differ from the code.",
        todo="materialize feast_registry (or run `feast apply` in feature_repo/), then the online views.",
        facts={
            v: dg.MetadataValue.text(f"declared {sorted(declared.get(v, ()))}, registered {sorted(found.get(v, ()))}")
            for v in differ
        },
    )


def enabled(view: str, disabled: Mapping[str, str], views: Container[str]) -> Finding:
    """Neither the view nor a symbol is switched off."""
    mine = {name: why for name, why in disabled.items() if name == view or name not in views}
    return Finding(
        passed=not mine,
        text=f"{', '.join(f'{name} ({why})' for name, why in mine.items()) or 'Nothing'} is switched off.",
        todo="when its reason is gone, `crypto-features enable NAME`; until then the bot reads DISABLED.",
    )
