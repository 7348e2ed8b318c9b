"""`crypto-features plan`: what has to be computed again, and why."""

import json
import os
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from crypto_features.cli.app import command
from crypto_features.errors import InputError

if TYPE_CHECKING:
    from crypto_features.features.plan import Stale
    from crypto_features.settings import Settings


@command
def plan(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON, for CI.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compute new definitions in memory, and leave out what comes out equal.")
    ] = False,
    run: Annotated[bool, typer.Option("--run", help="Materialize exactly that through Dagster.")] = False,
) -> None:
    """List every partition that is stale, with the reason; nothing is written unless --run is given."""
    from crypto_features.recompute import EVERY_MONTH, stale_partitions
    from crypto_features.settings import Settings

    settings = Settings.load()
    stale = stale_partitions(settings, exact=exact)
    if as_json:
        typer.echo(json.dumps([_facts(item) for item in stale], indent=1))
    else:
        _show(stale)
    if run and any(item.partition == EVERY_MONTH for item in stale):
        raise InputError(f"{settings.root} holds no candles to compute from; `crypto-features run` fetches them.")
    if run and stale:
        _materialize(settings, stale)
        typer.echo(f"{len(stale)} partitions materialized.", err=as_json)


def _materialize(settings: "Settings", stale: "Sequence[Stale]") -> None:
    """One Dagster run a month, oldest first: a month reads none that is later."""
    from crypto_features.instance import dagster_home

    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    import dagster as dg

    from crypto_features.definitions import build
    from crypto_features.materialize import QUIET, RunFailedError, cause

    job = build(settings).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        for month, items in groupby(sorted(stale, key=lambda item: item.partition), key=lambda item: item.partition):
            assets = [dg.AssetKey(item.asset) for item in items]
            result = job.execute_in_process(
                run_config=QUIET, instance=instance, partition_key=month, asset_selection=assets, raise_on_error=False
            )
            if not result.success:
                raise RunFailedError(f"{month}: {cause(result.all_events)}")


def _facts(item: "Stale") -> dict[str, object]:
    return {
        "asset": item.asset,
        "partition": item.partition,
        "reason": item.reason.value,
        "details": list(item.details),
    }


def _show(stale: "Sequence[Stale]") -> None:
    console = Console()
    if not stale:
        console.print("Nothing is stale.")
        return
    table = Table("Asset", "Partitions", "Reason", "Details")
    for (asset, reason), items in groupby(stale, key=lambda item: (item.asset, item.reason.value)):
        months = [(item.partition, ", ".join(item.details)) for item in items]
        span = months[0][0] if len(months) == 1 else f"{months[0][0]} … {months[-1][0]} ({len(months)})"
        table.add_row(asset, span, reason, months[0][1])
    console.print(table)
    console.print(f"{len(stale)} partitions are stale. `crypto-features plan --run` computes exactly these.")
