"""What is asked of a live process: that each bar's rows are there soon after its close."""

from datetime import datetime, timedelta

import dagster as dg

from crypto_features.durations import spoken
from crypto_features.graph.checks.finding import Finding
from crypto_features.lake.live_status import PLACES, LiveStatus

NAME = "lag"
"""The check's name."""


def punctual(status: LiveStatus | None, view: str, now: datetime, limit: timedelta) -> Finding:
    """The live row of the newest bar of a view is there, or was due only a short while ago.

    Args:
        status: What the live process says; none if it never ran.
        view: The view.
        now: The time, UTC.
        limit: How long a row may be due.
    """
    if status is None or status.stopped:
        since = "never ran here" if status is None else f"was stopped at {status.at:%Y-%m-%d %H:%M} UTC"
        return Finding(passed=True, text=f"`crypto-features live` {since}; the batch publishes.", todo="")
    if view not in status.newest:
        return Finding(passed=True, text="The view is not published live; the batch publishes it.", todo="")
    absent = status.absent if now - status.began > limit else 0
    lag = status.lag(view, now)
    seen = f"it last said so {spoken(now - status.at)} ago"
    due = f"has been due for {spoken(lag)}, {seen}" if lag else "is there, or is not due"
    others = f" {absent} of the processes that share the symbols never began." if absent else ""
    return Finding(
        passed=lag <= limit and not absent,
        text=f"The live row of the newest bar {due}; {spoken(limit)} is allowed.{others}",
        todo="if `crypto-features live` runs, its log says what the exchange or the store refuses; if it does not, "
        f"start it again. Where none is wanted any more, remove {PLACES} in the data folder.",
        facts=facts(status, view, now),
    )


def facts(status: LiveStatus, view: str, now: datetime) -> dict[str, dg.MetadataValue]:
    """What is shown of a live process at a view: seconds, times, and counts since it began."""
    delay = status.delays.get(view)
    counts = status.counts
    return {
        "lag_seconds": dg.MetadataValue.float(status.lag(view, now).total_seconds()),
        **({} if delay is None else {"seconds_from_close_to_published": dg.MetadataValue.float(delay.total_seconds())}),
        "newest": dg.MetadataValue.timestamp(status.newest[view]),
        "running_since": dg.MetadataValue.timestamp(status.began),
        "symbols": dg.MetadataValue.int(status.symbols),
        "candles_final_by_flag": dg.MetadataValue.int(counts["flag"]),
        "candles_final_by_successor": dg.MetadataValue.int(counts["successor"]),
        "candles_final_by_rest": dg.MetadataValue.int(counts["rest"]),
        "corrections": dg.MetadataValue.int(counts["corrected"]),
        "rejected": dg.MetadataValue.int(counts["rejected"]),
        "reconnects": dg.MetadataValue.int(counts["disconnected"]),
    }
